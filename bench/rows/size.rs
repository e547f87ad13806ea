//! How large the product is.

use std::collections::HashSet;
use std::process::Command;

use anyhow::ensure;

use crate::figure::Figure;
use crate::peers::{Peers, built};

const MEGABYTE: f64 = 1e6;

pub(super) fn measure(_peers: &Peers) -> anyhow::Result<Vec<Figure>> {
    let binary = built("router")?.metadata()?.len() as f64;
    Ok(vec![
        Figure::new("the binary", "MB", vec![binary / MEGABYTE]).at_most(20.0),
        Figure::new("crates in it, ours included", "", vec![crates()?]),
    ])
}

fn crates() -> anyhow::Result<f64> {
    let tree = Command::new("cargo")
        .args([
            "tree",
            "--locked",
            "--quiet",
            "--package",
            "functions",
            "--edges",
            "normal",
            "--prefix",
            "none",
        ])
        .args(["--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    ensure!(
        tree.status.success(),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let tree = String::from_utf8(tree.stdout)?;
    // What is listed again is marked so.
    let crates: HashSet<_> = tree
        .lines()
        .filter_map(|line| line.strip_suffix(" (*)").or(Some(line)))
        .collect();
    Ok(crates.iter().filter(|line| !line.is_empty()).count() as f64)
}
