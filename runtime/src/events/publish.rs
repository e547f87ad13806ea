//! What a function publishes: checked before it is recorded, so that whatever the ledger holds can be
//! delivered.

use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::CloudEvent;
use crate::error::{Error, ErrorCode, Result};
use crate::ledger::{Ledger, PublishError};

/// Of the whole event as JSON: what Eventarc takes.
const MOST_BYTES: usize = 512 * 1024;

/// Types that only the router and Google's senders give to events.
const RESERVED: &str = "google.";

/// The members of the JSON format beside the extensions.
const MEMBERS: [&str; 9] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
    "data",
];

/// Why an event cannot be published as it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unpublishable {
    #[error("its attribute {0:?} is empty or has control characters in it")]
    Attribute(String),
    #[error("{0:?} is no name of an extension: those have lower-case letters and digits")]
    Extension(String),
    #[error("types that begin with `{RESERVED}` are reserved")]
    ReservedType,
    #[error("its data is not JSON that can be read again")]
    Data(#[source] serde_json::Error),
    #[error("it has {0} bytes as JSON, and {MOST_BYTES} are the most")]
    TooLarge(usize),
}

/// Records an event durably, for whoever subscribes to its type.
pub(crate) async fn publish(ledger: &Ledger, event: CloudEvent<impl Serialize>) -> Result<()> {
    let event = publishable(event, Timestamp::now())?;
    Ok(ledger.publish(event).await?)
}

/// The event as it is recorded and will be delivered.
fn publishable(
    event: CloudEvent<impl Serialize>,
    now: Timestamp,
) -> Result<CloudEvent<Value>, Unpublishable> {
    check_attributes(&event)?;
    let mut event = event
        .try_map(serde_json::to_value)
        .map_err(Unpublishable::Data)?;
    event.time.get_or_insert(now);
    event
        .datacontenttype
        .get_or_insert_with(|| "application/json".to_owned());
    let json = serde_json::to_string(&event).map_err(Unpublishable::Data)?;
    if json.len() > MOST_BYTES {
        return Err(Unpublishable::TooLarge(json.len()));
    }
    // More can be written than is read: values that are nested too deeply, for one.
    serde_json::from_str(&json).map_err(Unpublishable::Data)
}

/// CloudEvents 1.0 §3: what is there is not empty, and no text has control characters.
fn check_attributes<Data>(event: &CloudEvent<Data>) -> Result<(), Unpublishable> {
    let required = [
        ("id", Some(&event.id)),
        ("source", Some(&event.source)),
        ("type", Some(&event.kind)),
        ("subject", event.subject.as_ref()),
        ("datacontenttype", event.datacontenttype.as_ref()),
        ("dataschema", event.dataschema.as_ref()),
    ];
    let named = required
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    for (name, value) in named {
        if value.is_empty() || value.contains(char::is_control) {
            return Err(Unpublishable::Attribute(name.to_owned()));
        }
    }
    for (name, value) in &event.extensions {
        let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if name.is_empty() || !name.bytes().all(letters) || MEMBERS.contains(&&**name) {
            return Err(Unpublishable::Extension(name.clone()));
        }
        if value.contains(char::is_control) {
            return Err(Unpublishable::Attribute(name.clone()));
        }
    }
    if event.kind.starts_with(RESERVED) {
        return Err(Unpublishable::ReservedType);
    }
    Ok(())
}

impl From<Unpublishable> for Error {
    fn from(fault: Unpublishable) -> Self {
        let code = ErrorCode::InvalidArgument;
        match fault {
            Unpublishable::Data(_) => Self::new(ErrorCode::Internal, "INTERNAL"),
            Unpublishable::TooLarge(_) => Self::new(code, "The event is too large.")
                .with_status(StatusCode::PAYLOAD_TOO_LARGE),
            _ => Self::new(code, "The event cannot be published."),
        }
        .because(fault)
    }
}

