//! For the build script of a package that holds functions: manifest.toml becomes its module list and
//! its registry.
//!
//! The build script is `fn main() { manifest::codegen::generate() }`, and lib.rs has, at its root,
//! `include!(concat!(env!("OUT_DIR"), "/functions.rs"));`. A function `greet` is `greet.rs` or
//! `greet/mod.rs`, in `src/` when the package has one, else beside Cargo.toml. The manifest is the
//! nearest one: the package's own, else the one of a folder above it. SQL files in
//! `migrations/postgres/` and `migrations/sqlite/` are compiled in, in the order of their names.
//!
//! Whatever is wrong becomes a compile error that names the line of the manifest and the file; what
//! is right is generated all the same, so that no other error follows from the first.

mod package;
mod write;

use std::path::{Path, PathBuf};

use crate::fault::{Code, Fault, Faults, Severity};
use crate::read::{self, Outline, TriggerKind};
use crate::report;
use package::Package;
use write::{FunctionsFile, Registered};

/// What a build script writes and watches.
#[derive(Debug)]
pub struct Generated {
    /// The text of functions.rs.
    pub code: String,
    /// Files and folders after whose change it has to be made again.
    pub watched: Vec<PathBuf>,
}

/// Writes `OUT_DIR/functions.rs` for the package that is being built.
///
/// # Panics
/// Outside a build script, and when the file cannot be written.
pub fn generate() {
    let package = variable("CARGO_MANIFEST_DIR");
    let generated = functions_rs(&package);
    for path in &generated.watched {
        #[allow(clippy::print_stdout, reason = "how a build script talks to cargo")]
        {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    let file = variable("OUT_DIR").join("functions.rs");
    if let Err(error) = std::fs::write(&file, generated.code) {
        panic!("cannot write {}: {error}", file.display());
    }
}

fn variable(name: &str) -> PathBuf {
    #[allow(clippy::disallowed_methods, reason = "set by cargo for build scripts")]
    let value = std::env::var_os(name);
    let Some(value) = value else {
        panic!("{name} is not set: this runs in a build script");
    };
    value.into()
}

/// The module list and the registry of the package in this folder.
pub fn functions_rs(package: &Path) -> Generated {
    let package = match Package::find(package) {
        Ok(package) => package,
        Err(problem) => {
            let mut file = FunctionsFile::default();
            file.error(&problem);
            return Generated {
                code: file.finish(),
                watched: vec![package.to_owned()],
            };
        }
    };
    let text = &package.manifest_text;
    let read = read::read(text);
    let mut faults = Faults::new(text);
    let mut file = FunctionsFile::new(&package);
    for outline in &read.outlines {
        add_function(outline, &package, &mut faults, &mut file);
    }
    // The names of a text that is not TOML are unknown; then no file is called unlisted.
    if !read.outlines.is_empty() || read.manifest.is_some() {
        report_unlisted(&read.outlines, &package, &mut faults);
    }
    let faults = read.faults.into_iter().chain(faults.into_sorted());
    if let Some(report) = report_of(faults.collect(), &package) {
        file.error(&report);
    }
    Generated {
        code: file.finish(),
        watched: package.watched(),
    }
}

fn report_of(mut faults: Vec<Fault>, package: &Package) -> Option<String> {
    faults.retain(|fault| fault.severity == Severity::Error);
    faults.sort_by_key(|fault| (fault.span.start, fault.code));
    if faults.is_empty() {
        return None;
    }
    let name = package.shown(&package.manifest);
    let report = report::render(&faults, &name, &package.manifest_text);
    Some(format!(
        "the manifest and the functions do not fit together\n\n{report}"
    ))
}

fn add_function(
    outline: &Outline,
    package: &Package,
    faults: &mut Faults<'_>,
    generated: &mut FunctionsFile,
) {
    let candidates = package.candidates(&outline.name);
    let at = outline.span.clone();
    let name = &outline.name;
    let Some(file) = candidates.iter().find(|file| file.is_file()) else {
        let [file, folder] = candidates.map(|file| package.shown(&file));
        faults
            .add(
                Code::EntryWithoutFile,
                at,
                format!("[functions.{name}] has no file: there is neither {file} nor {folder}"),
            )
            .help(format!(
                "write {file} with `{}`, or remove the entry",
                signature(outline.trigger)
            ));
        return;
    };
    if package.declared.contains(name) {
        let message =
            format!("`{name}` is declared by hand: functions are declared from the manifest");
        faults
            .add(Code::Clash, at, message)
            .help(format!("remove `mod {name};` from lib.rs"));
        return;
    }
    generated.module(name, file);
    let shown = package.shown(file);
    match package::handle(file) {
        package::Handle::Public => {
            if let Some(trigger) = outline.trigger {
                generated.register(&Registered {
                    name,
                    trigger,
                    place: format!("{}:{}", package.shown(&package.manifest), outline.line),
                    file: shown,
                });
            }
        }
        found => {
            let message = match found {
                package::Handle::Private => format!("`handle` in {shown} is not public"),
                _ => format!("{shown} has no function `handle`"),
            };
            faults
                .add(Code::NoHandle, at, message)
                .help(format!("write `{}`", signature(outline.trigger)));
        }
    }
}

fn report_unlisted(outlines: &[Outline], package: &Package, faults: &mut Faults<'_>) {
    let listed = |name: &str| outlines.iter().any(|outline| outline.name == name);
    let end = package.manifest_text.trim_end().len();
    for (name, file) in package.modules() {
        if listed(&name) || package.declared.contains(&name) {
            continue;
        }
        let manifest = package.shown(&package.manifest);
        faults
            .add(
                Code::FileWithoutEntry,
                end..end,
                format!("{} has no entry in {manifest}: nothing would ever run it", package.shown(&file)),
            )
            .help(format!(
                "add it at the end of {manifest}:\n\n[functions.{name}]\nhttp = {{}}\nauth = \"required\"\n\n\
                 or write `mod {name};` into lib.rs when it is something that functions share"
            ));
    }
}

fn signature(trigger: Option<TriggerKind>) -> &'static str {
    match trigger {
        Some(TriggerKind::Storage) => write::STORAGE_SIGNATURE,
        Some(TriggerKind::Event) => write::EVENT_SIGNATURE,
        Some(TriggerKind::Callable) => write::JSON_SIGNATURE,
        Some(TriggerKind::Http) | None => write::HTTP_SIGNATURE,
    }
}
