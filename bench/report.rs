//! results.md.

use std::fmt::Write as _;

use crate::figure::Figure;
use crate::machine;
use crate::rows::Row;

/// A row, and what it came to.
pub(crate) struct Measured {
    pub(crate) row: &'static Row,
    pub(crate) figures: Vec<Figure>,
}

const HEAD: &str = "\
# Results

Made by `bench/run.sh --write`; [README.md](README.md) says how and what it means. These are figures of one run on
one machine: compare what stands in one row, and nothing else.

![What each figure uses of what its target allows](results.svg)
";

const TABLE: &str = "
| row | figure | target | median | quartiles | |
|---|---|---|---|---|---|
";

/// # Errors
/// When the machine cannot be described.
pub(crate) fn markdown(measured: &[Measured], rounds: Option<usize>) -> anyhow::Result<String> {
    let mut text = HEAD.to_owned();
    if let Some(rounds) = rounds {
        write!(
            text,
            "\n**Provisional**: with `--rounds {rounds}`, to see whether it works.\n"
        )?;
    }
    for line in machine::description()? {
        write!(text, "\n- {line}")?;
    }
    text += "\n\n## Against the targets\n\nOne row is measured again by `bench/run.sh ROW`.\n";
    text += TABLE;
    lines(&mut text, measured, |figure| figure.target.is_some())?;
    text += "\n## Beside them\n";
    text += TABLE;
    lines(&mut text, measured, |figure| figure.target.is_none())?;
    Ok(text)
}

fn lines(
    text: &mut String,
    measured: &[Measured],
    shown: fn(&Figure) -> bool,
) -> anyhow::Result<()> {
    for Measured { row, figures } in measured {
        for figure in figures.iter().filter(|figure| shown(figure)) {
            let target = figure.target_text().unwrap_or_default();
            let verdict = match figure.target.map(|target| target.is_met(figure.median())) {
                Some(true) => "met",
                Some(false) => "**missed**",
                None => "",
            };
            writeln!(
                text,
                "| `{}` | {} | {target} | {} | {} | {verdict} |",
                row.name,
                figure.what,
                figure.text(figure.median()),
                figure.spread_text(),
            )?;
        }
    }
    Ok(())
}
