//! The runtime, with the functions of the conformance client.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::main(conformance::registry())
}
