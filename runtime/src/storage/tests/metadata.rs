use serde_json::{Value, json};

use super::*;

/// What happened, as (last word of the event's type, its data).
fn events(disk: &Disk) -> Vec<(String, Value)> {
    let file = disk.path.join(ledger::FOLDER).join(ledger::FILE);
    let ledger = rusqlite::Connection::open(file).unwrap();
    let mut events = ledger
        .prepare("SELECT kind, event FROM events ORDER BY number")
        .unwrap();
    let events = events.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let events = events.unwrap().map(|event| {
        let (kind, event): (String, String) = event.unwrap();
        let kind = kind.strip_prefix("google.cloud.storage.object.v1.");
        let event: Value = serde_json::from_str(&event).unwrap();
        (kind.unwrap().to_owned(), event["data"].clone())
    });
    events.collect()
}

pub(super) fn kinds(disk: &Disk) -> Vec<String> {
    events(disk).into_iter().map(|(kind, _)| kind).collect()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn options() -> PutOptions {
    PutOptions {
        content_type: some("text/plain"),
        cache_control: some("no-store"),
        content_disposition: some("inline"),
        content_encoding: some("gzip"),
        content_language: some("de"),
        metadata: [("a", "1"), ("b", "2")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        content_length: None,
        md5: None,
    }
}

async fn put_with_options(bucket: &Bucket) -> Object {
    let upload = bucket.put(name("U1/a"), options()).await.unwrap();
    upload.finish().await.unwrap()
}

#[tokio::test]
async fn an_object_keeps_what_it_was_given_and_its_event_tells_it() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let object = put_with_options(&bucket).await;
    let found = bucket.head(&name("U1/a")).await.unwrap().unwrap();
    assert_eq!(found, object);
    let PutOptions { metadata, .. } = options();
    assert_eq!(object.cache_control, some("no-store"));
    assert_eq!(object.content_disposition, some("inline"));
    assert_eq!(object.content_encoding, some("gzip"));
    assert_eq!(object.content_language, some("de"));
    assert_eq!(object.metadata, metadata);

    let [(kind, data)] = &events(&disk)[..] else {
        panic!("not one event");
    };
    assert_eq!(kind, "finalized");
    for (key, value) in [
        ("contentType", json!("text/plain")),
        ("cacheControl", json!("no-store")),
        ("contentDisposition", json!("inline")),
        ("contentEncoding", json!("gzip")),
        ("contentLanguage", json!("de")),
        ("metadata", json!({"a": "1", "b": "2"})),
    ] {
        assert_eq!(data[key], value, "{key}");
    }
}

#[tokio::test]
async fn a_change_keeps_what_it_does_not_name() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let object = put_with_options(&bucket).await;
    let change = MetadataChange {
        cache_control: Some(some("public")),
        content_disposition: Some(None),
        metadata: [("a".to_owned(), None), ("c".to_owned(), some("3"))].into(),
        ..MetadataChange::default()
    };
    let changed = bucket.update(&name("U1/a"), change).await.unwrap().unwrap();
    let expected = Object {
        metageneration: 2,
        updated: changed.updated,
        cache_control: some("public"),
        content_disposition: None,
        metadata: [("b", "2"), ("c", "3")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        ..object
    };
    assert_eq!(changed, expected);
    assert_eq!(kinds(&disk), ["finalized", "metadataUpdated"]);
}

#[tokio::test]
async fn a_change_of_nothing_is_a_change_all_the_same() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let object = put_with_options(&bucket).await;
    let name = name("U1/a");
    let changed = bucket.update(&name, MetadataChange::default());
    let changed = changed.await.unwrap().unwrap();
    assert_eq!(changed.metageneration, 2);
    assert_eq!(changed.generation, object.generation);
    assert_eq!(kinds(&disk), ["finalized", "metadataUpdated"]);
}

#[tokio::test]
async fn clearing_comes_before_merging() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    put_with_options(&bucket).await;
    let change = MetadataChange {
        clear_metadata: true,
        metadata: [("c".to_owned(), some("3"))].into(),
        ..MetadataChange::default()
    };
    let changed = bucket.update(&name("U1/a"), change).await.unwrap().unwrap();
    assert_eq!(changed.metadata, [("c".to_owned(), "3".to_owned())].into());
    assert_eq!(changed.content_language, some("de"));
}

