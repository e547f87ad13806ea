//! results.svg: how much of what its target allows each figure uses.

use crate::figure::{Figure, Target};
use crate::report::Measured;

const WIDTH: f64 = 960.0;
const LINE: f64 = 26.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 40.0;
/// Where bars begin, and where one ends that uses all.
const LEFT: f64 = 430.0;
const FULL: f64 = 240.0;
/// Bars beyond it are cut off, with an arrow.
const MOST: f64 = 1.4;

const STYLE: &str = "\
text{font:13px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328}\
.title{font-size:16px;font-weight:600}.quiet{fill:#59636e}.met{fill:#2f7d5b}.missed{fill:#c4552d}\
.spread{stroke:#1f2328;stroke-width:1.5}.target{stroke:#1f2328;stroke-width:1.5;stroke-dasharray:4 3}";

pub(crate) fn svg(measured: &[Measured]) -> String {
    let with_target = measured.iter().flat_map(|Measured { row, figures }| {
        let with_target = figures
            .iter()
            .filter_map(|figure| Some((figure, figure.target?)));
        with_target.map(|(figure, target)| (row.name, figure, target))
    });
    let bars: Vec<String> = with_target
        .enumerate()
        .map(|(line, (row, figure, target))| bar(TOP + line as f64 * LINE, row, figure, target))
        .collect();
    let end = TOP + bars.len() as f64 * LINE;
    let height = end + BOTTOM;
    let at = LEFT + FULL;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\">\n<style>{STYLE}</style>\n<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#ffffff\"/>\n\
         <text class=\"title\" x=\"20\" y=\"30\">What each figure uses of what its target allows</text>\n\
         <text class=\"quiet\" x=\"{at}\" y=\"52\" text-anchor=\"middle\">target</text>\n{}\
         <line class=\"target\" x1=\"{at}\" x2=\"{at}\" y1=\"{}\" y2=\"{end}\"/>\n\
         <text class=\"quiet\" x=\"20\" y=\"{}\">Medians, with quartiles as lines; shorter is better. \
         One run on one machine.</text>\n</svg>\n",
        bars.concat(),
        TOP - 6.0,
        end + 24.0,
    )
}

fn bar(top: f64, row: &str, figure: &Figure, target: Target) -> String {
    let place = |value: f64| target.share(value).min(MOST) * FULL + LEFT;
    let (low, high) = figure.quartiles();
    let class = if target.is_met(figure.median()) {
        "met"
    } else {
        "missed"
    };
    let (middle, text) = (top + LINE / 2.0, top + LINE / 2.0 + 4.5);
    let end = place(figure.median());
    let cut = if target.share(figure.median()) > MOST {
        "→ "
    } else {
        ""
    };
    // Beside everything that is drawn, the target's line included.
    let label = end.max(place(low)).max(place(high)).max(LEFT + FULL) + 10.0;
    format!(
        "<text x=\"20\" y=\"{text}\"><tspan class=\"quiet\">{row}</tspan> {}</text>\n\
         <rect class=\"{class}\" x=\"{LEFT}\" y=\"{}\" width=\"{:.1}\" height=\"{}\" rx=\"2\"/>\n\
         <line class=\"spread\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle}\" y2=\"{middle}\"/>\n\
         <text x=\"{label:.1}\" y=\"{text}\">{cut}{} <tspan class=\"quiet\">({})</tspan></text>\n",
        figure.what,
        top + 4.0,
        end - LEFT,
        LINE - 8.0,
        place(low),
        place(high),
        figure.text(figure.median()),
        figure.target_text().unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::{FULL, LEFT, MOST, bar};
    use crate::figure::Figure;

    fn drawn(figure: &Figure) -> String {
        bar(0.0, "row", figure, figure.target.unwrap())
    }

    fn width(of: f64) -> String {
        format!("width=\"{of:.1}\"")
    }

    #[test]
    fn a_bar_is_as_long_as_the_share_of_its_target() {
        let most = drawn(&Figure::new("", "×", vec![0.6]).at_most(1.2));
        assert!(
            most.contains(&width(FULL / 2.0)) && most.contains("class=\"met\""),
            "{most}"
        );
        let least = drawn(&Figure::new("", "×", vec![5.0]).at_least(6.0));
        assert!(
            least.contains(&width(FULL * 1.2)) && least.contains("class=\"missed\""),
            "{least}"
        );
    }

    #[test]
    fn a_bar_beyond_the_chart_is_cut_off_and_says_so() {
        let cut = drawn(&Figure::new("", "×", vec![1.0, 30.0, 90.0]).at_most(1.0));
        assert!(
            cut.contains(&width(FULL * MOST)) && cut.contains("→ 30 ×"),
            "{cut}"
        );
        assert!(
            cut.contains(&format!("x2=\"{:.1}\"", LEFT + FULL * MOST)),
            "{cut}"
        );
    }
}
