use super::session_kit::*;
use super::*;
use bytes::Buf;

const KIB: usize = 1 << 10;

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
    let session = start_session(&bucket, "U1/a", Some(bytes.len() as u64)).await;
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
    let session = start_session(&bucket, "U1/a", None).await;
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
    let begun = start_session(&bucket, "U1/a", None).await;
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
    let session = start_session(&bucket, "U1/a", None).await;
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
    let session = start_session(&bucket, "U1/a", None).await;
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
    let session = start_session(&bucket, "U1/a", Some(bytes.len() as u64)).await;
    let session = send(&session, 0, bytes.clone()).await;
    assert_eq!(session.received(), bytes.len() as u64);
    is_whole(&session.finish().await.unwrap(), &bytes);
}

#[tokio::test]
async fn a_writer_that_is_dropped_keeps_its_whole_blocks() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let bytes = pattern(3 * BLOCK);
    let session = start_session(&bucket, "U1/a", None).await;
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
    let session = start_session(&bucket, "U1/a", None).await;
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
    let session = start_session(&bucket, "U1/a", None).await;
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
    let session = start_session(&bucket, "U1/a", Some(bytes.len() as u64)).await;
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
    let session = start_session(&bucket, "U1/a", None).await;
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
async fn bytes_are_read_again_after_a_restart_and_never_otherwise() {
    let disk = Disk::new();
    let bytes = pattern(2 * BLOCK);
    let bucket = disk.open().await;
    let one = start_session(&bucket, "U1/a", None).await;
    send(&one, 0, bytes.slice(..BLOCK)).await;
    // What nobody but a reader of the file would see.
    let staged = disk.path.join(STAGING).join(&disk.staged()[0]);
    fs::write(&staged, vec![0; BLOCK]).unwrap();
    send(&one, BLOCK, bytes.slice(BLOCK..)).await;
    is_whole(&one.finish().await.unwrap(), &bytes);
    drop(one);

    let other = start_session(&bucket, "U1/b", None).await;
    send(&other, 0, bytes.slice(..BLOCK)).await;
    let staged = disk.path.join(STAGING).join(&disk.staged()[0]);
    fs::write(&staged, vec![0; BLOCK]).unwrap();
    let id = other.id().to_owned();
    drop((other, bucket));
    let bucket = disk.restart().await;
    let session = bucket.session(&id).await.unwrap().unwrap();
    is_whole(&session.finish().await.unwrap(), &vec![0; BLOCK].into());
}