impl From<PublishError> for Error {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::IdTaken(_) => {
                Self::new(ErrorCode::AlreadyExists, "The event's id is taken.")
            }
            PublishError::Sqlite(_) => Self::new(ErrorCode::Unavailable, "UNAVAILABLE"),
        }
        .because(error)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::database::sqlite::SqliteError;
    use crate::error::Chain;

    fn event<Data>(data: Data) -> CloudEvent<Data> {
        CloudEvent::new("order-1", "//shop", "com.example.order.paid", data)
    }

    fn refused(event: CloudEvent<impl Serialize>) -> (u16, &'static str) {
        let error = Error::from(publishable(event, Timestamp::now()).unwrap_err());
        (error.status().as_u16(), error.code().as_str())
    }

    #[test]
    fn what_is_missing_and_has_a_default_is_filled_in() {
        let published = publishable(event(json!({"n": 1})), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(published.data, json!({"n": 1}));
        assert_eq!(published.time, Some(Timestamp::UNIX_EPOCH));
        let media = published.datacontenttype.as_deref();
        assert_eq!(media, Some("application/json"));
        assert_eq!(published.subject, None);
    }

    #[test]
    fn what_is_there_is_kept() {
        let mut whole = event(json!(["ü\u{0}", 1.5, null]));
        whole.subject = Some("orders/1".to_owned());
        whole.time = Some(Timestamp::UNIX_EPOCH);
        whole.datacontenttype = Some("application/x+json".to_owned());
        whole.dataschema = Some("https://example.com/schema".to_owned());
        whole.extensions = [("tenant2".to_owned(), "a b".to_owned())].into();
        let published = publishable(whole.clone(), Timestamp::now()).unwrap();
        assert_eq!(published, whole);
    }

    #[test]
    fn an_event_that_cloudevents_forbids_is_an_invalid_argument() {
        type Fault = fn(&mut CloudEvent<()>);
        let faults: [Fault; 12] = [
            |event| event.id.clear(),
            |event| event.source.clear(),
            |event| event.kind.clear(),
            |event| event.id.push('\n'),
            |event| event.kind.push('\u{9b}'),
            |event| event.kind.insert_str(0, "google."),
            |event| event.subject = Some(String::new()),
            |event| event.datacontenttype = Some(String::new()),
            |event| event.dataschema = Some("a\0".to_owned()),
            |event| drop(event.extensions.insert("data".to_owned(), "x".to_owned())),
            |event| drop(event.extensions.insert("Big".to_owned(), "x".to_owned())),
            |event| drop(event.extensions.insert("x".to_owned(), "\r".to_owned())),
        ];
        for (number, fault) in faults.into_iter().enumerate() {
            let mut event = event(());
            fault(&mut event);
            assert_eq!(refused(event), (400, "INVALID_ARGUMENT"), "fault {number}");
        }
    }

    #[test]
    fn it_may_have_so_many_bytes_as_json_and_no_more() {
        let empty = publishable(event(String::new()), Timestamp::UNIX_EPOCH).unwrap();
        let room = MOST_BYTES - serde_json::to_string(&empty).unwrap().len();
        let fits = event("x".repeat(room));
        assert!(publishable(fits, Timestamp::UNIX_EPOCH).is_ok());
        let mut long = event("x".repeat(room + 1));
        long.time = Some(Timestamp::UNIX_EPOCH);
        assert_eq!(refused(long), (413, "INVALID_ARGUMENT"));
    }

    #[test]
    fn data_that_could_not_be_delivered_is_refused_here() {
        let keys = std::collections::BTreeMap::from([((1, 2), "a key that is no text")]);
        assert_eq!(refused(event(keys)), (500, "INTERNAL"));
        let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(refused(event(deep)), (500, "INTERNAL"));
    }

    #[test]
    fn a_ledger_that_fails_is_unavailable_with_its_cause_for_the_log_alone() {
        let error = Error::from(PublishError::from(SqliteError::Busy));
        assert_eq!(
            (error.status().as_u16(), error.message()),
            (503, "UNAVAILABLE")
        );
        let logged = Chain(&error).to_string();
        assert!(logged.contains("the queue was full"), "{logged}");
        assert!(error.code().is_retryable());

        let taken = Error::from(PublishError::IdTaken("1".to_owned()));
        assert_eq!(taken.code(), ErrorCode::AlreadyExists);
    }
}
