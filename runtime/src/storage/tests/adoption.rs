use std::time::{Duration, SystemTime};

use super::*;

#[tokio::test]
async fn a_file_of_the_former_server_becomes_an_object_once() {
    let disk = Disk::new();
    disk.plant("U1/звук 1.wav", b"hello");
    let written = SystemTime::UNIX_EPOCH + Duration::from_secs(1_749_000_000);
    let file = fs::File::options()
        .write(true)
        .open(disk.file("U1/звук 1.wav"));
    file.unwrap().set_modified(written).unwrap();

    let bucket = disk.open().await;
    let (object, bytes) = get(&bucket, "U1/звук 1.wav").await.unwrap();
    assert_eq!(bytes, "hello");
    assert_eq!(object.md5_base64(), "XUFAKrxLKna5cZ2REBfFkg==");
    assert_eq!(object.crc32c_base64(), "mnG7TA==");
    assert_eq!(object.owner, "U1");
    assert_eq!(object.content_type, None);
    assert_eq!(object.created.as_second(), 1_749_000_000);
    assert_eq!(object.generation, 1_749_000_000_000_000);
    let again = bucket.head(&name("U1/звук 1.wav")).await.unwrap();
    assert_eq!(again, Some(object));
}

#[tokio::test]
async fn a_file_from_the_future_does_not_move_the_clock() {
    let disk = Disk::new();
    disk.plant("U1/a", b"hello");
    let future = SystemTime::now() + Duration::from_secs(1 << 30);
    let file = fs::File::options().write(true).open(disk.file("U1/a"));
    file.unwrap().set_modified(future).unwrap();
    let bucket = disk.open().await;
    let object = bucket.head(&name("U1/a")).await.unwrap().unwrap();
    assert!(object.created <= jiff::Timestamp::now());
}

#[tokio::test]
async fn a_file_of_the_former_server_can_be_overwritten_and_deleted_unseen() {
    let disk = Disk::new();
    disk.plant("U1/a", b"older");
    disk.plant("U1/b", b"hello");
    let bucket = disk.open().await;

    put(&bucket, "U1/a", &"new".into()).await.unwrap();
    assert_eq!(get(&bucket, "U1/a").await.unwrap().1, "new");

    let deleted = bucket.delete(&name("U1/b")).await.unwrap();
    assert_eq!(deleted.unwrap().size, 5);
    assert!(!disk.file("U1/b").exists());
    assert!(get(&bucket, "U1/b").await.is_none());
}

#[tokio::test]
async fn the_metadata_of_a_file_of_the_former_server_can_be_changed_unseen() {
    let disk = Disk::new();
    disk.plant("U1/a", b"hello");
    let bucket = disk.open().await;
    let change = || MetadataChange {
        content_type: Some(Some("text/plain".to_owned())),
        ..MetadataChange::default()
    };
    let changed = bucket.update(&name("U1/a"), change()).await.unwrap();
    let changed = changed.unwrap();
    assert_eq!((changed.size, changed.metageneration), (5, 2));
    assert_eq!(bucket.head(&name("U1/a")).await.unwrap(), Some(changed));
    assert!(
        bucket
            .update(&name("U1/b"), change())
            .await
            .unwrap()
            .is_none()
    );

    // Deleted, while its file is still to be removed.
    let ledger = disk.ledger().await;
    ledger.remove("chunks", &name("U1/a")).await.unwrap();
    let changed = bucket.update(&name("U1/a"), change()).await.unwrap();
    assert!(changed.is_none());
}

#[tokio::test]
async fn a_folder_is_not_an_object() {
    let disk = Disk::new();
    disk.plant("U1/folder/file", b"hello");
    let bucket = disk.open().await;
    for path in ["U1/folder", "U1/", "U1/folder/file", "U2/a"] {
        assert!(get(&bucket, path).await.is_none(), "{path}");
    }
}
