//! The command line: `router serve`, `dev`, `check`, `routes`, `token`, `events`, `explain`.

mod check;
mod dev;
mod events;
mod routes;
mod serve;
mod token;

#[cfg(feature = "testing")]
pub(crate) use token::unsigned as unsigned_token;

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::function::Registry;
use crate::isolation::child;

/// Cloud Functions for Firebase, in one container you own.
#[derive(Parser)]
#[command(name = "router", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the functions, configured by the environment
    Serve(serve::Options),
    /// Serve on a loopback address with nothing configured, data in ./.data, unsigned tokens accepted
    Dev,
    /// Check the manifest, and report every fault at once
    Check(check::Options),
    /// List every URL of every function, with its policy and its limits
    Routes,
    /// Print a token that `router dev` accepts
    Token(token::Options),
    /// List, show and replay the events that functions are told of
    #[command(subcommand)]
    Events(events::Command),
    /// The process of an isolated function, which the router starts
    #[command(hide = true)]
    Child {
        #[arg(long)]
        parent: u32,
        /// Bytes
        #[arg(long)]
        memory: u64,
    },
    /// Explain a fault by its code
    Explain {
        /// As `check` prints it: E001
        code: String,
    },
}

/// What the binary's `main` is: runs the command that the arguments name.
#[expect(
    clippy::needless_pass_by_value,
    reason = "reads as what it is: the program, given away"
)]
pub fn main(registry: Registry) -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Serve(options) => serve::run(&registry, &options),
        Command::Dev => dev::run(&registry),
        Command::Check(options) => return check::run(&registry, &options),
        Command::Routes => routes::run(&registry),
        Command::Token(options) => token::run(&registry, &options),
        Command::Events(command) => events::run(&command),
        Command::Child { parent, memory } => child::run(&registry, parent, memory),
        Command::Explain { code } => check::explain(&code),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("router: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// To stderr, for people.
#[expect(clippy::print_stderr, reason = "a command's words to its user")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// To stdout, for people and pipes.
///
/// # Panics
/// When it cannot be written; but whoever reads a pipe may stop whenever they have enough.
fn print(text: &str) {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        written => written.expect("stdout"),
    }
}

/// Columns as wide as their widest cell.
fn align<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| width(column).unwrap_or(0));
    let lines = rows.iter().map(|row| {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}
