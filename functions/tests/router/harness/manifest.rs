//! Copies of the product's manifest.toml with other limits.

use std::path::PathBuf;

/// The root of the workspace, where manifest.toml and render.yaml lie.
pub(crate) fn root() -> PathBuf {
    let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("a workspace").to_owned()
}

pub(crate) fn text() -> String {
    std::fs::read_to_string(root().join("manifest.toml")).expect("manifest.toml")
}

/// Writes `key = value` into `[section]`, over the line that says it now.
///
/// # Panics
/// When the section does not exist.
pub(crate) fn set(manifest: &str, section: &str, key: &str, value: &str) -> String {
    let mut lines: Vec<String> = manifest.lines().map(str::to_owned).collect();
    let header = format!("[{section}]");
    let start = lines
        .iter()
        .position(|line| {
            line.split('#')
                .next()
                .is_some_and(|line| line.trim() == header)
        })
        .unwrap_or_else(|| panic!("no {header} in manifest.toml"));
    let length = lines[start + 1..]
        .iter()
        .position(|line| line.starts_with('['))
        .unwrap_or(lines.len() - start - 1);
    let assigns = |line: &String| {
        line.split_once('=')
            .is_some_and(|(name, _)| name.trim() == key)
    };
    let assignment = format!("{key} = {value}");
    match (start + 1..=start + length).find(|&at| assigns(&lines[at])) {
        Some(at) => lines[at] = assignment,
        None => lines.insert(start + 1, assignment),
    }
    lines.join("\n") + "\n"
}
