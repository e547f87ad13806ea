//! Measures the router beside what it is compared with: one row of the table for each promise.
//!
//! run.sh installs and builds what is measured, and then runs this. A row starts its servers, asks each in turn,
//! round after round, and compares what was measured in the same round. README.md says what the figures mean.

mod chart;
mod client;
mod figure;
mod identity;
mod machine;
mod peers;
mod process;
mod report;
mod rounds;
mod rows;
mod wrk;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use clap::Parser;

use peers::Peers;
use report::Measured;
use rows::ROWS;

#[derive(Parser)]
struct Arguments {
    /// The rows to measure; all when none is named
    rows: Vec<String>,
    /// Rounds of each row, in place of its own number
    #[arg(long)]
    rounds: Option<usize>,
    /// Where the peers are installed
    #[arg(long)]
    peers: PathBuf,
    /// Measures all, and writes results.md and results.svg beside the sources
    #[arg(long, conflicts_with = "rows")]
    write: bool,
    /// Says which rows there are
    #[arg(long)]
    list: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut out = std::io::stdout();
    if arguments.list {
        for row in ROWS {
            writeln!(out, "{:10} {}", row.name, row.about)?;
        }
        return Ok(());
    }
    for name in &arguments.rows {
        let known = ROWS.iter().any(|row| row.name == name);
        ensure!(known, "there is no row {name}: see --list");
    }
    let chosen =
        |name: &str| arguments.rows.is_empty() || arguments.rows.iter().any(|row| row == name);

    let peers = Peers::new(&arguments.peers, arguments.rounds)?;
    let mut measured = Vec::new();
    for row in ROWS.iter().filter(|row| chosen(row.name)) {
        let started = Instant::now();
        let figures = (row.measure)(&peers).with_context(|| row.name.to_owned())?;
        writeln!(
            out,
            "\n{} ({:.0} s): {}",
            row.name,
            started.elapsed().as_secs_f64(),
            row.about
        )?;
        for figure in &figures {
            writeln!(out, "  {figure}")?;
        }
        measured.push(Measured { row, figures });
    }
    if arguments.write {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        std::fs::write(
            folder.join("results.md"),
            report::markdown(&measured, arguments.rounds)?,
        )?;
        std::fs::write(folder.join("results.svg"), chart::svg(&measured))?;
    }
    Ok(())
}
