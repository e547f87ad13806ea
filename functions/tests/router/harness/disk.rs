//! What lies on the disk, seen from outside.

use std::path::Path;

/// Every file below `folder` by its relative path, sorted; the databases' own files left out.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    collect(folder, "", &mut found);
    found.retain(|path| !path.contains(".sqlite3"));
    found.sort();
    found
}

/// The files of uploads that are not finished.
pub(crate) fn staged(folder: &Path) -> Vec<String> {
    let mut found = files(folder);
    found.retain(|path| path.split('/').any(|name| name == ".staging"));
    found
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    // A folder may go while it is being looked at.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => collect(&entry.path(), &format!("{path}/"), found),
            _ => found.push(path),
        }
    }
}
