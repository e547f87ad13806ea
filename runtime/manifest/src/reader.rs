//! Typed access to the spanned tree of a TOML text. A value of the wrong type, an unknown key or a
//! missing one is reported and passed over, so that reading goes on and finds the next fault.
//!
//! Every accessor answers `None` both for a key that is absent and for one that was reported: the
//! caller puts a default in its place, and a text with errors never becomes a manifest anyway.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::fault::{Code, Faults};
use crate::literal::shown;
use crate::spelling::{enumerate, nearest};
use crate::units;

/// A string and where it stands, quotes included.
#[derive(Debug, Clone)]
pub(crate) struct Text<'d> {
    pub(crate) value: &'d str,
    pub(crate) span: Range<usize>,
}

/// A table and the name it has in messages.
#[derive(Debug, Clone)]
pub(crate) struct Table<'d> {
    pub(crate) name: String,
    pub(crate) span: Range<usize>,
    entries: &'d DeTable<'d>,
}

impl<'d> Table<'d> {
    pub(crate) fn document(entries: &'d DeTable<'d>) -> Self {
        Self {
            name: "the manifest".to_owned(),
            span: 0..0,
            entries,
        }
    }

    /// Reports the keys that are not among `allowed`.
    pub(crate) fn check_keys(&self, allowed: &[&str], faults: &mut Faults<'_>) {
        self.check_keys_except(allowed, &[], faults);
    }

    /// As [`Self::check_keys`], silent about the keys that have a message of their own.
    pub(crate) fn check_keys_except(
        &self,
        allowed: &[&str],
        silent: &[&str],
        faults: &mut Faults<'_>,
    ) {
        let known = |key: &str| allowed.contains(&key) || silent.contains(&key);
        for key in self.keys().filter(|key| !known(key.value)) {
            let name = shown(key.value);
            let message = match nearest(key.value, allowed.iter().copied()) {
                Some(meant) => format!("unknown key {name}: did you mean `{meant}`?"),
                None => format!("unknown key {name}"),
            };
            let keys = enumerate(allowed.iter().copied());
            faults
                .add(Code::UnknownKey, key.span, message)
                .help(format!("the keys of {} are {keys}", self.name));
        }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = Text<'d>> {
        self.entries.keys().map(|key| Text {
            value: key.get_ref(),
            span: key.span(),
        })
    }

    /// Where the key stands, if it does.
    pub(crate) fn key(&self, key: &str) -> Option<Range<usize>> {
        self.entries.get_key_value(key).map(|(key, _)| key.span())
    }

    pub(crate) fn value(&self, key: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.entries.get(key)
    }

    /// Reports the absence of a key that has no default. `example` is a line to write.
    pub(crate) fn require(&self, key: &str, example: &str, faults: &mut Faults<'_>) {
        if self.value(key).is_none() {
            let message = format!("{} lacks `{key}`", self.name);
            faults
                .add(Code::MissingKey, self.span.clone(), message)
                .help(format!("for example `{example}`"));
        }
    }

