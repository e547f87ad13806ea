//! The guard: counts the instructions of what every request and every event goes through, and fails when one of
//! them needs more than instructions.toml says. Beside it, how the router grows.
//!
//! ```text
//! cargo run --release -p guard                    # compare
//! cargo run --release -p guard -- update          # write the numbers down, so that a change can be reviewed
//! cargo run --release -p guard -- scale           # print how the router grows; by hand
//! cargo run --release -p guard -- scale ledger    # one table of `functions`, `connections` and `ledger`
//! ```
//!
//! The numbers are callgrind's, of the release profile, of what runs in user space, and of an architecture: on
//! another one than those in the file there is nothing to compare with, and the guard says so. Of what `scale`
//! prints, memory is what /proc says is resident, and times are those of this machine: they say something only
//! beside one another.

mod callgrind;
mod connections;
mod counts;
mod functions;
mod identity;
mod ledger;
mod server;
mod subject;

use std::io;
use std::process::ExitCode;

use anyhow::bail;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => return counts::compare(),
        ["update"] => counts::update()?,
        ["scale"] => {
            functions::table(&mut io::stdout())?;
            connections::table(&mut io::stdout())?;
            ledger::table(&mut io::stdout())?;
        }
        ["scale", "functions"] => functions::table(&mut io::stdout())?,
        ["scale", "connections"] => connections::table(&mut io::stdout())?,
        ["scale", "ledger"] => ledger::table(&mut io::stdout())?,
        // What is counted, in a process of its own.
        ["load", times] => counts::load(times.parse()?)?,
        ["serve", ..] => return Ok(runtime::main(subject::registry())),
        _ => bail!("usage: guard [update | scale [functions | connections | ledger]]"),
    }
    Ok(ExitCode::SUCCESS)
}
