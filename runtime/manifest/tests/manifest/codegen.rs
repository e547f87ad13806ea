//! The code that a build script gets for a package of functions.

use std::fs;
use std::path::PathBuf;

use manifest::codegen::{Generated, functions_rs};

use crate::HEAD;

pub(crate) const GREET: &str = "[functions.greet]\nhttp = {}\nauth = \"required\"\n";
pub(crate) const SWEEP: &str =
    "[functions.sweep]\nstorage = { bucket = \"chunks\", event = \"finalized\" }\n";
pub(crate) const NOTE: &str = "[functions.note]\nevent = {}\nauth = \"required\"\n";
pub(crate) const ASK: &str = "[functions.ask]\ncallable = {}\nauth = \"required\"\n";
const HANDLE: &str =
    "pub async fn handle(context: Context, request: Request) -> Result<Response> {}";

/// A workspace with one package, `functions`; each test has its own.
pub(crate) struct Workspace(PathBuf);

impl Workspace {
    pub(crate) fn new(test: &str, entries: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("functions")).unwrap();
        let workspace = Self(folder);
        workspace.file("manifest.toml", &format!("{HEAD}{entries}"))
    }

    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn generate(&self) -> Generated {
        functions_rs(&self.0.join("functions"))
    }

    /// The generated code, which has no error in it.
    pub(crate) fn code(&self) -> String {
        let code = self.generate().code;
        assert!(!code.contains("compile_error!"), "{code}");
        code
    }

    /// The text of the compile error.
    fn error(&self) -> String {
        let code = self.generate().code;
        let (_, error) = code
            .split_once("compile_error!(")
            .unwrap_or_else(|| panic!("{code}"));
        assert!(
            code.contains("pub fn registry() -> ::runtime::Registry"),
            "{code}"
        );
        error
            .split(");\n")
            .next()
            .unwrap()
            .replace("\\n", "\n")
            .replace("\\\"", "\"")
    }
}

#[test]
fn every_entry_becomes_a_module_and_a_registration() {
    let workspace = Workspace::new("entries", &format!("{GREET}{SWEEP}{NOTE}{ASK}"))
        .file("functions/ask.rs", HANDLE)
        .file("functions/greet.rs", HANDLE)
        .file("functions/note.rs", HANDLE)
        .file("functions/sweep/mod.rs", HANDLE)
        .file("functions/sweep/parts.rs", "");
    let code = workspace.code();
    for part in [
        "functions/greet.rs\"]\npub mod greet;",
        "functions/sweep/mod.rs\"]\npub mod sweep;",
        "manifest.toml:12: [functions.greet] has the trigger `http`, but `handle` in functions/greet.rs",
        "impl<Shape, F: ::runtime::HttpFunction<Shape>> greet<(Shape,)> for F",
        "impl<F: ::runtime::EventFunction<::runtime::StorageObjectData>> sweep<(::runtime::StorageObjectData,)> for F",
        "impl<Shape, F: ::runtime::CallableFunction<Shape>> ask<(Shape,)> for F",
        "impl<Data, F: ::runtime::EventFunction<Data>> note<(Data,)> for F",
        ".function(\"note\", note::function(self::note::handle))",
        ".function(\"greet\", greet::function(self::greet::handle))",
        "manifest.toml\"),",
        "postgres: &[],",
    ] {
        assert!(code.contains(part), "no {part} in {code}");
    }
}

#[test]
fn each_trigger_names_its_own_signatures() {
    let code = Workspace::new("signatures", &format!("{GREET}{SWEEP}{NOTE}{ASK}"))
        .file("functions/greet.rs", HANDLE)
        .file("functions/sweep.rs", HANDLE)
        .file("functions/note.rs", HANDLE)
        .file("functions/ask.rs", HANDLE)
        .code();
    let signatures: Vec<&str> = code
        .lines()
        .filter_map(|line| line.trim().strip_prefix("note = \"")?.strip_suffix("\","))
        .filter(|note| note.contains("pub async fn"))
        .collect();
    assert_eq!(
        signatures,
        [
            "write `pub async fn handle(context: Context, request: Request) -> Result<Response>`",
            "or, with types of serde, `pub async fn handle(context: Context, input: In) -> Result<Out>`",
            "write `pub async fn handle(context: Context, event: CloudEvent<StorageObjectData>) -> Result<()>`",
            "write, with a type of serde for `T`, `pub async fn handle(context: Context, event: CloudEvent<T>) -> Result<()>`",
            "write, with types of serde, `pub async fn handle(context: Context, input: In) -> Result<Out>`",
        ]
    );
}

#[test]
fn a_manifest_of_the_package_hides_the_one_of_the_workspace() {
    let own = format!("{HEAD}{NOTE}");
    let workspace = Workspace::new("own_manifest", &format!("{GREET}{SWEEP}"))
        .file("functions/manifest.toml", &own)
        .file("functions/lib.rs", "mod words;")
        .file("functions/words.rs", "")
        .file("functions/note.rs", HANDLE);
    let code = workspace.code();
    assert!(
        code.contains(
            "manifest.toml:12: [functions.note] has the trigger `event`, but `handle` in note.rs"
        ),
        "{code}"
    );
    assert!(!code.contains("greet") && !code.contains("sweep"), "{code}");
    let included = format!(
        "include_str!({:?})",
        workspace.0.join("functions/manifest.toml")
    );
    assert!(code.contains(&included), "{code}");
    let watched = workspace.generate().watched;
    let expected = ["functions/manifest.toml", "functions"];
    assert_eq!(watched, expected.map(|path| workspace.0.join(path)));
}