    pub(crate) fn text(&self, key: &str, faults: &mut Faults<'_>) -> Option<Text<'d>> {
        text(self.value(key)?, key, faults)
    }

    pub(crate) fn boolean(&self, key: &str, faults: &mut Faults<'_>) -> Option<bool> {
        let value = self.value(key)?;
        let boolean = value.get_ref().as_bool();
        if boolean.is_none() {
            wrong_type(value, key, "`true` or `false`", faults);
        }
        boolean
    }

    /// A whole number within `allowed`.
    pub(crate) fn integer(
        &self,
        key: &str,
        allowed: std::ops::RangeInclusive<u32>,
        faults: &mut Faults<'_>,
    ) -> Option<u32> {
        let value = self.value(key)?;
        let Some(integer) = value.get_ref().as_integer() else {
            wrong_type(value, key, "a whole number", faults);
            return None;
        };
        let digits = integer.as_str().replace('_', "");
        let number = u32::from_str_radix(&digits, integer.radix()).ok();
        let number = number.filter(|number| allowed.contains(number));
        if number.is_none() {
            let (least, most) = (allowed.start(), allowed.end());
            let message = format!("`{key}` is out of range: {least} to {most} is allowed");
            faults
                .add(Code::UnitOrRange, value.span(), message)
                .help(format!("for example `{key} = {}`", 80.clamp(*least, *most)));
        }
        number
    }

    /// The strings of an array.
    pub(crate) fn texts(&self, key: &str, faults: &mut Faults<'_>) -> Option<Vec<Text<'d>>> {
        let value = self.value(key)?;
        let Some(array) = value.get_ref().as_array() else {
            wrong_type(value, key, "an array of strings", faults);
            return None;
        };
        let texts = array.iter();
        Some(texts.filter_map(|value| text(value, key, faults)).collect())
    }

    /// As [`Self::texts`]; an entry that stands there twice is reported.
    pub(crate) fn distinct_texts(
        &self,
        key: &str,
        faults: &mut Faults<'_>,
    ) -> Option<Vec<Text<'d>>> {
        let texts = self.texts(key, faults)?;
        let mut distinct: Vec<Text<'d>> = Vec::new();
        for text in texts {
            match distinct.iter().find(|first| first.value == text.value) {
                Some(first) => {
                    let message = format!("{} stands in `{key}` twice", shown(text.value));
                    faults
                        .add(Code::Duplicate, text.span, message)
                        .related(first.span.clone(), "first here")
                        .help("remove one of them");
                }
                None => distinct.push(text),
            }
        }
        Some(distinct)
    }

    pub(crate) fn table(&self, key: &str, faults: &mut Faults<'_>) -> Option<Table<'d>> {
        let value = self.value(key)?;
        let name = match self.span.is_empty() {
            true => format!("[{key}]"),
            false => format!("`{key}` in {}", self.name),
        };
        table(value, key, name, faults)
    }

    /// The tables below `[key]`, by name: `[functions.NAME]`.
    pub(crate) fn children(&self, faults: &mut Faults<'_>) -> Vec<(Text<'d>, Table<'d>)> {
        let parent = self.name.trim_matches(['[', ']']);
        let mut children = Vec::new();
        for (key, value) in self.entries {
            let name = format!("[{parent}.{}]", key.get_ref());
            if let Some(mut child) = table(value, key.get_ref(), name, faults) {
                // `{}` and `[functions.chunks]` alike: the name is what a reader looks for.
                child.span = key.span();
                let key = Text {
                    value: key.get_ref(),
                    span: key.span(),
                };
                children.push((key, child));
            }
        }
        children.sort_by_key(|(key, _)| key.span.start);
        children
    }

    /// The tables of `[[key]]` or `key = [{ … }]`, in the order of the text.
    pub(crate) fn tables(&self, key: &str, faults: &mut Faults<'_>) -> Vec<Table<'d>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let Some(array) = value.get_ref().as_array() else {
            wrong_type(
                value,
                key,
                &format!("a list of tables, `{}`", self.list(key)),
                faults,
            );
            return Vec::new();
        };
        let name = match self.span.is_empty() {
            true => format!("[[{key}]]"),
            false => format!("`{key}` in {}", self.name),
        };
        array
            .iter()
            .filter_map(|value| table(value, key, name.clone(), faults))
            .collect()
    }

    /// How a list of tables is usually written here.
    fn list(&self, key: &str) -> String {
        match self.span.is_empty() {
            true => format!("[[{key}]]"),
            false => format!("{key} = [{{ … }}]"),
        }
    }

    pub(crate) fn duration(
        &self,
        key: &str,
        allowed: std::ops::RangeInclusive<Duration>,
        faults: &mut Faults<'_>,
    ) -> Option<Duration> {
        duration(&self.text(key, faults)?, key, &allowed, faults)
    }

    pub(crate) fn bytes(
        &self,
        key: &str,
        allowed: std::ops::RangeInclusive<u64>,
        faults: &mut Faults<'_>,
    ) -> Option<u64> {
        let text = self.text(key, faults)?;
        let (least, most) = (*allowed.start(), *allowed.end());
        let bytes = units::bytes(text.value);
        let message = match bytes {
            Some(bytes) if allowed.contains(&bytes) => return Some(bytes),
            Some(_) => format!("`{key}` is out of range"),
            None => format!("`{key}` is not a number of bytes with its unit"),
        };
        faults.add(Code::UnitOrRange, text.span, message).help(format!(
            "{} to {} is allowed, in B, KiB, MiB, GiB, kB, MB or GB: for example `{key} = \"10MiB\"`",
            units::show_bytes(least),
            units::show_bytes(most),
        ));
        None
    }
}

/// `60s`, within `allowed`.
pub(crate) fn duration(
    text: &Text<'_>,
    key: &str,
    allowed: &std::ops::RangeInclusive<Duration>,
    faults: &mut Faults<'_>,
) -> Option<Duration> {
    let (least, most) = (*allowed.start(), *allowed.end());
    let message = match units::duration(text.value) {
        Some(duration) if allowed.contains(&duration) => return Some(duration),
        Some(_) => format!("`{key}` is out of range"),
        None => format!("`{key}` is not a duration with its unit"),
    };
    let example = units::show_duration(Duration::from_secs(60).clamp(least, most));
    faults
        .add(Code::UnitOrRange, text.span.clone(), message)
        .help(format!(
            "{} to {} is allowed, in ms, s, m or h: for example `\"{example}\"`",
            units::show_duration(least),
            units::show_duration(most),
        ));
    None
}

pub(crate) fn wrong_type(
    value: &Spanned<DeValue<'_>>,
    key: &str,
    expected: &str,
    faults: &mut Faults<'_>,
) {
    let found = value.get_ref().type_str();
    let message = format!("`{key}` is {expected}, not of the type {found}");
    faults.add(Code::WrongType, value.span(), message);
}

fn text<'d>(
    value: &'d Spanned<DeValue<'d>>,
    key: &str,
    faults: &mut Faults<'_>,
) -> Option<Text<'d>> {
    let Some(text) = value.get_ref().as_str() else {
        wrong_type(value, key, "a string", faults);
        return None;
    };
    Some(Text {
        value: text,
        span: value.span(),
    })
}

fn table<'d>(
    value: &'d Spanned<DeValue<'d>>,
    key: &str,
    name: String,
    faults: &mut Faults<'_>,
) -> Option<Table<'d>> {
    let Some(entries) = value.get_ref().as_table() else {
        wrong_type(value, key, "a table", faults);
        return None;
    };
    Some(Table {
        name,
        span: value.span(),
        entries,
    })
}
