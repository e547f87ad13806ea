//! The one binary: the runtime, with these functions.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::main(functions::registry())
}
