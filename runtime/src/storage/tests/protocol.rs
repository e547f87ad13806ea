use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use aws_lc_rs::digest::{SHA256, digest};
use futures_util::future::join_all;
use jiff::Timestamp;

use super::*;
use crate::ledger::{CommitObject, Content};

fn poll_once<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
}

/// The ledger's transaction for a file that was staged by hand.
fn commit_of(path: &str, staged: &str, bytes: &[u8]) -> CommitObject {
    CommitObject {
        bucket: "chunks".to_owned(),
        name: name(path),
        owner: "U1".to_owned(),
        content: Content {
            size: bytes.len() as u64,
            md5: [0; 16],
            crc32c: 0,
            sha256: [0; 32],
        },
        options: PutOptions::default(),
        now: Timestamp::now(),
        staged: Some(staged.to_owned()),
        quota: None,
        session: None,
    }
}

#[tokio::test]
async fn an_object_lies_where_the_former_server_put_it() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let options = PutOptions {
        content_type: Some("video/webm".to_owned()),
        metadata: [("originalFilename".to_owned(), "звук.webm".to_owned())].into(),
        content_length: Some(5),
        ..PutOptions::default()
    };
    let mut upload = bucket.put(name("U1/a.webm"), options).await.unwrap();
    upload.write("he".into()).await.unwrap();
    upload.write("llo".into()).await.unwrap();
    let object = upload.finish().await.unwrap();

    assert_eq!(fs::read(disk.file("U1/a.webm")).unwrap(), b"hello");
    assert_eq!(object.owner, "U1");
    assert_eq!(object.content_type.as_deref(), Some("video/webm"));
    assert_eq!(object.metadata["originalFilename"], "звук.webm");
    assert_eq!(object.metageneration, 1);
    assert_eq!(bucket.head(&name("U1/a.webm")).await.unwrap(), Some(object));
    assert!(disk.staged().is_empty());
}

#[tokio::test]
async fn bytes_that_are_not_those_that_were_meant_become_no_object() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    put(&bucket, "U1/a", &"old".into()).await.unwrap();
    let options = PutOptions {
        md5: Some([0; 16]),
        ..PutOptions::default()
    };
    let mut upload = bucket.put(name("U1/a"), options).await.unwrap();
    upload.write("new".into()).await.unwrap();
    let made = upload.finish().await;
    assert!(matches!(made, Err(StorageError::ChecksumMismatch)));
    disk.nothing_staged().await;
    let (_, bytes) = get(&bucket, "U1/a").await.unwrap();
    assert_eq!(bytes, "old");
}

#[tokio::test]
async fn an_interrupted_upload_leaves_nothing() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    put(&bucket, "U1/a", &"old".into()).await.unwrap();

    let mut upload = bucket
        .put(name("U1/a"), PutOptions::default())
        .await
        .unwrap();
    upload.write(pattern(3 * BLOCK + 1)).await.unwrap();
    assert_eq!(disk.staged().len(), 1);
    drop(upload);

    disk.nothing_staged().await;
    assert_eq!(get(&bucket, "U1/a").await.unwrap().1, "old");
}

#[tokio::test]
async fn a_write_that_is_abandoned_half_way_ends_the_upload() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let mut upload = bucket
        .put(name("U1/a"), PutOptions::default())
        .await
        .unwrap();
    let mut write = Box::pin(upload.write(pattern(8 * BLOCK)));
    assert!(poll_once(&mut write).is_pending());
    drop(write);

    let result = upload.write("more".into()).await;
    assert!(matches!(result, Err(StorageError::Aborted)));
    assert!(matches!(upload.finish().await, Err(StorageError::Aborted)));
    disk.nothing_staged().await;
}

#[tokio::test]
async fn a_finish_that_nobody_waits_for_makes_the_object_all_the_same() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let mut upload = bucket
        .put(name("U1/a"), PutOptions::default())
        .await
        .unwrap();
    upload.write("hello".into()).await.unwrap();
    let mut finish = Box::pin(upload.finish());
    assert!(poll_once(&mut finish).is_pending());
    drop(finish);

    while bucket.head(&name("U1/a")).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(get(&bucket, "U1/a").await.unwrap().1, "hello");
}

