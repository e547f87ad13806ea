//! The attributes of a CloudEvent, collected in any order and checked as CloudEvents 1.0 wants them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Malformed, time};
use crate::events::{CloudEvent, SpecVersion};

#[derive(Default)]
pub(super) struct Attributes(BTreeMap<String, String>);

impl Attributes {
    /// # Errors
    /// A name with more than lower-case letters and digits in it (§3 of the specification), the name
    /// of the data, or one that was there before.
    pub(super) fn add(&mut self, name: &str, value: String) -> Result<(), Malformed> {
        let named = !name.is_empty()
            && name != "data"
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !named || self.0.insert(name.to_owned(), value).is_some() {
            return Err(Malformed::Attribute);
        }
        Ok(())
    }

    pub(super) fn content_type(&self) -> Option<&str> {
        self.0.get("datacontenttype").map(String::as_str)
    }

    /// # Errors
    /// A required attribute that is missing, another version than 1.0, a time that is none.
    pub(super) fn into_event(mut self, data: Value) -> Result<CloudEvent<Value>, Malformed> {
        if self.required("specversion")? != "1.0" {
            return Err(Malformed::Version);
        }
        Ok(CloudEvent {
            specversion: SpecVersion::V1,
            id: self.required("id")?,
            source: self.required("source")?,
            kind: self.required("type")?,
            subject: self.optional("subject"),
            time: self.optional("time").as_deref().map(time).transpose()?,
            datacontenttype: self.optional("datacontenttype"),
            dataschema: self.optional("dataschema"),
            extensions: self.0,
            data,
        })
    }

    fn required(&mut self, name: &'static str) -> Result<String, Malformed> {
        self.optional(name).ok_or(Malformed::Missing(name))
    }

    fn optional(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|value| !value.is_empty())
    }
}