/// Cloud Storage's limit, keys and values together: however many changes it takes to get there.
#[tokio::test]
async fn custom_metadata_is_8_kib_in_all() {
    fn custom(key: &str, bytes: usize) -> BTreeMap<String, String> {
        [(key.to_owned(), "x".repeat(bytes - key.len()))].into()
    }
    let disk = Disk::new();
    let bucket = disk.open().await;
    let given = |bytes| PutOptions {
        metadata: custom("a", bytes),
        ..PutOptions::default()
    };
    let refused = bucket.put(name("U1/a"), given(8193)).await;
    assert!(matches!(refused.err(), Some(StorageError::MetadataTooLong)));
    let refused = bucket.start_session(name("U1/a"), given(8193)).await;
    assert!(matches!(refused.err(), Some(StorageError::MetadataTooLong)));
    let upload = bucket.put(name("U1/a"), given(8192)).await.unwrap();
    let object = upload.finish().await.unwrap();

    let changed = async |metadata: BTreeMap<String, Option<String>>| {
        let change = || MetadataChange {
            metadata: metadata.clone(),
            ..MetadataChange::default()
        };
        let updated = bucket.update(&name("U1/a"), change()).await;
        let revised = bucket.revise(&name("U1/a"), |_| Some(change())).await;
        (updated.map(drop), revised.map(drop))
    };
    let one_more = [("b".to_owned(), some(""))];
    let (updated, revised) = changed(one_more.clone().into()).await;
    assert!(matches!(updated, Err(StorageError::MetadataTooLong)));
    assert!(matches!(revised, Err(StorageError::MetadataTooLong)));
    assert_eq!(bucket.head(&name("U1/a")).await.unwrap(), Some(object));
    assert_eq!(kinds(&disk), ["finalized"]);
    let instead = one_more.into_iter().chain([("a".to_owned(), None)]);
    assert!(changed(instead.collect()).await.0.is_ok());
}

#[tokio::test]
async fn metadata_that_is_older_than_its_limit_may_change_and_not_grow() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    put_with_options(&bucket).await;
    let ledger =
        rusqlite::Connection::open(disk.path.join(ledger::FOLDER).join("ledger.sqlite3")).unwrap();
    let long = serde_json::json!({"a": "x".repeat(9_000), "b": "1"}).to_string();
    let changed = ledger.execute("UPDATE objects SET metadata = ?1", [long]);
    assert_eq!(changed.unwrap(), 1);

    let change = |metadata: &[(&str, Option<&str>)]| MetadataChange {
        metadata: metadata
            .iter()
            .map(|(key, text)| ((*key).to_owned(), text.map(str::to_owned)))
            .collect(),
        cache_control: Some(some("no-store")),
        ..MetadataChange::default()
    };
    let update = async |change| bucket.update(&name("U1/a"), change).await;
    assert!(update(change(&[])).await.is_ok());
    let longer = update(change(&[("b", Some("12"))])).await;
    assert!(matches!(longer, Err(StorageError::MetadataTooLong)));
    assert!(update(change(&[("b", None)])).await.is_ok());
    assert!(update(change(&[("a", None)])).await.is_ok());
}

#[tokio::test]
async fn a_session_tells_of_its_object_once() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let old = put(&bucket, "U1/a", &"old".into()).await.unwrap();
    let session = bucket.start_session(name("U1/a"), options()).await.unwrap();
    assert_eq!(kinds(&disk), ["finalized"]);
    let object = session.finish().await.unwrap();
    session.finish().await.unwrap();
    let told = events(&disk);
    assert_eq!(kinds(&disk), ["finalized", "deleted", "finalized"]);
    assert_eq!(told[1].1["generation"], old.generation.to_string());
    assert_eq!(told[2].1["generation"], object.generation.to_string());
    bucket.delete(&name("U1/a")).await.unwrap();
    assert_eq!(kinds(&disk)[3], "deleted");
}

#[tokio::test]
async fn a_name_that_the_template_does_not_cover_is_nobodys_and_no_quota_counts_it() {
    let mut disk = Disk::new();
    disk.spec.quota_per_user = Some(3);
    let bucket = disk.open().await;
    for (path, file) in [
        ("public/logo.png", "%o/public%2F/logo.png"),
        ("user_uploads/%o", "%o/user_uploads%2F/%25o"),
    ] {
        let name = ObjectName::new(path).unwrap();
        let upload = bucket.put(name.clone(), PutOptions::default()).await;
        let mut upload = upload.unwrap();
        upload.write("hello".into()).await.unwrap();
        let object = upload.finish().await.unwrap();
        assert_eq!(object.owner, "");
        assert_eq!(fs::read(disk.file(file)).unwrap(), b"hello");
        let session = bucket.start_session(name.clone(), PutOptions::default());
        let mut writer = session.await.unwrap().append(0).await.unwrap();
        writer.write("again".into()).await.unwrap();
        let object = writer.finish().await.unwrap();
        assert_eq!(bucket.head(&name).await.unwrap(), Some(object));
    }
    let names = bucket.list("", "", 10).await.unwrap();
    assert_eq!(names.len(), 2);
}
