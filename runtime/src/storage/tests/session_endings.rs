use super::session_kit::*;
use super::*;
use crate::ledger::{CommitObject, Content};

#[tokio::test]
async fn an_empty_session_makes_an_empty_object() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    for (path, length) in [("U1/a", None), ("U1/b", Some(0))] {
        let session = start_session(&bucket, path, length).await;
        is_whole(&session.finish().await.unwrap(), &Bytes::new());
    }
}

#[tokio::test]
async fn a_session_is_finished_once_however_often_it_is_asked() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let begun = start_session(&bucket, "U1/a", None).await;
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
    let session = start_session(&bucket, "U1/a", None).await;
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
    let session = start_session(&bucket, "U1/a", None).await;
    let mut writer = session.append(0).await.unwrap();
    writer.write(pattern(2 * BLOCK)).await.unwrap();
    assert!(session.cancel().await.unwrap());
    assert!(!session.cancel().await.unwrap());
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
async fn a_session_whose_bytes_are_not_those_that_were_meant_is_cancelled() {
    let disk = Disk::new();
    let mut bucket = disk.open().await;
    let bytes = pattern(BLOCK + 5);
    let md5: [u8; 16] = <md5::Md5 as md5::Digest>::digest(&bytes).into();
    for (path, said) in [("U1/right", md5), ("U1/wrong", [0; 16])] {
        let options = PutOptions {
            md5: Some(said),
            ..PutOptions::default()
        };
        let session = bucket.start_session(name(path), options).await.unwrap();
        send(&session, 0, bytes.slice(..BLOCK)).await;
        let id = session.id().to_owned();
        drop((session, bucket));

        bucket = disk.restart().await;
        let session = bucket.session(&id).await.unwrap().unwrap();
        let mut writer = session.append(BLOCK as u64).await.unwrap();
        writer.write(bytes.slice(BLOCK..)).await.unwrap();
        let made = writer.finish().await;
        assert!(disk.staged().is_empty());
        if said == md5 {
            is_whole(&made.unwrap(), &bytes);
        } else {
            assert!(matches!(made, Err(StorageError::ChecksumMismatch)));
            let state = again(&bucket, &session).await.state().clone();
            assert_eq!(state, SessionState::Cancelled);
            assert!(bucket.head(&name(path)).await.unwrap().is_none());
        }
    }
}

#[tokio::test]
async fn the_file_of_a_cancelled_session_is_swept_by_the_next_start() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let session = start_session(&bucket, "U1/a", None).await;
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
    let first = start_session(&bucket, "U1/a", None).await;
    let second = start_session(&bucket, "U1/a", None).await;
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
    let session = start_session(&bucket, "U1/a", None).await;
    let id = session.id().to_owned();
    drop((session, bucket));
    assert!(id.len() >= 32, "{id}");
    disk.spec.name = "others".to_owned();
    let storage = loop {
        match disk.start().await {
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
