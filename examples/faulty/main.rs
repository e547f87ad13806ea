//! The runtime, with functions that go wrong.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::main(faulty::registry())
}
