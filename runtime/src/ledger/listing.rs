//! Objects in the order of their names' bytes, and the folders that names with a delimiter make.

use rusqlite::{Connection, named_params};

use super::object_row::object_of;
use super::{Ledger, Object};
use crate::database::sqlite::SqliteError;

/// One page of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Folders, each with its delimiter at the end.
    pub prefixes: Vec<String>,
    pub objects: Vec<Object>,
    /// Where the next page starts; `None`: this was the last.
    pub next: Option<String>,
}

impl Ledger {
    /// Objects whose names start with `prefix`, by the bytes of their names, after `start_after`.
    pub(crate) async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        start_after: &str,
        limit: usize,
    ) -> Result<Vec<Object>, SqliteError> {
        let (bucket, prefix, start_after) =
            (bucket.to_owned(), prefix.to_owned(), start_after.to_owned());
        self.sqlite
            .read(move |connection| {
                let mut statement = connection.prepare_cached(LIST)?;
                let rows = statement.query_map(
                    named_params! {
                        ":bucket": bucket,
                        ":prefix": prefix,
                        ":start_after": start_after,
                        ":limit": i64::try_from(limit).unwrap_or(i64::MAX),
                    },
                    object_of,
                )?;
                // Names with a common prefix are neighbours: the first that lacks it is the end.
                rows.take_while(|row| {
                    row.as_ref()
                        .map_or(true, |object| object.name.as_str().starts_with(&prefix))
                })
                .collect()
            })
            .await
    }

    /// One page of a folder, as [`Bucket::list_folder`](crate::Bucket::list_folder) says.
    pub(crate) async fn list_folder(
        &self,
        bucket: &str,
        prefix: &str,
        delimiter: Option<char>,
        start_after: &str,
        limit: usize,
    ) -> Result<Listing, SqliteError> {
        let mut page = Page {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            delimiter,
            limit,
            listing: Listing::default(),
        };
        let from = page.start(start_after);
        self.sqlite
            .read(move |connection| {
                let mut from = from;
                while let Some(next) = from {
                    from = page.read(connection, &next)?;
                }
                Ok(page.listing)
            })
            .await
    }
}

const LIST: &str = "SELECT * FROM objects
    WHERE bucket = :bucket AND name >= max(:prefix, :start_after) AND name <> :start_after
    ORDER BY name LIMIT :limit";

const FROM: &str = "SELECT * FROM objects
    WHERE bucket = :bucket AND name >= :from ORDER BY name";

/// A page that is being filled.
struct Page {
    bucket: String,
    prefix: String,
    delimiter: Option<char>,
    limit: usize,
    listing: Listing,
}

impl Page {
    /// The least name that may be on this page.
    fn start(&self, start_after: &str) -> Option<String> {
        let after = match self.folder(start_after) {
            Some(folder) => beyond(folder)?,
            // Between a text and itself with this character behind it there is no other.
            None => format!("{start_after}\0"),
        };
        let after = if start_after.is_empty() {
            String::new()
        } else {
            after
        };
        Some(after.max(self.prefix.clone()))
    }

    /// The name up to the first delimiter behind the prefix.
    fn folder<'a>(&self, name: &'a str) -> Option<&'a str> {
        let rest = name.strip_prefix(&self.prefix)?;
        let delimiter = self.delimiter?;
        let at = rest.find(delimiter)? + delimiter.len_utf8();
        Some(&name[..self.prefix.len() + at])
    }

    /// Reads on from the name `from`. A folder ends it: returns the name behind the folder, so that
    /// what is in there is never read. `None`: the page is done.
    fn read(&mut self, connection: &Connection, from: &str) -> rusqlite::Result<Option<String>> {
        let mut statement = connection.prepare_cached(FROM)?;
        let mut rows = statement.query(named_params! { ":bucket": self.bucket, ":from": from })?;
        while let Some(row) = rows.next()? {
            let name = row.get_ref("name")?.as_str()?;
            if !name.starts_with(&self.prefix) {
                return Ok(None);
            }
            let folder = self.folder(name).map(str::to_owned);
            let is_shown = match &folder {
                Some(folder) => is_shown(folder.strip_suffix('/').unwrap_or(folder)),
                None => is_shown(name),
            };
            if is_shown {
                if self.listing.prefixes.len() + self.listing.objects.len() == self.limit {
                    self.listing.next = self.last();
                    return Ok(None);
                }
                match &folder {
                    Some(folder) => self.listing.prefixes.push(folder.clone()),
                    None => self.listing.objects.push(object_of(row)?),
                }
            }
            if let Some(folder) = folder {
                return Ok(beyond(&folder));
            }
        }
        Ok(None)
    }

    fn last(&self) -> Option<String> {
        let prefix = self.listing.prefixes.last().map(String::as_str);
        let object = self.listing.objects.last().map(|it| it.name.as_str());
        prefix.max(object).map(str::to_owned)
    }
}

/// Firebase's clients show no name with an empty segment; one leading slash is none.
fn is_shown(name: &str) -> bool {
    let name = name.strip_prefix('/').unwrap_or(name);
    name.split('/').all(|segment| !segment.is_empty())
}

/// The least text that is greater than every text that starts with `prefix`; `None`: none is.
fn beyond(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            text.push(next);
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_lies_between_a_folder_and_what_is_beyond_it() {
        for (prefix, next) in [
            ("a/", Some("a0")),
            ("é", Some("ê")),
            ("a\u{d7ff}", Some("a\u{e000}")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}\u{10ffff}", None),
            ("", None),
        ] {
            assert_eq!(beyond(prefix).as_deref(), next, "{prefix:?}");
        }
    }

    /// The backend's rule, as far as its emulator shows it.
    #[test]
    fn a_name_with_an_empty_segment_is_hidden() {
        for (name, shown) in [
            ("a", true),
            ("a/b", true),
            ("/a", true),
            ("/a/b", true),
            ("", false),
            ("/", false),
            ("a/", false),
            ("a//b", false),
            ("//a", false),
            ("/a/", false),
        ] {
            assert_eq!(is_shown(name), shown, "{name:?}");
        }
    }

    #[test]
    fn what_is_in_a_folder_is_jumped_over() {
        let connection = Connection::open_in_memory().unwrap();
        let names = "CREATE TABLE objects (bucket TEXT, name TEXT, PRIMARY KEY (bucket, name));
            INSERT INTO objects VALUES ('b', 'a/1'), ('b', 'a/2'), ('b', 'a0'), ('c', 'a00')";
        connection.execute_batch(names).unwrap();
        let mut page = Page {
            bucket: "b".to_owned(),
            prefix: String::new(),
            delimiter: Some('/'),
            limit: 1,
            listing: Listing::default(),
        };
        let from = page.read(&connection, "").unwrap();
        assert_eq!(from.as_deref(), Some("a0"));
        assert_eq!(page.read(&connection, "a0").unwrap(), None);
        assert_eq!(page.listing.prefixes, ["a/"]);
        assert_eq!(page.listing.next.as_deref(), Some("a/"));
    }
}