#[test]
fn migrations_are_compiled_in_by_name() {
    let workspace = Workspace::new("migrations", "")
        .file("functions/migrations/postgres/0002_b.sql", "")
        .file("functions/migrations/postgres/0001_a.sql", "")
        .file("functions/migrations/postgres/README.md", "")
        .file("functions/migrations/sqlite/0001_a.sql", "");
    let code = workspace.code();
    let place = |part: &str| {
        code.find(part)
            .unwrap_or_else(|| panic!("no {part} in {code}"))
    };
    assert!(place("postgres: &[(\"0001_a.sql\", include_str!(") < place("(\"0002_b.sql\""));
    assert!(place("(\"0002_b.sql\"") < place("sqlite: &[(\"0001_a.sql\""));
    assert!(!code.contains("README"));
}

#[test]
fn a_package_may_have_its_functions_in_src() {
    let workspace = Workspace::new("src", GREET)
        .file("functions/src/lib.rs", "")
        .file("functions/src/greet.rs", HANDLE)
        .file("functions/migrations/sqlite/0001_a.sql", "");
    assert!(
        workspace
            .code()
            .contains("functions/src/greet.rs\"]\npub mod greet;")
    );
    let watched = workspace.generate().watched;
    let expected = ["manifest.toml", "functions/src", "functions/migrations"];
    assert_eq!(watched, expected.map(|path| workspace.0.join(path)));
}

#[test]
fn modules_that_functions_share_are_declared_by_hand() {
    let workspace = Workspace::new("shared", GREET)
        .file("functions/lib.rs", "mod tables;\npub(crate) mod words;\n")
        .file("functions/main.rs", "fn main() {}")
        .file("functions/build.rs", "fn main() {}")
        .file("functions/tables/mod.rs", "")
        .file("functions/words.rs", "")
        .file("functions/tests/router/main.rs", "")
        .file("functions/greet.rs", HANDLE);
    workspace.code();
}

#[test]
fn an_entry_without_a_file_is_a_compile_error() {
    let error = Workspace::new("no_file", GREET).error();
    assert!(error.contains("error[E002]: [functions.greet] has no file: there is neither functions/greet.rs nor functions/greet/mod.rs"), "{error}");
    assert!(error.contains("--> manifest.toml:12:12"), "{error}");
}

#[test]
fn a_file_without_an_entry_is_a_compile_error_with_the_entry_to_paste() {
    let error = Workspace::new("no_entry", GREET)
        .file("functions/greet.rs", HANDLE)
        .file("functions/stray.rs", HANDLE)
        .error();
    assert!(
        error.contains("error[E003]: functions/stray.rs has no entry in manifest.toml"),
        "{error}"
    );
    assert!(error.contains("[functions.stray]"), "{error}");
    assert!(error.contains("--> manifest.toml:14:"), "{error}");
    assert!(!error.contains("E002"), "{error}");
}

#[test]
fn a_file_without_handle_is_a_compile_error() {
    for (entry, signature) in [
        (
            GREET,
            "(context: Context, request: Request) -> Result<Response>",
        ),
        (SWEEP, "event: CloudEvent<StorageObjectData>) -> Result<()>"),
        (NOTE, "event: CloudEvent<T>) -> Result<()>"),
        (ASK, "(context: Context, input: In) -> Result<Out>"),
    ] {
        let name = entry.split(['.', ']']).nth(1).unwrap();
        let error = Workspace::new("handles", entry)
            .file(&format!("functions/{name}.rs"), "")
            .error();
        assert!(error.contains(signature), "{error}");
    }
    for (test, text, words) in [
        (
            "no_handle",
            "",
            "functions/greet.rs has no function `handle`",
        ),
        (
            "private_handle",
            "async fn handle() {}",
            "`handle` in functions/greet.rs is not public",
        ),
    ] {
        let error = Workspace::new(test, GREET)
            .file("functions/greet.rs", text)
            .error();
        assert!(error.contains(&format!("error[E029]: {words}")), "{error}");
        assert!(error.contains("--> manifest.toml:12:12"), "{error}");
    }
}

#[test]
fn faults_of_the_manifest_are_a_compile_error_and_nothing_else_is() {
    let workspace = Workspace::new("manifest_faults", &format!("{GREET}timout = \"1s\"\n"))
        .file("functions/greet.rs", HANDLE);
    let error = workspace.error();
    assert!(
        error.contains("error[E001]: unknown key `timout`"),
        "{error}"
    );
    assert!(error.contains("--> manifest.toml:15:1"), "{error}");
    assert!(workspace.generate().code.contains("self::greet::handle"));

    let broken = Workspace::new("not_toml", "[functions.greet")
        .file("functions/greet.rs", HANDLE)
        .error();
    assert!(
        broken.contains("error[E021]") && !broken.contains("E003"),
        "{broken}"
    );
}

#[test]
fn a_module_of_lib_rs_cannot_be_a_function_too() {
    let error = Workspace::new("declared", GREET)
        .file("functions/lib.rs", "mod greet;")
        .file("functions/greet.rs", HANDLE)
        .error();
    assert!(error.contains("`greet` is declared by hand"), "{error}");
}

#[test]
fn warnings_do_not_stop_a_build() {
    Workspace::new(
        "warnings",
        "[functions.greet]\nhttp = {}\nauth = \"none\"\n",
    )
    .file("functions/greet.rs", HANDLE)
    .code();
}

#[test]
fn without_a_manifest_the_compile_error_says_so() {
    let folder = PathBuf::from("/nowhere/at/all");
    let code = functions_rs(&folder).code;
    assert!(
        code.contains("there is no manifest.toml in /nowhere/at/all or above it"),
        "{code}"
    );
    assert!(code.contains("pub fn registry()"), "{code}");
}
