//! What lies in the folder of a package that holds functions.

use std::fs;
use std::path::{Path, PathBuf};

const MANIFEST: &str = "manifest.toml";

/// Files that are no modules of the library.
const ROOTS: [&str; 3] = ["build", "lib", "main"];

pub(super) struct Package {
    /// Where functions are.
    folder: PathBuf,
    migrations: PathBuf,
    pub(super) manifest: PathBuf,
    pub(super) manifest_text: String,
    /// The modules that lib.rs and main.rs declare themselves.
    pub(super) declared: Vec<String>,
}

/// What a file says of `handle`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Handle {
    Public,
    Private,
    Missing,
}

impl Package {
    /// # Errors
    /// In plain words, when there is no readable manifest in the folder or in one above it.
    pub(super) fn find(package: &Path) -> Result<Self, String> {
        // The package itself is the first of them: a manifest of its own hides one of the workspace.
        let manifest = package
            .ancestors()
            .map(|folder| folder.join(MANIFEST))
            .find(|file| file.is_file())
            .ok_or_else(|| {
                format!(
                    "there is no {MANIFEST} in {} or above it",
                    package.display()
                )
            })?;
        let manifest_text = fs::read_to_string(&manifest)
            .map_err(|error| format!("cannot read {}: {error}", manifest.display()))?;
        let source = package.join("src");
        let folder = if source.is_dir() {
            source
        } else {
            package.to_owned()
        };
        let roots = ["lib.rs", "main.rs"].map(|root| fs::read_to_string(folder.join(root)));
        Ok(Self {
            declared: roots
                .iter()
                .flatten()
                .flat_map(|text| declared(text))
                .collect(),
            migrations: package.join("migrations"),
            folder,
            manifest,
            manifest_text,
        })
    }

    /// The path as a reader of the repository knows it: from the folder of the manifest on.
    pub(super) fn shown(&self, path: &Path) -> String {
        let base = self.manifest.parent().unwrap_or(&self.manifest);
        path.strip_prefix(base)
            .unwrap_or(path)
            .display()
            .to_string()
    }

    /// The files that a function of this name may be in.
    pub(super) fn candidates(&self, name: &str) -> [PathBuf; 2] {
        [
            self.folder.join(format!("{name}.rs")),
            self.folder.join(name).join("mod.rs"),
        ]
    }

    /// The files that could be functions, with their module names.
    pub(super) fn modules(&self) -> Vec<(String, PathBuf)> {
        let mut modules: Vec<(String, PathBuf)> = entries(&self.folder)
            .filter_map(|path| {
                let name = path.file_stem()?.to_str()?.to_owned();
                if path.is_dir() {
                    let file = path.join("mod.rs");
                    return file.is_file().then_some((name, file));
                }
                let is_module = path.extension()? == "rs" && !ROOTS.contains(&name.as_str());
                is_module.then_some((name, path))
            })
            .collect();
        modules.sort();
        modules
    }

    /// The SQL files of one dialect, in the order of their names.
    pub(super) fn migrations(&self, dialect: &str) -> Vec<(String, PathBuf)> {
        let mut files: Vec<(String, PathBuf)> = entries(&self.migrations.join(dialect))
            .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
            .filter_map(|path| Some((path.file_name()?.to_str()?.to_owned(), path)))
            .collect();
        files.sort();
        files
    }

    /// A folder is watched with all that is below it, so a new file in it counts.
    pub(super) fn watched(&self) -> Vec<PathBuf> {
        let mut watched = vec![self.manifest.clone(), self.folder.clone()];
        // Cargo would run the build script every time for a folder that is not there.
        if !self.migrations.starts_with(&self.folder) && self.migrations.is_dir() {
            watched.push(self.migrations.clone());
        }
        watched
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

/// The names in `mod name;`, whatever its visibility.
fn declared(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| {
            let (before, name) = line.trim().strip_suffix(';')?.rsplit_once("mod ")?;
            let is_visibility = before.is_empty() || before.starts_with("pub");
            is_visibility.then(|| name.trim().to_owned())
        })
        .collect()
}

/// Looks for `fn handle`, or for a `pub use` of it. A look at the text is enough: the compiler checks
/// the rest, and this only words what it would say with the name of the generated file.
pub(super) fn handle(file: &Path) -> Handle {
    fs::read_to_string(file).map_or(Handle::Missing, |text| handle_in(&text))
}

fn handle_in(text: &str) -> Handle {
    let code: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(str::split_whitespace)
        .collect();
    let code = code.join(" ");
    let mut statements = code.split([';', '{', '}', ']']);
    if statements.clone().any(reexports) || imports_a_group(&code) {
        return Handle::Public;
    }
    match statements.find_map(definition) {
        Some(true) => Handle::Public,
        Some(false) => Handle::Private,
        None => Handle::Missing,
    }
}

/// Whether the statement defines `handle`, and publicly.
fn definition(statement: &str) -> Option<bool> {
    let (before, after) = statement.split_once("fn handle")?;
    let is_whole_name = after.trim_start().starts_with(['(', '<']);
    is_whole_name.then(|| before.trim_start().starts_with("pub"))
}

/// `pub use call::handle`
fn reexports(statement: &str) -> bool {
    let statement = statement.trim();
    statement.starts_with("pub") && statement.contains("use ") && statement.ends_with("handle")
}

/// `pub use call::{handle, other};`
fn imports_a_group(code: &str) -> bool {
    code.split(';').any(|statement| {
        let names = statement
            .rsplit_once("pub use ")
            .or_else(|| statement.rsplit_once("pub(crate) use "));
        let Some((_, names)) = names else {
            return false;
        };
        names
            .split(['{', ',', '}'])
            .any(|name| name.trim() == "handle")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handle_is_found_in_the_text() {
        for (text, found) in [
            ("pub async fn handle(context: Context) {}", Handle::Public),
            (
                "pub(crate) async fn handle<T>(context: T) {}",
                Handle::Public,
            ),
            ("pub fn handle() {}", Handle::Public),
            ("#[allow(x)] pub async\n  fn handle(", Handle::Public),
            ("use a;\n  pub async fn handle(", Handle::Public),
            ("mod call;\npub use call::handle;", Handle::Public),
            ("pub use call::{\n    handle,\n};", Handle::Public),
            ("async fn handle(context: Context) {}", Handle::Private),
            (
                "// pub async fn handle(context: Context) {}",
                Handle::Missing,
            ),
            ("pub async fn handler() {}", Handle::Missing),
            ("use call::handle;", Handle::Missing),
            ("pub use call::run as handle;", Handle::Public),
            ("pub use call::{handle as run};", Handle::Missing),
            ("mod a { async fn handle() {} }", Handle::Private),
            ("", Handle::Missing),
        ] {
            assert_eq!(handle_in(text), found, "{text}");
        }
    }

    #[test]
    fn declared_modules_are_found_in_the_text() {
        let text =
            "mod tables;\npub(crate) mod words;\n// mod not;\nmod inline { }\n    mod deep;\n";
        assert_eq!(declared(text), ["tables", "words", "deep"]);
    }
}
