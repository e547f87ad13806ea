use super::*;

#[tokio::test]
async fn bytes_and_hashes_of_every_size_survive_the_round_trip() {
    // Computed by other programs than this one.
    let vectors = [
        (
            pattern(0),
            "1B2M2Y8AsgTpgAmY7PhCfg==",
            "AAAAAA==",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        (
            "hello world".into(),
            "XrY7u+Ae7tCTyyK7j1rNww==",
            "yZRlqg==",
            "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9",
        ),
        (
            pattern(1),
            "k7iFrf4NoInN9jSQT9WfcQ==",
            "Un1TUQ==",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        ),
        (
            pattern(BLOCK - 1),
            "+IoKuyO+jdDGoLe7ZIQjMw==",
            "IaKPrA==",
            "067ccdeccdcd73938e58ab56ed6a497dbcf95163d4a2e7cb03ee232499dce995",
        ),
        (
            pattern(BLOCK),
            "9iJMgfbWsMnCYKT2d/Xbbw==",
            "z8LrPg==",
            "31a1f9dea0169551092d05e8bf4a446228c8c3eb4c9b713c66adcb7fd53c89be",
        ),
        (
            pattern(BLOCK + 1),
            "ZE68H66/NAGNDjDBmLHMCA==",
            "aHVjUQ==",
            "6a102a35ef13d267bf487c1520d82b4ff541787bc8c288ccf98aeebe7686016a",
        ),
        (
            pattern(5 << 20),
            "TChkDcjfGTOq6hkhANUK4A==",
            "CatQ4g==",
            "16b632f11cf950dda67dc4c184a3f9e0aa1ffa4c18927bb8977e7da97ca25bca",
        ),
    ];
    let disk = Disk::new();
    let bucket = disk.open().await;
    for (bytes, md5, crc32c, sha256) in vectors {
        // In pieces that fit no block.
        let mut upload = bucket
            .put(name("U1/a"), PutOptions::default())
            .await
            .unwrap();
        for piece in bytes.chunks(100_003) {
            upload.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        let object = upload.finish().await.unwrap();
        assert_eq!(object.size, bytes.len() as u64);
        assert_eq!(object.md5_base64(), md5);
        assert_eq!(object.crc32c_base64(), crc32c);
        let hex: String = object.sha256.iter().map(|it| format!("{it:02x}")).collect();
        assert_eq!(hex, sha256);

        let (found, read) = get(&bucket, "U1/a").await.unwrap();
        assert_eq!(found, object);
        assert!(read == bytes, "{} bytes differ", bytes.len());
    }
}

#[tokio::test]
async fn a_range_is_cut_to_what_there_is() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let bytes = pattern(3 * BLOCK + 7);
    put(&bucket, "U1/a", &bytes).await.unwrap();
    let (_, reader) = bucket.open(&name("U1/a")).await.unwrap().unwrap();
    let size = bytes.len();
    for (range, expected) in [
        (2..5, 2..5),
        (0..size, 0..size),
        (BLOCK - 1..2 * BLOCK + 1, BLOCK - 1..2 * BLOCK + 1),
        (size - 1..size + 100, size - 1..size),
        (5..5, 0..0),
        (size..size + 1, 0..0),
        (size + 5..size + 9, 0..0),
    ] {
        let found = collect(&reader, range.start as u64..range.end as u64).await;
        assert!(found == bytes[expected], "{range:?}");
    }
}

#[tokio::test]
async fn a_block_is_used_again_once_the_caller_has_dropped_it() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    put(&bucket, "U1/a", &pattern(20 * BLOCK)).await.unwrap();
    let (_, reader) = bucket.open(&name("U1/a")).await.unwrap().unwrap();
    let mut blocks = std::pin::pin!(reader.read_range(0..u64::MAX));
    let mut buffers = std::collections::HashSet::new();
    while let Some(block) = blocks.try_next().await.unwrap() {
        buffers.insert(block.as_ptr());
    }
    assert!(
        buffers.len() <= 3,
        "{} buffers for 20 blocks",
        buffers.len()
    );
}

#[tokio::test]
async fn a_reader_keeps_the_version_it_opened() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    put(&bucket, "U1/a", &"old".into()).await.unwrap();
    let (_, reader) = bucket.open(&name("U1/a")).await.unwrap().unwrap();
    put(&bucket, "U1/a", &"new!".into()).await.unwrap();
    assert_eq!(collect(&reader, 0..100).await, "old");
    bucket.delete(&name("U1/a")).await.unwrap();
    assert_eq!(collect(&reader, 1..2).await, "l");
}

#[tokio::test]
async fn an_object_whose_file_vanished_or_shrank_is_not_served() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    for path in ["U1/gone", "U1/short"] {
        put(&bucket, path, &"hello".into()).await.unwrap();
    }
    fs::remove_file(disk.file("U1/gone")).unwrap();
    fs::write(disk.file("U1/short"), "hell").unwrap();
    for path in ["U1/gone", "U1/short"] {
        assert!(get(&bucket, path).await.is_none());
        assert!(bucket.delete(&name(path)).await.unwrap().is_some());
        put(&bucket, path, &"again".into()).await.unwrap();
        assert_eq!(get(&bucket, path).await.unwrap().1, "again");
    }
}

#[tokio::test]
async fn a_file_that_shrinks_under_its_reader_is_an_error_not_silence() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    put(&bucket, "U1/a", &"hello".into()).await.unwrap();
    let (_, reader) = bucket.open(&name("U1/a")).await.unwrap().unwrap();
    fs::write(disk.file("U1/a"), "hell").unwrap();
    let blocks: Result<Vec<Bytes>, _> = reader.read_range(0..5).try_collect().await;
    assert!(matches!(blocks, Err(StorageError::Io(_))));
}
