//! The two content modes of CloudEvents.

use serde_json::{Value, json};

use super::{Malformed, TIME, binary, received, structured};

#[test]
fn both_modes_give_one_and_the_same_event() {
    let fields = binary(&[
        ("ce-subject", "books/1"),
        ("ce-time", TIME),
        ("ce-dataschema", "https://example.com/book.json"),
        ("ce-shelfmark", "B 7"),
        ("content-type", "application/json"),
    ]);
    let binary = received(&fields, r#"{"pages": 7}"#).unwrap();
    let body = json!({
        "specversion": "1.0", "id": "e-1", "source": "//example.com/shelf",
        "type": "com.example.book.v1.added", "subject": "books/1", "time": TIME,
        "dataschema": "https://example.com/book.json", "shelfmark": "B 7",
        "datacontenttype": "application/json", "data": {"pages": 7},
    });
    assert_eq!(structured(&body).unwrap(), binary);
    assert_eq!(binary.extension("shelfmark"), Some("B 7"));
    assert_eq!(serde_json::to_value(&binary).unwrap(), body);
}

#[test]
fn the_media_type_of_a_structured_event_has_parameters_and_any_case() {
    let body = r#"{"specversion":"1.0","id":"1","source":"s","type":"t"}"#;
    for media in [
        "application/cloudevents+json; charset=UTF-8",
        "Application/CloudEvents+JSON",
        "application/cloudevents+json;charset=utf-8",
    ] {
        let event = received(&[("content-type", media)], body).unwrap();
        assert_eq!(
            (event.id.as_str(), event.data),
            ("1", Value::Null),
            "{media}"
        );
    }
}

#[test]
fn the_value_of_a_header_is_unquoted_and_percent_decoded_once() {
    for (sent, read) in [
        ("plain", "plain"),
        ("objects/a%20b", "objects/a b"),
        ("%E2%82%AC", "€"),
        ("€ as it is", "€ as it is"),
        ("%2541", "%41"),
        ("100%", "100%"),
        (r#""a \"b\" \\""#, r#"a "b" \"#),
        (r#""%22""#, "\""),
        (r#"""#, r#"""#),
    ] {
        let event = received(&binary(&[("ce-subject", sent)]), "").unwrap();
        assert_eq!(event.subject.as_deref(), Some(read), "{sent}");
    }
}

#[test]
fn the_media_type_of_the_data_decides_how_they_are_read() {
    for (media, body, data) in [
        ("application/json", "[1, null]", json!([1, null])),
        ("application/json; charset=utf-8", "\"x\"", json!("x")),
        ("application/vnd.api+json", "{}", json!({})),
        ("text/plain", "12", json!("12")),
        ("text/plain; charset=\"UTF-8\"", "é", json!("é")),
        ("text/plain; charset=utf-16", "12", json!("MTI=")),
        ("image/svg+xml", "<svg/>", json!("<svg/>")),
        ("application/protobuf", "12", json!("MTI=")),
        ("application/json", "", Value::Null),
    ] {
        let event = received(&binary(&[("content-type", media)]), body).unwrap();
        assert_eq!(event.data, data, "{media}");
        assert_eq!(event.datacontenttype.as_deref(), Some(media));
    }
    assert_eq!(received(&binary(&[]), "{}").unwrap().data, json!({}));
}

#[test]
fn structured_data_in_base64_are_read_by_their_media_type() {
    for (media, encoded, data) in [
        (Some("application/json"), "eyJhIjoxfQ==", json!({"a": 1})),
        (Some("text/plain"), "aGk=", json!("hi")),
        (Some("image/png"), "aGk=", json!("aGk=")),
        (None, "aGk=", json!("aGk=")),
    ] {
        let event = structured(&json!({
            "specversion": "1.0", "id": "1", "source": "s", "type": "t",
            "datacontenttype": media, "data_base64": encoded,
        }));
        assert_eq!(event.unwrap().data, data, "{media:?}");
    }
}

#[test]
fn structured_extensions_may_be_numbers_and_truths() {
    let event = structured(&json!({
        "specversion": "1.0", "id": "1", "source": "s", "type": "t",
        "count": -3, "last": true, "none": null,
    }));
    let extensions = event.unwrap().extensions;
    let read: Vec<_> = extensions.iter().map(|(k, v)| (&**k, &**v)).collect();
    assert_eq!(read, [("count", "-3"), ("last", "true")]);
}

#[test]
fn the_trace_of_the_request_is_handed_on_unless_the_event_has_its_own() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let event = received(&binary(&[("traceparent", trace)]), "").unwrap();
    assert_eq!(event.extension("traceparent"), Some(trace));
    let own = binary(&[("traceparent", trace), ("ce-traceparent", "own")]);
    let event = received(&own, "").unwrap();
    assert_eq!(event.extension("traceparent"), Some("own"));
}

#[test]
fn times_are_read_with_and_without_a_fraction() {
    for (sent, written) in [
        ("2026-03-04T05:06:07Z", "2026-03-04T05:06:07Z"),
        ("2026-03-04T05:06:07.089Z", "2026-03-04T05:06:07.089Z"),
        (
            "2026-03-04T05:06:07.123456789Z",
            "2026-03-04T05:06:07.123456789Z",
        ),
        ("2026-03-04T06:06:07+01:00", "2026-03-04T05:06:07Z"),
    ] {
        let event = received(&binary(&[("ce-time", sent)]), "").unwrap();
        assert_eq!(event.time.unwrap().to_string(), written);
    }
}

#[test]
fn a_binary_event_with_a_fault_is_refused_for_that_fault() {
    let without = |name: &str| {
        let mut fields = binary(&[]);
        fields.retain(|(known, _)| *known != name);
        fields
    };
    for (fields, body, fault) in [
        (without("ce-id"), "{}", Malformed::Missing("id")),
        (without("ce-source"), "{}", Malformed::Missing("source")),
        (without("ce-type"), "{}", Malformed::Missing("type")),
        (
            without("ce-specversion"),
            "{}",
            Malformed::Missing("specversion"),
        ),
        (binary(&[("ce-id", "")]), "{}", Malformed::Missing("id")),
        (
            binary(&[("ce-specversion", "9.9")]),
            "{}",
            Malformed::Version,
        ),
        (binary(&[("ce-time", "yesterday")]), "{}", Malformed::Time),
        (binary(&[("ce-subject", "%FF")]), "{}", Malformed::Attribute),
        (
            binary(&[("ce-subject", "a%0Ab")]),
            "{}",
            Malformed::Attribute,
        ),
        (binary(&[("ce-some-name", "x")]), "{}", Malformed::Attribute),
        (binary(&[("ce-data", "x")]), "{}", Malformed::Attribute),
        (
            binary(&[
                ("content-type", "text/plain"),
                ("ce-datacontenttype", "text/plain"),
            ]),
            "x",
            Malformed::Attribute,
        ),
        (binary(&[]), "{", Malformed::Json),
    ] {
        assert_eq!(received(&fields, body), Err(fault), "{fields:?} {body}");
    }
    let mut twice = binary(&[]);
    twice.push(("ce-id", "e-2"));
    assert_eq!(received(&twice, "{}"), Err(Malformed::Attribute));
}

#[test]
fn a_structured_event_with_a_fault_is_refused_for_that_fault() {
    let good = json!({"specversion": "1.0", "id": "1", "source": "s", "type": "t"});
    let with = |name: &str, value: Value| {
        let mut event = good.clone();
        event[name] = value;
        event
    };
    for (body, fault) in [
        (with("id", Value::Null), Malformed::Missing("id")),
        (with("specversion", json!("0.3")), Malformed::Version),
        (with("specversion", json!(1.0)), Malformed::Attribute),
        (with("time", json!("2026")), Malformed::Time),
        (with("more", json!([])), Malformed::Attribute),
        (with("someName", json!("x")), Malformed::Attribute),
        (with("id", json!("a\u{7}")), Malformed::Attribute),
        (with("more", json!("a\nb")), Malformed::Attribute),
        (with("data_base64", json!("%")), Malformed::Base64),
        (with("data_base64", json!(1)), Malformed::Base64),
        (json!([good]), Malformed::NotAnEvent),
    ] {
        assert_eq!(structured(&body), Err(fault), "{body}");
    }
    let mut both = with("data_base64", json!("aGk="));
    both["data"] = json!(1);
    assert_eq!(structured(&both), Err(Malformed::Base64));
    let format = [("content-type", "application/cloudevents+json")];
    assert_eq!(
        received(&format, r#"{"specversion":"#),
        Err(Malformed::Json)
    );
}

#[test]
fn batches_and_other_formats_are_not_read() {
    for media in [
        "application/cloudevents-batch+json",
        "application/cloudevents+avro",
    ] {
        let mut fields = binary(&[]);
        fields.push(("content-type", media));
        assert_eq!(received(&fields, "[]"), Err(Malformed::Format), "{media}");
    }
}

#[test]
fn what_is_no_event_is_refused() {
    let json = [("content-type", "application/json")];
    for (body, fault) in [
        ("", Malformed::Json),
        ("{", Malformed::Json),
        ("null", Malformed::NotAnEvent),
        ("[]", Malformed::NotAnEvent),
        (r#"{"a": "b"}"#, Malformed::NotAnEvent),
        (r#"{"message": "hi"}"#, Malformed::NotAnEvent),
        (
            r#"{"specversion":"1.0","id":"1","source":"s","type":"t"}"#,
            Malformed::NotAnEvent,
        ),
    ] {
        assert_eq!(received(&json, body), Err(fault), "{body}");
        assert_eq!(received(&[], body), Err(fault), "{body}");
    }
}
