//! How much of it to run, as an environment variable can ask for more than the test command waits for;
//! and what came of it.

use std::io::Write as _;

/// The number in the variable `name`, or else `usual`.
///
/// # Panics
/// When the variable holds something else.
#[expect(
    clippy::disallowed_methods,
    reason = "settings of the tests, not of the product"
)]
pub(crate) fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |text| text.parse().expect(name))
}

/// Says a test's figures, which a test that passes does not show by itself.
pub(crate) fn report(figures: &str) {
    // Not println: the test program would keep it to itself.
    let _ = std::io::stdout().write_all(format!("{figures}\n").as_bytes());
}
