//! The command line: `router serve`, `dev`, `check`, `routes`, `token`, `explain`.

mod check;
mod dev;
mod routes;
mod serve;
mod token;

#[cfg(feature = "testing")]
pub(crate) use token::unsigned as unsigned_token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::function::Registry;

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
#[expect(clippy::print_stdout, reason = "a command's result")]
fn print(text: &str) {
    println!("{text}");
}
