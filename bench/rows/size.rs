//! How large the product is.

use std::collections::HashSet;
use std::process::Command;

use anyhow::ensure;

use crate::figure::Figure;
use crate::peers::{Peers, built};

const MEGABYTE: f64 = 1e6;

pub(super) fn measure(peers: &Peers) -> anyhow::Result<Vec<Figure>> {
    let binary = built("router")?.metadata()?.len() as f64;
    let mut figures = vec![Figure::new("the binary", "MB", vec![binary / MEGABYTE]).at_most(20.0)];
    if let Some(bytes) = peers.image_bytes() {
        let what = "the image, uncompressed, as image/test.sh built it last";
        figures.push(Figure::new(what, "MB", vec![bytes / MEGABYTE]).at_most(60.0));
    }
    figures.push(Figure::new(
        "crates in it, ours included",
        "",
        vec![crates()?],
    ));
    Ok(figures)
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
