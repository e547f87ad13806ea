//! What the compiler says of a function that does not have the signature of its trigger.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::codegen::{ASK, GREET, NOTE, SWEEP, Workspace};

const RAW: &str = "(_: Context, _: Request) -> Result<Response> { Ok(Response) }";
const JSON: &str = "(_: Context, input: String) -> Result<String> { Ok(input) }";
const OBJECT: &str = "(_: Context, _: CloudEvent<StorageObjectData>) -> Result<()> { Ok(()) }";
const TEXT: &str = "(_: Context, _: CloudEvent<String>) -> Result<()> { Ok(()) }";

/// A folder for what is compiled, with the runtime in it.
fn folder(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("compiled_{test}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let stub = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/manifest/stub_runtime.rs"
    );
    let complaints = compile(&folder, "runtime", Path::new(stub));
    assert_eq!(complaints, "");
    folder
}

/// The errors and warnings of the compiler.
fn compile(folder: &Path, name: &str, file: &Path) -> String {
    let output = Command::new("rustc")
        .args([
            "--edition",
            "2024",
            "--crate-type",
            "lib",
            "--emit",
            "metadata",
        ])
        .args(["--crate-name", name, "--extern", "runtime=libruntime.rmeta"])
        .arg(file)
        .current_dir(folder)
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        output.status.success(),
        !complaints.contains("error"),
        "{complaints}"
    );
    complaints
}

/// The complaints about the entry's function, when its `handle` goes on so.
fn complaints(folder: &Path, entry: &str, handle: &str) -> String {
    let name = entry.split(['.', ']']).nth(1).unwrap();
    let code = Workspace::new("compiled", entry)
        .file(
            &format!("functions/{name}.rs"),
            &format!("use ::runtime::*;\npub async fn handle{handle}"),
        )
        .code();
    let file = folder.join("functions.rs");
    fs::write(&file, code).unwrap();
    compile(folder, "functions", &file)
}

#[test]
fn the_compiler_takes_the_signatures_of_a_trigger_and_names_them_for_any_other() {
    let folder = folder("signatures");
    for (entry, handle) in [
        (GREET, RAW),
        (GREET, JSON),
        (SWEEP, OBJECT),
        (NOTE, OBJECT),
        (NOTE, TEXT),
        (ASK, JSON),
    ] {
        assert_eq!(complaints(&folder, entry, handle), "", "{entry}{handle}");
    }

    let no_serde = "(_: Context, _: CloudEvent<u8>) -> Result<()> { Ok(()) }";
    let returns_text = "(_: Context, _: CloudEvent<String>) -> Result<u8> { Ok(0) }";
    let not_send = "(_: Context, _: CloudEvent<String>) -> Result<()> {\n\
        let shared = std::rc::Rc::new(0); std::future::ready(()).await; drop(shared); Ok(()) }";
    let no_event = "(_: Context) -> Result<()> { Ok(()) }";
    for (entry, handle, signature) in [
        (GREET, OBJECT, "request: Request) -> Result<Response>`"),
        (GREET, no_event, "input: In) -> Result<Out>`"),
        (ASK, RAW, "input: In) -> Result<Out>`"),
        (ASK, no_event, "input: In) -> Result<Out>`"),
        (SWEEP, RAW, "CloudEvent<StorageObjectData>) -> Result<()>`"),
        (SWEEP, TEXT, "CloudEvent<StorageObjectData>) -> Result<()>`"),
        (
            SWEEP,
            no_event,
            "CloudEvent<StorageObjectData>) -> Result<()>`",
        ),
        (NOTE, RAW, "CloudEvent<T>) -> Result<()>`"),
        (NOTE, no_serde, "CloudEvent<T>) -> Result<()>`"),
        (NOTE, returns_text, "CloudEvent<T>) -> Result<()>`"),
        (NOTE, not_send, "CloudEvent<T>) -> Result<()>`"),
        (NOTE, no_event, "CloudEvent<T>) -> Result<()>`"),
    ] {
        let complaints = complaints(&folder, entry, handle);
        let first = complaints.lines().next().unwrap_or_default();
        assert!(
            first.starts_with("error[E0277]: manifest.toml:12: [functions."),
            "{complaints}"
        );
        assert!(complaints.contains(signature), "{complaints}");
    }
}
