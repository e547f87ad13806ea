//! Which headers a request has, of those that the runtime looks for in every one.
//!
//! Most requests have few of them, and each look-up in a map of headers costs a hash: one walk over what is
//! there costs less than a dozen look-ups of what is not.

use http::header::{HeaderMap, HeaderName, HeaderValue};

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

/// In the order of [`Field`].
const NAMES: [(Field, &str); 9] = [
    (Field::CfRay, "cf-ray"),
    (Field::ContentEncoding, "content-encoding"),
    (Field::ContentLength, "content-length"),
    (Field::GoogleTrace, "x-cloud-trace-context"),
    (Field::InstanceId, "firebase-instance-id-token"),
    (Field::Origin, "origin"),
    (Field::TraceParent, "traceparent"),
    (Field::TransferEncoding, "transfer-encoding"),
    (Field::Upgrade, "upgrade"),
];

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
        let name = name.as_str();
        let known = NAMES.iter().find(|(_, known)| *known == name);
        known.map(|(field, _)| *field)
    }

    fn name(self) -> HeaderName {
        HeaderName::from_static(NAMES[self as usize].1)
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
        for (field, _) in NAMES {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_static("a"));
            headers.insert(field.name(), HeaderValue::from_static("first"));
            headers.append(field.name(), HeaderValue::from_static("second"));
            let present = Present::of(&headers);
            assert_eq!(present.text(&headers, field), Some("first"), "{field:?}");
            for (other, _) in NAMES.into_iter().filter(|(other, _)| *other != field) {
                assert_eq!(present.get(&headers, other), None, "{field:?}, {other:?}");
            }
        }
    }
}
