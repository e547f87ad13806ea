use std::process::Command;

use futures_util::future::join_all;

use super::*;

fn declared(length: u64) -> PutOptions {
    PutOptions {
        content_length: Some(length),
        ..PutOptions::default()
    }
}

#[tokio::test]
async fn an_object_that_is_too_large_is_refused_before_or_while_it_comes() {
    let mut disk = Disk::new();
    disk.spec.max_object = 10;
    let bucket = disk.open().await;
    let refused = bucket.put(name("U1/a"), declared(11)).await.err();
    assert!(matches!(
        refused,
        Some(StorageError::TooLarge { limit: 10 })
    ));

    // The sender does not keep to what it declared.
    let mut upload = bucket.put(name("U1/a"), declared(10)).await.unwrap();
    upload.write(pattern(10)).await.unwrap();
    let refused = upload.write(pattern(1)).await;
    assert!(matches!(refused, Err(StorageError::TooLarge { limit: 10 })));
    assert!(matches!(upload.finish().await, Err(StorageError::Aborted)));
    disk.nothing_staged().await;

    put(&bucket, "U1/a", &pattern(10)).await.unwrap();
}

#[tokio::test]
async fn the_quota_refuses_at_the_start_while_streaming_and_at_the_commit() {
    let mut disk = Disk::new();
    disk.spec.quota_per_user = Some(1000);
    let bucket = disk.open().await;
    put(&bucket, "U1/a", &pattern(400)).await.unwrap();

    let refused = bucket.put(name("U1/b"), declared(601)).await.err();
    assert!(matches!(refused, Some(StorageError::QuotaExceeded)));
    let mut upload = bucket
        .put(name("U1/b"), PutOptions::default())
        .await
        .unwrap();
    let refused = upload.write(pattern(601)).await;
    assert!(matches!(refused, Err(StorageError::QuotaExceeded)));

    // Overwriting gives back what the object had; strangers have a quota of their own.
    put(&bucket, "U1/a", &pattern(1000)).await.unwrap();
    put(&bucket, "U2/a", &pattern(1000)).await.unwrap();
    put(&bucket, "U1/a", &pattern(400)).await.unwrap();

    // Started while there was room, which another upload took meanwhile.
    let mut late = bucket
        .put(name("U1/c"), PutOptions::default())
        .await
        .unwrap();
    put(&bucket, "U1/b", &pattern(600)).await.unwrap();
    late.write(pattern(1)).await.unwrap();
    let refused = late.finish().await;
    assert!(matches!(refused, Err(StorageError::QuotaExceeded)));
    disk.nothing_staged().await;
    assert!(get(&bucket, "U1/c").await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_uploads_of_one_owner_fill_the_quota_and_no_more() {
    let mut disk = Disk::new();
    disk.spec.quota_per_user = Some(1000);
    let bucket = disk.open().await;
    let uploads = (0..12).map(|at| {
        let bucket = bucket.clone();
        tokio::spawn(async move { put(&bucket, &format!("U1/{at}"), &pattern(300)).await })
    });
    let (stored, refused): (Vec<_>, Vec<_>) = join_all(uploads)
        .await
        .into_iter()
        .map(Result::unwrap)
        .partition(Result::is_ok);
    assert_eq!(stored.len(), 3);
    for refused in refused {
        assert!(matches!(refused, Err(StorageError::QuotaExceeded)));
    }
    assert_eq!(bucket.list("", "", 100).await.unwrap().len(), 3);
    disk.nothing_staged().await;
}

#[tokio::test]
async fn an_upload_that_would_not_leave_enough_free_is_refused_at_once() {
    let mut disk = Disk::new();
    disk.spec.min_free = 1 << 60;
    disk.spec.max_object = u64::MAX;
    let storage = disk.start().await.unwrap();
    let bucket = storage.bucket("chunks").unwrap();
    let refused = bucket.put(name("U1/a"), PutOptions::default()).await.err();
    assert!(matches!(refused, Some(StorageError::DiskFull)));
    let check = storage.check().await;
    assert!(matches!(check, Err(StorageError::DiskFull)));
    drop((storage, bucket));

    disk.spec.min_free = 0;
    let storage = disk.start().await.unwrap();
    storage.check().await.unwrap();
    let bucket = storage.bucket("chunks").unwrap();
    let refused = bucket.put(name("U1/a"), declared(1 << 60)).await.err();
    assert!(matches!(refused, Some(StorageError::DiskFull)));
    assert!(disk.staged().is_empty());
}

/// A file system of its own, which ends with this value.
pub(super) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`: this machine does not let the test mount one.
    pub(super) fn mount(path: &Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
            .arg(path);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then(|| Self(path.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
async fn a_full_disk_keeps_the_old_version_and_recovers_by_itself() {
    let disk = Disk::new();
    let Some(_mounted) = SmallDisk::mount(&disk.path) else {
        eprintln!("SKIPPED: cannot mount a tmpfs here");
        return;
    };
    let bucket = disk.open().await;
    put(&bucket, "U1/a", &"old".into()).await.unwrap();

    let mut upload = bucket
        .put(name("U1/a"), PutOptions::default())
        .await
        .unwrap();
    let mut result = Ok(());
    for _ in 0..64 {
        result = upload.write(pattern(BLOCK)).await;
        if result.is_err() {
            break;
        }
    }
    assert!(matches!(result, Err(StorageError::DiskFull)), "{result:?}");
    disk.nothing_staged().await;
    assert_eq!(get(&bucket, "U1/a").await.unwrap().1, "old");
    put(&bucket, "U1/a", &"new".into()).await.unwrap();
    assert_eq!(get(&bucket, "U1/a").await.unwrap().1, "new");
}

/// A small disk of which a quarter must stay free, and what is free above that; `None`: as
/// [`SmallDisk::mount`].
async fn disk_to_share() -> Option<(Disk, SmallDisk, Bucket, impl Fn() -> u64)> {
    let mut disk = Disk::new();
    let mounted = SmallDisk::mount(&disk.path)?;
    disk.spec.min_free = 2 << 20;
    let bucket = disk.open().await;
    let (staging, min_free) = (bucket.state().staging.clone(), disk.spec.min_free);
    let room = move || {
        let free = staging.free().unwrap();
        assert!(free >= min_free, "{free} bytes are free");
        free - min_free
    };
    Some((disk, mounted, bucket, room))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
async fn parallel_uploads_are_admitted_as_far_as_the_disk_holds_all_of_them() {
    const SIZE: usize = 1 << 20;
    let Some((_disk, _mounted, bucket, room)) = disk_to_share().await else {
        eprintln!("SKIPPED: cannot mount a tmpfs here");
        return;
    };
    let fit = room() as usize / SIZE;
    let starts = (0..24).map(|at| bucket.put(name(&format!("U1/{at}")), declared(SIZE as u64)));
    let (admitted, refused): (Vec<_>, Vec<_>) =
        join_all(starts).await.into_iter().partition(Result::is_ok);
    assert_eq!(admitted.len(), fit);
    for refused in refused {
        assert!(matches!(refused.err(), Some(StorageError::DiskFull)));
    }
    let finished = admitted.into_iter().map(|upload| async {
        let mut upload = upload?;
        upload.write(pattern(SIZE)).await?;
        upload.finish().await
    });
    for finished in join_all(finished).await {
        finished.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
async fn parallel_uploads_that_declare_nothing_leave_what_must_stay_free() {
    let Some((disk, _mounted, bucket, room)) = disk_to_share().await else {
        eprintln!("SKIPPED: cannot mount a tmpfs here");
        return;
    };
    let shared = room() as usize;
    let uploads = (0..24).map(|at| {
        let (bucket, room) = (&bucket, &room);
        async move {
            let options = PutOptions::default();
            let mut upload = bucket.put(name(&format!("U1/{at}")), options).await?;
            for _ in 0..4 {
                upload.write(pattern(BLOCK)).await?;
                room();
            }
            Ok(upload)
        }
    });
    // Nothing is finished yet: the ledger would grow on the same disk.
    let (written, refused): (Vec<_>, Vec<_>) =
        join_all(uploads).await.into_iter().partition(Result::is_ok);
    // The fourth block of each may still be on its way.
    assert!(written.len() * 3 * BLOCK <= shared, "{}", written.len());
    for refused in refused {
        assert!(matches!(refused.err(), Some(StorageError::DiskFull)));
    }
    drop(written);
    disk.nothing_staged().await;
    put(&bucket, "U1/later", &pattern(BLOCK)).await.unwrap();
}
