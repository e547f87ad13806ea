use aws_lc_rs::digest::{SHA256, digest};
use bytes::Buf;

use super::*;
use crate::ledger::{CommitObject, Content};

const KIB: usize = 1 << 10;

async fn start(bucket: &Bucket, path: &str, length: Option<u64>) -> UploadSession {
    let options = PutOptions {
        content_length: length,
        ..PutOptions::default()
    };
    bucket.start_session(name(path), options).await.unwrap()
}

/// One request that is not the last.
async fn send(session: &UploadSession, offset: usize, bytes: Bytes) -> UploadSession {
    let mut writer = session.append(offset as u64).await.unwrap();
    writer.write(bytes).await.unwrap();
    writer.close().await.unwrap()
}

async fn again(bucket: &Bucket, session: &UploadSession) -> UploadSession {
    bucket.session(session.id()).await.unwrap().unwrap()
}

#[track_caller]
fn is_whole(object: &Object, bytes: &Bytes) {
    assert_eq!(object.size, bytes.len() as u64);
    assert_eq!(object.sha256, digest(&SHA256, bytes).as_ref());
    assert_eq!(object.crc32c, crc32c::crc32c(bytes));
    let md5: [u8; 16] = <md5::Md5 as md5::Digest>::digest(bytes).into();
    assert_eq!(object.md5, md5);
}

#[tokio::test]
async fn the_requests_of_a_session_make_one_object() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let bytes = pattern(5 * BLOCK + 77);
    let options = PutOptions {
        content_type: Some("video/webm".to_owned()),
        cache_control: Some("no-store".to_owned()),
        metadata: [("k".to_owned(), "v".to_owned())].into(),
        content_length: Some(bytes.len() as u64),
        ..PutOptions::default()
    };
    let begun = bucket.start_session(name("U1/a"), options.clone()).await;
    let begun = begun.unwrap();
    assert_eq!((begun.received(), begun.options()), (0, &options));
    assert!(bucket.head(&name("U1/a")).await.unwrap().is_none());

    let session = send(&begun, 0, bytes.slice(..BLOCK)).await;
    assert_eq!(session.received(), BLOCK as u64);
    let session = send(&session, BLOCK, bytes.slice(BLOCK..4 * BLOCK)).await;
    let mut last = session.append(4 * BLOCK as u64).await.unwrap();
    for piece in bytes.slice(4 * BLOCK..).chunks(1000) {
        last.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    let object = last.finish().await.unwrap();

    is_whole(&object, &bytes);
    assert_eq!(object.content_type.as_deref(), Some("video/webm"));
    assert_eq!(object.cache_control.as_deref(), Some("no-store"));
    assert_eq!(object.metadata["k"], "v");
    assert_eq!(get(&bucket, "U1/a").await.unwrap(), (object, bytes));
    assert!(disk.staged().is_empty());
}

#[tokio::test]
async fn what_was_received_survives_a_restart_and_the_upload_goes_on() {
    let disk = Disk::new();
    let bytes = pattern(3 * BLOCK + 5);
    let bucket = disk.open().await;
    let session = start(&bucket, "U1/a", Some(bytes.len() as u64)).await;
    send(&session, 0, bytes.slice(..2 * BLOCK)).await;
    let id = session.id().to_owned();
    drop((session, bucket));

    let bucket = disk.restart().await;
    let session = bucket.session(&id).await.unwrap().unwrap();
    assert_eq!(session.state(), &SessionState::Active);
    assert_eq!(session.received(), 2 * BLOCK as u64);
    assert_eq!(session.options().content_length, Some(bytes.len() as u64));
    let mut writer = session.append(session.received()).await.unwrap();
    writer.write(bytes.slice(2 * BLOCK..)).await.unwrap();
    is_whole(&writer.finish().await.unwrap(), &bytes);
}

#[tokio::test]
async fn bytes_that_were_never_promised_are_cut_off_by_the_next_start() {
    let disk = Disk::new();
    let bytes = pattern(2 * BLOCK);
    let bucket = disk.open().await;
    let session = start(&bucket, "U1/a", None).await;
    send(&session, 0, bytes.slice(..BLOCK)).await;
    let id = session.id().to_owned();
    drop((session, bucket));
    // Killed after a write, before the ledger knew of it.
    let staged = disk.path.join(STAGING).join(&disk.staged()[0]);
    let mut file = fs::read(&staged).unwrap();
    file.extend_from_slice(b"torn");
    fs::write(&staged, file).unwrap();

    let bucket = disk.restart().await;
    assert_eq!(fs::metadata(&staged).unwrap().len(), BLOCK as u64);
    let session = bucket.session(&id).await.unwrap().unwrap();
    let session = send(&session, BLOCK, bytes.slice(BLOCK..)).await;
    is_whole(&session.finish().await.unwrap(), &bytes);
}