#[tokio::test]
async fn a_start_sweeps_what_was_never_committed() {
    let disk = Disk::new();
    drop(disk.open().await);
    fs::write(disk.path.join(STAGING).join("left"), "over").unwrap();
    // Nothing that storage made, and no reason not to start.
    fs::create_dir(disk.path.join(STAGING).join("folder")).unwrap();
    let bucket = disk.open().await;
    assert_eq!(disk.staged(), ["folder"]);
    assert!(bucket.list("", "", 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_start_rolls_a_commit_forward_that_was_never_renamed() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    put(&bucket, "U1/old/a", &"old".into()).await.unwrap();
    drop(bucket);
    let ledger = disk.ledger().await;
    for path in ["U1/old/a", "U2/new/a"] {
        let staged = path.replace('/', "-");
        fs::write(disk.path.join(STAGING).join(&staged), path).unwrap();
        let new = commit_of(path, &staged, path.as_bytes());
        ledger.commit(new).await.unwrap();
    }

    let bucket = disk.open().await;
    assert!(disk.staged().is_empty());
    assert_eq!(fs::read(disk.file("U1/old%2F/a")).unwrap(), b"U1/old/a");
    assert_eq!(get(&bucket, "U2/new/a").await.unwrap().1, "U2/new/a");
}

#[tokio::test]
async fn a_rename_that_failed_is_made_up_for_by_the_next_reader() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    put(&bucket, "U1/a", &"old".into()).await.unwrap();
    fs::write(disk.path.join(STAGING).join("s1"), "new!").unwrap();
    let new = commit_of("U1/a", "s1", b"new!");
    disk.ledger().await.commit(new).await.unwrap();

    let (object, bytes) = get(&bucket, "U1/a").await.unwrap();
    assert_eq!((object.size, bytes), (4, "new!".into()));
    assert!(disk.staged().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_among_concurrent_overwrites_see_whole_versions_only() {
    const WRITERS: usize = 4;
    let disk = Disk::new();
    let bucket = disk.open().await;
    put(&bucket, "U1/a", &pattern(1)).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));

    let readers = (0..3).map(|_| {
        let (bucket, done) = (bucket.clone(), done.clone());
        tokio::spawn(async move {
            let mut last = 0;
            while !done.load(Ordering::Relaxed) {
                let (object, bytes) = get(&bucket, "U1/a").await.unwrap();
                assert_eq!(digest(&SHA256, &bytes).as_ref(), object.sha256);
                assert!(object.generation >= last, "a generation went backwards");
                last = object.generation;
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    let writers = (0..WRITERS).map(|writer| {
        let bucket = bucket.clone();
        tokio::spawn(async move {
            let mut generations = Vec::new();
            for round in 0..15 {
                let bytes = pattern(1000 * writer + round);
                generations.push(put(&bucket, "U1/a", &bytes).await.unwrap().generation);
            }
            generations
        })
    });
    let generations: Vec<i64> = join_all(writers)
        .await
        .into_iter()
        .flat_map(Result::unwrap)
        .collect();
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap();
    }

    let (object, bytes) = get(&bucket, "U1/a").await.unwrap();
    assert_eq!(Some(&object.generation), generations.iter().max());
    assert_eq!(digest(&SHA256, &bytes).as_ref(), object.sha256);
    assert!(disk.staged().is_empty());
}

#[tokio::test]
async fn an_object_and_a_folder_of_the_same_name_both_exist() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    for path in ["U1/a", "U1/a/b", "U1/a/", "U1/a//b", "U1/a%2F"] {
        put(&bucket, path, &Bytes::from(path)).await.unwrap();
    }
    for path in ["U1/a", "U1/a/b", "U1/a/", "U1/a//b", "U1/a%2F"] {
        assert_eq!(get(&bucket, path).await.unwrap().1, path);
    }
    assert_eq!(bucket.list("", "", 10).await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_deleted_object_does_not_come_back() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let object = put(&bucket, "U1/a", &"hello".into()).await.unwrap();
    let deleted = bucket.delete(&name("U1/a")).await.unwrap();
    assert_eq!(deleted, Some(object));
    assert!(!disk.file("U1/a").exists());
    assert!(bucket.delete(&name("U1/a")).await.unwrap().is_none());
    assert!(get(&bucket, "U1/a").await.is_none());
    assert!(disk.ledger().await.removals().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_removal_that_was_interrupted_is_finished_by_the_next_start_or_reader() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let ledger = disk.ledger().await;
    for path in ["U1/start", "U1/reader"] {
        put(&bucket, path, &"hello".into()).await.unwrap();
    }
    ledger.remove("chunks", &name("U1/reader")).await.unwrap();
    assert!(get(&bucket, "U1/reader").await.is_none());
    assert!(!disk.file("U1/reader").exists());

    ledger.remove("chunks", &name("U1/start")).await.unwrap();
    drop(bucket);
    let bucket = disk.open().await;
    assert!(!disk.file("U1/start").exists());
    assert!(get(&bucket, "U1/start").await.is_none());
    assert!(ledger.removals().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_upload_after_an_interrupted_removal_survives_the_next_start() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    put(&bucket, "U1/a", &"old".into()).await.unwrap();
    disk.ledger()
        .await
        .remove("chunks", &name("U1/a"))
        .await
        .unwrap();
    put(&bucket, "U1/a", &"new".into()).await.unwrap();
    drop(bucket);
    assert_eq!(get(&disk.open().await, "U1/a").await.unwrap().1, "new");
}

#[tokio::test]
async fn a_disk_belongs_to_one_process() {
    let disk = Disk::new();
    let _bucket = disk.open().await;
    assert!(matches!(disk.start().await, Err(StorageError::Io(_))));
}

#[tokio::test]
async fn a_revision_sees_what_it_changes_however_many_come_at_once() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    put(&bucket, "U1/a", &"hello".into()).await.unwrap();
    let count = |object: &Object| {
        let before = object.metadata.get("count").map_or("", String::as_str);
        Some(MetadataChange {
            metadata: [("count".to_owned(), Some(format!("{before}x")))].into(),
            ..MetadataChange::default()
        })
    };
    let name = name("U1/a");
    join_all((0..10).map(|_| bucket.revise(&name, count))).await;
    let object = bucket.head(&name).await.unwrap().unwrap();
    assert_eq!(object.metadata["count"], "x".repeat(10));
    assert_eq!(object.metageneration, 11);

    let kept = bucket.revise(&name, |_| None).await.unwrap();
    assert_eq!(kept.as_ref(), Some(&object));
    assert_eq!(bucket.head(&name).await.unwrap(), kept);
    let absent = ObjectName::new("user_uploads/U1/absent").unwrap();
    assert_eq!(bucket.revise(&absent, count).await.unwrap(), None);
}
