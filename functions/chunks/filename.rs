//! The one segment that names a chunk in its user's folder.

use std::fmt;

use runtime::{Error, ErrorCode, Result};

/// Bytes of UTF-8.
const LONGEST: usize = 255;

/// A name that is one segment, in every reading of it.
pub(super) struct Filename(String);

impl Filename {
    /// # Errors
    /// 400 for a name that is empty, too long, `.`, `..` or hidden, or that holds a slash, a
    /// backslash or a control character.
    pub(super) fn new(name: String) -> Result<Self> {
        let valid = (1..=LONGEST).contains(&name.len())
            && !name.starts_with('.')
            && !name.contains(|c: char| c == '/' || c == '\\' || c.is_control());
        match valid {
            true => Ok(Self(name)),
            false => Err(invalid()),
        }
    }

    /// `.webm`, with its dot, or nothing.
    pub(super) fn extension(&self) -> &str {
        self.0.rfind('.').map_or("", |dot| &self.0[dot..])
    }
}

pub(super) fn invalid() -> Error {
    Error::new(ErrorCode::InvalidArgument, "Invalid filename")
}

impl AsRef<str> for Filename {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Filename {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_mean_another_file_is_refused() {
        for name in [
            "", ".", "..", ".hidden", "a/b", "../x", "..\\x", "a\0b", "a\nb", "\u{85}",
        ] {
            assert!(Filename::new(name.to_owned()).is_err(), "{name:?}");
        }
        assert!(Filename::new("ü".repeat(127)).is_ok());
        assert!(Filename::new("ü".repeat(128)).is_err());
    }

    #[test]
    fn an_extension_starts_at_the_last_dot() {
        for (name, extension) in [("a.webm", ".webm"), ("a.tar.gz", ".gz"), ("a", "")] {
            assert_eq!(
                Filename::new(name.to_owned()).unwrap().extension(),
                extension
            );
        }
    }
}