#[tokio::test]
async fn a_request_that_is_sent_again_changes_nothing() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let bytes = pattern(4 * BLOCK);
    let begun = start(&bucket, "U1/a", None).await;
    send(&begun, 0, bytes.slice(..2 * BLOCK)).await;
    let same = send(&begun, 0, bytes.slice(..2 * BLOCK)).await;
    assert_eq!(same.received(), 2 * BLOCK as u64);
    let same = send(&begun, 0, bytes.slice(..100)).await;
    assert_eq!(same.received(), 2 * BLOCK as u64);
    // From the middle of what is known to beyond it, in pieces that end anywhere.
    let mut writer = begun.append(BLOCK as u64 + 7).await.unwrap();
    for piece in bytes.slice(BLOCK + 7..).chunks(100 * KIB + 1) {
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    is_whole(&writer.finish().await.unwrap(), &bytes);
}

#[tokio::test]
async fn a_gap_is_refused_with_the_byte_to_go_on_from() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let session = start(&bucket, "U1/a", None).await;
    let session = send(&session, 0, pattern(BLOCK)).await;
    let refused = session.append(BLOCK as u64 + 1).await.err();
    assert!(matches!(
        refused,
        Some(StorageError::OffsetMismatch { received }) if received == BLOCK as u64
    ));
    assert_eq!(
        again(&bucket, &session).await.state(),
        &SessionState::Active
    );
}

#[tokio::test]
async fn a_request_in_the_middle_counts_in_whole_blocks() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let bytes = pattern(2 * BLOCK + 100);
    let session = start(&bucket, "U1/a", None).await;
    for (sent, received) in [(BLOCK - 1, 0), (BLOCK + 1, BLOCK), (2 * BLOCK, 2 * BLOCK)] {
        let session = send(&session, 0, bytes.slice(..sent)).await;
        assert_eq!(session.received(), received as u64, "{sent}");
    }
    let mut writer = session.append(2 * BLOCK as u64).await.unwrap();
    writer.write(bytes.slice(2 * BLOCK..)).await.unwrap();
    is_whole(&writer.finish().await.unwrap(), &bytes);
}

#[tokio::test]
async fn a_request_that_reaches_the_declared_length_counts_to_the_last_byte() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let bytes = pattern(BLOCK + 5);
    let session = start(&bucket, "U1/a", Some(bytes.len() as u64)).await;
    let session = send(&session, 0, bytes.clone()).await;
    assert_eq!(session.received(), bytes.len() as u64);
    is_whole(&session.finish().await.unwrap(), &bytes);
}

#[tokio::test]
async fn an_empty_session_makes_an_empty_object() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    for (path, length) in [("U1/a", None), ("U1/b", Some(0))] {
        let session = start(&bucket, path, length).await;
        is_whole(&session.finish().await.unwrap(), &Bytes::new());
    }
}

#[tokio::test]
async fn a_writer_that_is_dropped_keeps_its_whole_blocks() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let bytes = pattern(3 * BLOCK);
    let session = start(&bucket, "U1/a", None).await;
    let mut writer = session.append(0).await.unwrap();
    writer.write(bytes.slice(..2 * BLOCK + 9)).await.unwrap();
    drop(writer);
    while again(&bucket, &session).await.received() != 2 * BLOCK as u64 {
        tokio::task::yield_now().await;
    }
    let session = send(&session, 2 * BLOCK, bytes.slice(2 * BLOCK..)).await;
    is_whole(&session.finish().await.unwrap(), &bytes);
}

#[tokio::test]
async fn a_question_makes_durable_what_has_come_and_disturbs_nobody() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let bytes = pattern(2 * BLOCK + 9);
    let session = start(&bucket, "U1/a", None).await;
    let mut writer = session.append(0).await.unwrap();
    writer.write(bytes.slice(..BLOCK + 9)).await.unwrap();
    let asked = again(&bucket, &session).await;
    assert_eq!(asked.received(), BLOCK as u64);
    writer.write(bytes.slice(BLOCK + 9..)).await.unwrap();
    is_whole(&writer.finish().await.unwrap(), &bytes);
}

