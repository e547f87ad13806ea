//! The hosting folder: from the path of a URL to an open file, or to nothing.
//!
//! Every step names one entry of an open folder and follows no link, so that no path leads out of it.
//! A name that starts with a dot is not shown, however it is written.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::SystemTime;

use percent_encoding::percent_decode_str;

use crate::storage::{Entry, Folder};

/// What a folder shows.
const INDEX: &str = "index.html";
/// Bytes of a name, on every file system that a container has.
const LONGEST_NAME: usize = 255;

pub(super) struct Files {
    root: Folder,
}

/// An open file.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) file: File,
    pub(super) size: u64,
    pub(super) modified: SystemTime,
    /// With its quotes.
    pub(super) etag: String,
    /// Without its folders.
    pub(super) name: String,
}

impl Files {
    /// # Errors
    /// When it is not a folder.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        if !std::fs::metadata(folder)?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        Ok(Self {
            root: Folder::open(folder)?,
        })
    }

    /// The file that a path names, percent-encoded as in a URL, or the index of the folder.
    pub(super) fn find(&self, path: &str) -> io::Result<Option<Found>> {
        let Some(names) = names(path) else {
            return Ok(None);
        };
        let mut folder: Option<Folder> = None;
        let mut names = names.iter().map(String::as_str).peekable();
        while let Some(name) = names.next() {
            let here = folder.as_ref().unwrap_or(&self.root);
            match here.entry(name)? {
                Entry::Folder => match here.open_folder(name)? {
                    Some(found) => folder = Some(found),
                    None => return Ok(None),
                },
                Entry::File if names.peek().is_none() && !path.ends_with('/') => {
                    return open(here, name);
                }
                Entry::File | Entry::Absent | Entry::Foreign => return Ok(None),
            }
        }
        open(folder.as_ref().unwrap_or(&self.root), INDEX)
    }
}

/// The names of a path, decoded; `None` when one of them names nothing that is shown.
fn names(path: &str) -> Option<Vec<String>> {
    path.split('/')
        .filter(|name| !name.is_empty())
        .map(|name| {
            let name = percent_decode_str(name).decode_utf8().ok()?;
            let shown = !name.starts_with('.')
                && name.len() <= LONGEST_NAME
                && !name.contains(|c: char| matches!(c, '/' | '\\') || c.is_control());
            shown.then(|| name.into_owned())
        })
        .collect()
}

fn open(folder: &Folder, name: &str) -> io::Result<Option<Found>> {
    if folder.entry(name)? != Entry::File {
        return Ok(None);
    }
    let Some(file) = folder.open_file(name)? else {
        return Ok(None);
    };
    let metadata = file.metadata()?;
    Ok(Some(Found {
        size: metadata.size(),
        modified: metadata.modified()?,
        // A build may give every file one date; when the system noticed a change, nobody can forge.
        etag: format!(
            "\"{:x}-{:x}.{:x}-{:x}.{:x}\"",
            metadata.size(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec()
        ),
        name: name.to_owned(),
        file,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_names_or_nowhere() {
        for (path, expected) in [
            ("/", Some(vec![])),
            ("/a/b.js", Some(vec!["a", "b.js"])),
            ("//a//b/", Some(vec!["a", "b"])),
            ("/a%20b/%C3%BC", Some(vec!["a b", "ü"])),
            ("/a%2520", Some(vec!["a%20"])),
            ("/..", None),
            ("/a/../b", None),
            ("/a/%2e%2e/b", None),
            ("/%2e%2e%2fetc", None),
            ("/a%2fb", None),
            ("/a%5Cb", None),
            ("/a%00", None),
            ("/a%0A", None),
            ("/.env", None),
            ("/a/.git/config", None),
            ("/%2eenv", None),
            ("/%ff", None),
        ] {
            let names = names(path);
            let names = names.as_ref().map(|names| {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                names
            });
            assert_eq!(names, expected, "{path}");
        }
        assert_eq!(names(&format!("/{}", "a".repeat(256))), None);
        assert!(names(&format!("/{}", "a".repeat(255))).is_some());
    }

    #[test]
    fn a_changed_file_of_the_same_size_and_date_has_another_etag() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        let date = SystemTime::UNIX_EPOCH;
        let write = |text: &str| {
            std::fs::write(&path, text).unwrap();
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_modified(date)
                .unwrap();
        };
        let files = Files::open(folder.path()).unwrap();
        let etag = || files.find("/a.txt").unwrap().unwrap().etag;
        write("one");
        let first = etag();
        assert_eq!(first, etag());
        // The system's clock of changes is coarse: it moves on within a few ticks.
        let mut changed = first.clone();
        while changed == first {
            write("two");
            changed = etag();
        }
        assert_ne!(first, changed);
    }
}
