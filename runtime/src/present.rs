//! Which of the headers that the runtime asks about a request has.
//!
//! Most requests have few of them, and each look-up in a map of headers costs a hash: one walk over what is
//! there costs less than a dozen look-ups of what is not.

use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    TRANSFER_ENCODING, UPGRADE,
};

/// Taken when the request arrived; what is added later is not in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Present(u16);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    CfRay,
    ContentEncoding,
    ContentLength,
    GoogleTrace,
    InstanceId,
    Origin,
    TraceParent,
    TransferEncoding,
    Upgrade,
}

impl Present {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let fields = headers.keys().filter_map(Field::named);
        Self(fields.fold(0, |bits, field| bits | field.bit()))
    }

    pub(crate) fn has(self, field: Field) -> bool {
        self.0 & field.bit() != 0
    }

    /// The first of them.
    pub(crate) fn get(self, headers: &HeaderMap, field: Field) -> Option<&HeaderValue> {
        match self.has(field) {
            true => headers.get(field.name()),
            false => None,
        }
    }

    /// [`Present::get`], where it is printable ASCII.
    pub(crate) fn text(self, headers: &HeaderMap, field: Field) -> Option<&str> {
        self.get(headers, field)?.to_str().ok()
    }
}

impl Field {
    fn named(name: &HeaderName) -> Option<Self> {
        Some(match name.as_str() {
            "cf-ray" => Self::CfRay,
            "content-encoding" => Self::ContentEncoding,
            "content-length" => Self::ContentLength,
            "firebase-instance-id-token" => Self::InstanceId,
            "origin" => Self::Origin,
            "traceparent" => Self::TraceParent,
            "transfer-encoding" => Self::TransferEncoding,
            "upgrade" => Self::Upgrade,
            "x-cloud-trace-context" => Self::GoogleTrace,
            _ => return None,
        })
    }

    fn name(self) -> HeaderName {
        match self {
            Self::CfRay => HeaderName::from_static("cf-ray"),
            Self::ContentEncoding => CONTENT_ENCODING,
            Self::ContentLength => CONTENT_LENGTH,
            Self::GoogleTrace => HeaderName::from_static("x-cloud-trace-context"),
            Self::InstanceId => HeaderName::from_static("firebase-instance-id-token"),
            Self::Origin => ORIGIN,
            Self::TraceParent => HeaderName::from_static("traceparent"),
            Self::TransferEncoding => TRANSFER_ENCODING,
            Self::Upgrade => UPGRADE,
        }
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_header_is_found_when_it_is_there_and_only_then() {
        let fields = [
            Field::CfRay,
            Field::ContentEncoding,
            Field::ContentLength,
            Field::GoogleTrace,
            Field::InstanceId,
            Field::Origin,
            Field::TraceParent,
            Field::TransferEncoding,
            Field::Upgrade,
        ];
        for field in fields {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_static("a"));
            headers.insert(field.name(), HeaderValue::from_static("first"));
            headers.append(field.name(), HeaderValue::from_static("second"));
            let present = Present::of(&headers);
            assert_eq!(present.text(&headers, field), Some("first"), "{field:?}");
            for other in fields.into_iter().filter(|other| *other != field) {
                assert_eq!(present.get(&headers, other), None, "{field:?}, {other:?}");
            }
        }
    }
}
