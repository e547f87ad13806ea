//! What the README promises to a developer: a function is one file and one entry in manifest.toml,
//! and whoever forgets one of them, or gives it another signature, is told in plain words where.
//!
//! Each test builds a copy of this workspace with a change in it. The copy stays below `target/`, and
//! its dependencies are those that were built there already.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

const GREET: &str = r#"//! Greets whoever asks.

use runtime::{Context, Request, Response, Result, StatusCode, typed};

pub async fn handle(_context: Context, _request: Request) -> Result<Response> {
    Ok(typed(StatusCode::OK, "text/plain; charset=utf-8", "Hello from a new function."))
}
"#;

const ENTRY: &str = "\n[functions.greet]\nhttp = {}\nauth = \"none\"\npublic = true\n";

#[test]
#[ignore = "builds the workspace again"]
fn a_file_and_an_entry_are_a_function() {
    let workspace = Workspace::copy();
    workspace.write("functions/greet.rs", GREET);
    workspace.add_entry();
    let built = workspace.build();
    assert!(built.status.success(), "{}", text(&built.stderr));

    let router = Router::start(&workspace);
    for path in ["/greet", "/holograms-media/europe-west1/greet"] {
        let answer = router.get(path);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.ends_with("Hello from a new function."), "{answer}");
    }
    let answer = router.get("/hello_world");
    assert!(
        answer.starts_with("HTTP/1.1 200 "),
        "the others still run: {answer}"
    );
}

#[test]
#[ignore = "builds the workspace again"]
fn an_entry_without_a_file_is_told_which_file_is_missing() {
    let workspace = Workspace::copy();
    let line = workspace.add_entry();
    workspace.must_not_build(&[
        &format!("--> manifest.toml:{line}:"),
        "[functions.greet] has no file: there is neither functions/greet.rs nor functions/greet/mod.rs",
    ]);
}

#[test]
#[ignore = "builds the workspace again"]
fn a_file_without_an_entry_is_told_which_entry_to_paste() {
    let workspace = Workspace::copy();
    workspace.write("functions/greet.rs", GREET);
    workspace.must_not_build(&[
        "functions/greet.rs has no entry in manifest.toml",
        &format!(
            "--> manifest.toml:{}:",
            workspace.manifest().trim_end().lines().count()
        ),
        "[functions.greet]",
        "http = {}",
    ]);
}

#[test]
#[ignore = "builds the workspace again"]
fn another_signature_is_told_which_one_to_write() {
    for handle in [
        "pub async fn handle(_request: Request, _context: Context) -> Result<Response> { todo() }",
        "pub fn handle(_context: Context, _request: Request) -> Result<Response> { todo() }",
        "pub async fn handle(_context: Context, _request: Request) -> Response { todo() }",
    ] {
        let workspace = Workspace::copy();
        let file =
            format!("use runtime::*;\nfn todo<T>() -> T {{ std::process::abort() }}\n{handle}\n");
        workspace.write("functions/greet.rs", &file);
        let line = workspace.add_entry();
        workspace.must_not_build(&[
            &format!(
                "manifest.toml:{line}: [functions.greet] has the trigger `http`, but `handle` in \
                 functions/greet.rs has another signature"
            ),
            "write `pub async fn handle(context: Context, request: Request) -> Result<Response>`",
        ]);
    }
}

/// The one copy of the workspace, as it is here; one test at a time has it.
struct Workspace {
    folder: PathBuf,
    /// Where its binary ends up, and where everything between is built.
    target: PathBuf,
    build: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl Workspace {
    fn copy() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        // A test that failed leaves nothing behind that the next one does not put right.
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let build = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let target = build.join("adding_a_function");
        let folder = target.join("workspace");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        mirror(source, &folder);
        Self {
            folder,
            build: build.to_owned(),
            target,
            _alone: alone,
        }
    }

    fn write(&self, path: &str, text: &str) {
        write_if_other(&self.folder.join(path), text.as_bytes());
    }

    fn manifest(&self) -> String {
        fs::read_to_string(self.folder.join("manifest.toml")).unwrap()
    }

    /// The line of `[functions.greet]`.
    fn add_entry(&self) -> usize {
        let manifest = self.manifest() + ENTRY;
        self.write("manifest.toml", &manifest);
        let line = manifest
            .lines()
            .position(|line| line == "[functions.greet]");
        line.unwrap() + 1
    }

    fn build(&self) -> Output {
        Command::new(env!("CARGO"))
            .args(["build", "--offline", "--color=never", "--package=functions"])
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_BUILD_BUILD_DIR", &self.build)
            .current_dir(&self.folder)
            .output()
            .unwrap()
    }

    #[track_caller]
    fn must_not_build(&self, words: &[&str]) {
        let built = self.build();
        let report = text(&built.stderr);
        assert!(!built.status.success(), "{report}");
        for words in words {
            assert!(report.contains(words), "no {words:?} in {report}");
        }
    }
}

/// Makes `copy` what git knows of `source`, or would take. What is the same already keeps its time
/// of change: cargo goes by that.
fn mirror(source: &Path, copy: &Path) {
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(source)
        .output()
        .unwrap();
    assert!(listed.status.success(), "{}", text(&listed.stderr));
    let files: BTreeSet<PathBuf> = text(&listed.stdout)
        .split_terminator('\0')
        .map(PathBuf::from)
        .filter(|file| source.join(file).is_file())
        .collect();
    for file in &files {
        write_if_other(&copy.join(file), &fs::read(source.join(file)).unwrap());
    }
    remove_others(copy, copy, &files);
}

fn write_if_other(path: &Path, bytes: &[u8]) {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return;
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn remove_others(copy: &Path, folder: &Path, files: &BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            remove_others(copy, &path, files);
        } else if !files.contains(path.strip_prefix(copy).unwrap()) {
            fs::remove_file(&path).unwrap();
        }
    }
}

/// The binary that was built, with nothing in its environment but what it needs; killed at the end.
struct Router {
    process: Child,
    address: String,
    _disk: tempfile::TempDir,
}

impl Router {
    fn start(workspace: &Workspace) -> Self {
        let disk = tempfile::tempdir().unwrap();
        let mut process = Command::new(workspace.target.join("debug/router"))
            .arg("serve")
            .current_dir(&workspace.folder)
            .env_clear()
            .env("HOST", "127.0.0.1")
            .env("PORT", "0")
            .env("RENDER_DISK_BASE_PATH", disk.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut log = String::new();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            log.push_str(&line);
            log.push('\n');
            let (_, rest) = line.split_once("listening on http://")?;
            let is_address = |c: char| c.is_ascii_digit() || matches!(c, '.' | ':');
            Some(
                rest.chars()
                    .take_while(|c| is_address(*c))
                    .collect::<String>(),
            )
        });
        let Some(address) = address else {
            let status = process.wait();
            panic!("it ended with {status:?} and did not listen:\n{log}");
        };
        // A full pipe would stop it.
        thread::spawn(move || lines.for_each(drop));
        Self {
            process,
            address,
            _disk: disk,
        }
    }

    /// The whole answer, head and body.
    fn get(&self, path: &str) -> String {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        let address = &self.address;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
