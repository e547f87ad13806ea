//! manifest.toml: parsed, validated and explained; and turned into the list of functions at build time.
//!
//! The build script of the functions, the command line and the running process read the file with
//! this code, so they cannot disagree about it. It knows TOML and the rules of the manifest; it knows
//! nothing of HTTP, of the environment, or of the functions themselves.
//!
//! ```text
//! text ─▶ reader (typed, spanned access) ─▶ read (one module per table) ─▶ clashes (between functions)
//!                         └────────── every fault found on the way ──────────▶ report
//! ```

pub mod codegen;

mod clashes;
mod explain;
mod fault;
mod glob;
mod literal;
mod model;
mod names;
mod read;
mod reader;
mod report;
mod spelling;
mod units;

pub use explain::explain;
pub use fault::{Code, Fault, Place, Related, Severity};
pub use model::*;
pub use report::{render, to_json};
pub use units::{show_bytes, show_duration};

/// What became of a text.
#[derive(Debug)]
pub struct Parsed {
    /// `None` when at least one of the faults is an error.
    pub manifest: Option<Manifest>,
    /// All of them, in the order of the text; warnings too.
    pub faults: Vec<Fault>,
}

/// Reads the text of a manifest and reports everything that is wrong with it at once.
pub fn parse(text: &str) -> Parsed {
    let read = read::read(text);
    Parsed {
        manifest: read.manifest.map(|manifest| Manifest {
            text: text.into(),
            ..manifest
        }),
        faults: read.faults,
    }
}