#[tokio::test]
async fn a_later_request_takes_over_from_one_that_hangs() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let bytes = pattern(3 * BLOCK);
    let session = start(&bucket, "U1/a", None).await;
    let mut hanging = session.append(0).await.unwrap();
    hanging.write(bytes.slice(..BLOCK + 1)).await.unwrap();

    let mut later = session.append(0).await.unwrap();
    let refused = hanging.write("late".into()).await;
    assert!(matches!(refused, Err(StorageError::Superseded)));
    let refused = hanging.close().await.err();
    assert!(matches!(refused, Some(StorageError::Superseded)));
    later.write(bytes.clone()).await.unwrap();
    is_whole(&later.finish().await.unwrap(), &bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_that_race_leave_no_byte_out_of_place() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let bytes = pattern(9 * BLOCK + 1);
    let session = start(&bucket, "U1/a", Some(bytes.len() as u64)).await;
    let racers: Vec<_> = (0..6)
        .map(|_| {
            let (session, mut bytes) = (session.clone(), bytes.clone());
            tokio::spawn(async move {
                let mut writer = session.append(0).await.unwrap();
                while bytes.has_remaining() {
                    let piece = bytes.split_to(bytes.len().min(100 * KIB));
                    if writer.write(piece).await.is_err() {
                        return;
                    }
                }
                let _ = writer.close().await;
            })
        })
        .collect();
    for racer in racers {
        racer.await.unwrap();
    }
    let received = again(&bucket, &session).await.received();
    let session = send(
        &session,
        received as usize,
        bytes.slice(received as usize..),
    )
    .await;
    is_whole(&session.finish().await.unwrap(), &bytes);
}

#[tokio::test]
async fn a_write_that_nobody_waits_for_is_not_torn() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let bytes = pattern(8 * BLOCK);
    let session = start(&bucket, "U1/a", None).await;
    let mut writer = session.append(0).await.unwrap();
    {
        let mut write = Box::pin(writer.write(bytes.clone()));
        let waker = std::task::Waker::noop();
        let polled = write
            .as_mut()
            .poll(&mut std::task::Context::from_waker(waker));
        assert!(polled.is_pending());
    }
    is_whole(&writer.finish().await.unwrap(), &bytes);
}

#[tokio::test]
async fn a_session_is_finished_once_however_often_it_is_asked() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let begun = start(&bucket, "U1/a", None).await;
    let session = send(&begun, 0, pattern(BLOCK)).await;
    let (first, second) = tokio::join!(session.finish(), session.finish());
    let object = first.unwrap();
    assert_eq!(second.unwrap(), object);
    // What became of the object since is another story.
    bucket.delete(&name("U1/a")).await.unwrap();
    assert_eq!(session.finish().await.unwrap(), object);
    let state = again(&bucket, &session).await.state().clone();
    assert_eq!(state, SessionState::Final(Box::new(object.clone())));

    let id = session.id().to_owned();
    drop((begun, session, bucket));
    let bucket = disk.restart().await;
    let session = bucket.session(&id).await.unwrap().unwrap();
    assert_eq!(session.finish().await.unwrap(), object);
    assert!(bucket.head(&name("U1/a")).await.unwrap().is_none());
    let refused = session.append(0).await.err();
    assert!(matches!(refused, Some(StorageError::SessionFinished)));
    let refused = session.cancel().await;
    assert!(matches!(refused, Err(StorageError::SessionFinished)));
}

#[tokio::test]
async fn a_commit_that_was_never_renamed_has_finished_its_session() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let bytes = pattern(BLOCK);
    let session = start(&bucket, "U1/a", None).await;
    send(&session, 0, bytes.clone()).await;
    let id = session.id().to_owned();
    drop((session, bucket));
    // Killed between the commit and the rename.
    let commit = CommitObject {
        bucket: "chunks".to_owned(),
        name: name("U1/a"),
        owner: "U1".to_owned(),
        content: Content {
            size: bytes.len() as u64,
            md5: [0; 16],
            crc32c: 0,
            sha256: [0; 32],
        },
        options: PutOptions::default(),
        now: Timestamp::now(),
        staged: Some(disk.staged()[0].clone()),
        quota: None,
        session: Some(id.clone()),
    };
    let object = disk.ledger().await.commit(commit).await.unwrap();

    let bucket = disk.restart().await;
    assert_eq!(get(&bucket, "U1/a").await.unwrap(), (object.clone(), bytes));
    let session = bucket.session(&id).await.unwrap().unwrap();
    assert_eq!(session.finish().await.unwrap(), object);
    assert!(disk.staged().is_empty());
}

