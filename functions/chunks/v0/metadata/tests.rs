use runtime::ObjectName;
use serde_json::json;

use super::*;

fn object() -> Object {
    Object {
        bucket: "chunks".to_owned(),
        name: ObjectName::new("a/ü b.txt").unwrap(),
        owner: String::new(),
        generation: 1_795_415_346_952_123,
        metageneration: 2,
        size: 5,
        content_type: Some("text/plain".to_owned()),
        cache_control: None,
        content_disposition: None,
        content_encoding: None,
        content_language: None,
        md5: [
            0x5d, 0x41, 0x40, 0x2a, 0xbc, 0x4b, 0x2a, 0x76, 0xb9, 0x71, 0x9d, 0x91, 0x10, 0x17,
            0xc5, 0x92,
        ],
        crc32c: 2_591_144_780,
        sha256: [0; 32],
        created: "2026-11-23T06:29:06.9521239Z".parse().unwrap(),
        updated: "2026-11-23T06:29:07Z".parse().unwrap(),
        metadata: BTreeMap::new(),
    }
}

fn described(object: &Object) -> Value {
    serde_json::to_value(resource("bk", object)).unwrap()
}

fn with_metadata(pairs: &[(&str, &str)]) -> Object {
    let metadata = pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Object {
        metadata: metadata.collect(),
        ..object()
    }
}

#[test]
fn an_object_is_described_as_the_sdks_expect_it() {
    let mut expected = json!({
        "name": "a/ü b.txt",
        "bucket": "bk",
        "generation": "1795415346952123",
        "metageneration": "2",
        "contentType": "text/plain",
        "timeCreated": "2026-11-23T06:29:06.952Z",
        "updated": "2026-11-23T06:29:07.000Z",
        "storageClass": "STANDARD",
        "size": "5",
        "md5Hash": "XUFAKrxLKna5cZ2REBfFkg==",
        "crc32c": "mnG7TA==",
        "etag": object().etag(),
        "contentEncoding": "identity",
    });
    assert_eq!(described(&object()), expected);

    let object = Object {
        cache_control: Some("no-store".to_owned()),
        content_disposition: Some("inline".to_owned()),
        content_encoding: Some("gzip".to_owned()),
        content_language: Some("de".to_owned()),
        ..with_metadata(&[("k", "v"), (TOKENS, "t1,t2")])
    };
    expected["cacheControl"] = "no-store".into();
    expected["contentDisposition"] = "inline".into();
    expected["contentEncoding"] = "gzip".into();
    expected["contentLanguage"] = "de".into();
    expected["downloadTokens"] = "t1,t2".into();
    expected["metadata"] = json!({"k": "v"});
    assert_eq!(described(&object), expected);
}

#[test]
fn an_upload_is_given_what_it_does_not_say() {
    let said = Said::read(b"").unwrap();
    let options = said.options("a/\u{fc} b.txt", Some("text/plain".to_owned()), Some(5));
    let options = options.unwrap();
    let expected = PutOptions {
        content_type: Some("text/plain".to_owned()),
        content_disposition: Some("inline; filename*=utf-8''%C3%BC%20b.txt".to_owned()),
        content_length: Some(5),
        ..PutOptions::default()
    };
    assert_eq!(options, expected);
    let unknown = Said::default().options("a", None, None).unwrap();
    assert_eq!(
        unknown.content_type.as_deref(),
        Some("application/octet-stream")
    );
}

#[test]
fn an_upload_keeps_what_it_says_and_cannot_choose_its_tokens() {
    let json = json!({
        "name": "a", "contentType": "video/webm", "cacheControl": "no-store",
        "contentDisposition": "attachment", "contentEncoding": "gzip", "contentLanguage": "de",
        "metadata": {"k": "v", "n": 5, "gone": null, TOKENS: "guessable"},
        "size": "9", "md5Hash": "XUFAKrxLKna5cZ2REBfFkg==", "unknown": [1],
    });
    let said = Said::read(json.to_string().as_bytes()).unwrap();
    assert_eq!(said.name.as_deref(), Some("a"));
    let expected = PutOptions {
        content_type: Some("video/webm".to_owned()),
        cache_control: Some("no-store".to_owned()),
        content_disposition: Some("attachment".to_owned()),
        content_encoding: Some("gzip".to_owned()),
        content_language: Some("de".to_owned()),
        metadata: with_metadata(&[("k", "v"), ("n", "5")]).metadata,
        content_length: None,
        md5: Some(object().md5),
    };
    let options = said.options("a", Some("x/y".to_owned()), None);
    assert_eq!(options.unwrap(), expected);
}

#[test]
fn a_hash_that_is_none_is_refused_for_an_upload_and_passed_over_in_a_change() {
    let said = |hash: Value| Said::read(json!({"md5Hash": hash}).to_string().as_bytes());
    for hash in [json!("x"), json!("AAAA"), json!(""), json!(5)] {
        let refused = said(hash.clone()).unwrap().options("a", None, None);
        assert_eq!(refused.unwrap_err().status().as_u16(), 400, "{hash}");
        let change = said(hash).unwrap().change(&object());
        assert!(change.metadata.is_empty());
    }
    let none = said(Value::Null).unwrap().options("a", None, None);
    assert_eq!(none.unwrap().md5, None);
}

#[test]
fn a_change_keeps_what_it_does_not_name_and_unsets_what_is_null() {
    let said = |json: Value| Said::read(json.to_string().as_bytes()).unwrap();
    let object = with_metadata(&[("k", "v"), (TOKENS, "t")]);

    let change = said(json!({"size": "9", "name": "b"})).change(&object);
    assert!(change.content_type.is_none() && change.cache_control.is_none());
    assert!(change.metadata.is_empty() && !change.clear_metadata);

    let change = said(json!({
        "contentType": null, "cacheControl": "no-store",
        "metadata": {"k": null, "n": true, TOKENS: null},
    }))
    .change(&object);
    assert_eq!(change.content_type, Some(None));
    assert_eq!(change.cache_control, Some(Some("no-store".to_owned())));
    let expected = [("k", None), ("n", Some("true"))];
    let expected = expected.map(|(k, v)| (k.to_owned(), v.map(str::to_owned)));
    assert_eq!(change.metadata, BTreeMap::from(expected));
}

#[test]
fn clearing_the_custom_metadata_leaves_the_tokens() {
    let object = with_metadata(&[("k", "v"), (TOKENS, "t")]);
    let change = Said::read(br#"{"metadata":null}"#).unwrap().change(&object);
    assert!(change.clear_metadata);
    let expected = [(TOKENS.to_owned(), Some("t".to_owned()))];
    assert_eq!(change.metadata, BTreeMap::from(expected));
}

#[test]
fn metadata_of_another_shape_is_refused() {
    for json in [
        "{",
        "[]",
        "5",
        r#"{"contentType":5}"#,
        r#"{"metadata":"x"}"#,
        r#"{"contentType":"a\r\nSet-Cookie: b"}"#,
        r#"{"contentDisposition":"a\u0000"}"#,
    ] {
        let status = Said::read(json.as_bytes()).unwrap_err().status();
        assert_eq!(status.as_u16(), 400, "{json}");
    }
    assert!(Said::read(br#"{"contentDisposition":"inline; filename=\"\u00fc\""}"#).is_ok());
}
