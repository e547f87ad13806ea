//! What an upload's URL, headers and metadata say: a query is read as URLs are, a name comes back from one,
//! and nothing gets into an object's metadata that its downloads could not carry.
#![no_main]

use functions::testing::{encoded, query, upload};
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use runtime::Uri;

/// Metadata that only the server writes.
const TOKENS: &str = "firebaseStorageDownloadTokens";

fuzz_target!(|data: &[u8]| {
    // A query, headers and an empty line, then JSON.
    let mut lines = data.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let mut headers = HeaderMap::new();
    let mut read = first.len() + 1;
    for line in lines {
        read += line.len() + 1;
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            break;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    if let Ok(text) = str::from_utf8(first) {
        check_query(text);
        check_name(text);
        let json = data.get(read..).unwrap_or_default();
        check_upload(text, &headers, json);
    }
});

fn check_query(text: &str) {
    let Ok(uri) = format!("/o?{text}").parse::<Uri>() else {
        return;
    };
    for name in ["name", "upload_id", "prefix", ""] {
        let Ok(value) = query(&uri, name) else {
            return;
        };
        let read = uri.query().unwrap_or_default();
        let mut pairs = form_urlencoded::parse(read.as_bytes());
        let expected = pairs.find(|(key, _)| key == name);
        assert_eq!(value, expected.map(|(_, value)| value.into_owned()));
    }
}

fn check_name(name: &str) {
    let uri = format!("/o?name={}", encoded(name));
    let uri: Uri = match uri.parse() {
        Ok(uri) => uri,
        // Longer than a URL can be.
        Err(error) => return assert!(uri.len() > 1 << 15, "{error}"),
    };
    let read = query(&uri, "name").expect("a query of UTF-8");
    assert_eq!(read.as_deref(), Some(name));
}

fn check_upload(name: &str, headers: &HeaderMap, json: &[u8]) {
    let options = match upload(name, headers, json) {
        Ok(options) => options,
        Err(error) => return assert_eq!(error.status().as_u16(), 400, "{error:?}"),
    };
    let texts = [
        &options.content_type,
        &options.cache_control,
        &options.content_disposition,
        &options.content_encoding,
        &options.content_language,
    ];
    for text in texts.into_iter().flatten() {
        assert!(!text.is_empty());
        assert!(HeaderValue::from_bytes(text.as_bytes()).is_ok(), "{text:?}");
    }
    assert!(options.content_type.is_some() && options.content_disposition.is_some());
    let token = &options.metadata[TOKENS];
    assert!(token.len() == 36 && !token.contains(','), "{token:?}");
}