#[tokio::test]
async fn a_session_makes_its_object_or_none() {
    let disk = Disk::new();
    let ledger = {
        let _made = disk.open().await;
        disk.ledger().await
    };
    let commit = CommitObject {
        bucket: "chunks".to_owned(),
        name: name("U1/a"),
        owner: "U1".to_owned(),
        content: Content {
            size: 0,
            md5: [0; 16],
            crc32c: 0,
            sha256: [0; 32],
        },
        options: PutOptions::default(),
        now: Timestamp::now(),
        staged: Some("s1".to_owned()),
        quota: None,
        session: Some("no such session".to_owned()),
    };
    assert!(ledger.commit(commit).await.is_err());
    let standing = ledger.find("chunks", &name("U1/a")).await.unwrap();
    assert_eq!(standing, ledger::Standing::Unknown);
}

#[tokio::test]
async fn a_cancelled_session_leaves_nothing_and_stays_cancelled() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let session = start(&bucket, "U1/a", None).await;
    let mut writer = session.append(0).await.unwrap();
    writer.write(pattern(2 * BLOCK)).await.unwrap();
    session.cancel().await.unwrap();
    session.cancel().await.unwrap();
    assert!(disk.staged().is_empty());
    assert!(writer.write("more".into()).await.is_err());
    assert!(writer.finish().await.is_err());
    let cancelled = |error| matches!(error, Some(StorageError::SessionCancelled));
    assert!(cancelled(session.append(0).await.err()));
    assert!(cancelled(session.finish().await.err()));
    let state = again(&bucket, &session).await.state().clone();
    assert_eq!(state, SessionState::Cancelled);
    assert!(bucket.head(&name("U1/a")).await.unwrap().is_none());
}

#[tokio::test]
async fn the_file_of_a_cancelled_session_is_swept_by_the_next_start() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let session = start(&bucket, "U1/a", None).await;
    let id = session.id().to_owned();
    drop((session, bucket));
    // Killed before the file was removed.
    let ledger = disk.ledger().await;
    ledger.cancel_session(&id, Timestamp::now()).await.unwrap();
    assert_eq!(disk.staged().len(), 1);
    let bucket = disk.restart().await;
    assert!(disk.staged().is_empty());
    let session = bucket.session(&id).await.unwrap().unwrap();
    session.cancel().await.unwrap();
}

#[tokio::test]
async fn of_two_sessions_for_one_name_the_last_to_finish_wins() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let (one, two) = (pattern(BLOCK + 1), pattern(2 * BLOCK + 2));
    let first = start(&bucket, "U1/a", None).await;
    let second = start(&bucket, "U1/a", None).await;
    assert_ne!(first.id(), second.id());
    let mut first = first.append(0).await.unwrap();
    let mut second = second.append(0).await.unwrap();
    second.write(two.clone()).await.unwrap();
    first.write(one.clone()).await.unwrap();
    let two_made = second.finish().await.unwrap();
    is_whole(&two_made, &two);
    assert_eq!(get(&bucket, "U1/a").await.unwrap().1, two);
    let one_made = first.finish().await.unwrap();
    assert!(one_made.generation > two_made.generation);
    assert_eq!(get(&bucket, "U1/a").await.unwrap(), (one_made, one));
}

#[tokio::test]
async fn a_session_is_known_in_its_own_bucket_alone() {
    let mut disk = Disk::new();
    let bucket = disk.open().await;
    let session = start(&bucket, "U1/a", None).await;
    let id = session.id().to_owned();
    drop((session, bucket));
    assert!(id.len() >= 32, "{id}");
    disk.spec.name = "others".to_owned();
    let specs = BTreeMap::from([("others".to_owned(), disk.spec.clone())]);
    let storage = loop {
        match Storage::open(&disk.path, &specs, Announcer::default()).await {
            Ok(storage) => break storage,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let others = storage.bucket("others").unwrap();
    assert!(others.session(&id).await.unwrap().is_none());
    assert!(others.session("").await.unwrap().is_none());
    // It waits for its bucket to come back.
    assert_eq!(disk.staged().len(), 1);
}
