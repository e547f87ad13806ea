//! The runtime, with the functions that are measured.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::main(measured::registry())
}
