//! What a row reports: values of as many rounds, and what they should be.

use std::fmt;

/// What the median of a figure should be.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Target {
    pub(crate) fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }

    /// How much of what it allows is used: 1 is the target itself, and less is better.
    pub(crate) fn share(self, value: f64) -> f64 {
        match self {
            Self::AtMost(most) => value / most,
            Self::AtLeast(least) => least / value,
        }
    }
}

/// One number of a row, measured several times.
pub(crate) struct Figure {
    pub(crate) what: String,
    /// Written behind the number; `×` for a ratio.
    pub(crate) unit: &'static str,
    values: Vec<f64>,
    pub(crate) target: Option<Target>,
}

impl Figure {
    /// # Panics
    /// Without a value.
    pub(crate) fn new(what: impl Into<String>, unit: &'static str, mut values: Vec<f64>) -> Self {
        assert!(!values.is_empty(), "a figure has a value");
        values.sort_by(f64::total_cmp);
        Self {
            what: what.into(),
            unit,
            values,
            target: None,
        }
    }

    /// The one by the other, round by round.
    pub(crate) fn ratio(what: impl Into<String>, ours: &[f64], theirs: &[f64]) -> Self {
        let values = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs);
        Self::new(what, "×", values.collect())
    }

    pub(crate) fn at_most(mut self, most: f64) -> Self {
        self.target = Some(Target::AtMost(most));
        self
    }

    pub(crate) fn at_least(mut self, least: f64) -> Self {
        self.target = Some(Target::AtLeast(least));
        self
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    pub(crate) fn quartiles(&self) -> (f64, f64) {
        (self.quantile(0.25), self.quantile(0.75))
    }

    /// Between the two values nearest to it.
    fn quantile(&self, share: f64) -> f64 {
        let at = share * (self.values.len() - 1) as f64;
        let (below, above) = (
            self.values[at.floor() as usize],
            self.values[at.ceil() as usize],
        );
        below + (above - below) * at.fract()
    }

    pub(crate) fn text(&self, value: f64) -> String {
        let text = format!("{} {}", number(value), self.unit);
        text.trim_end().to_owned()
    }

    /// `≤ 1.2 ×`
    pub(crate) fn target_text(&self) -> Option<String> {
        self.target.map(|target| match target {
            Target::AtMost(most) => format!("≤ {}", self.text(most)),
            Target::AtLeast(least) => format!("≥ {}", self.text(least)),
        })
    }

    /// `(1.05–1.13)`, and nothing when there was one round or all were alike.
    pub(crate) fn spread_text(&self) -> String {
        let (low, high) = self.quartiles();
        let (low, high) = (number(low), number(high));
        if low == high {
            return String::new();
        }
        format!("({low}–{high})")
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, line: &mut fmt::Formatter<'_>) -> fmt::Result {
        let median = self.text(self.median());
        write!(
            line,
            "{:64} {median:>12} {:16}",
            self.what,
            self.spread_text()
        )?;
        if let (Some(target), Some(text)) = (self.target, self.target_text()) {
            let verdict = if target.is_met(self.median()) {
                "met"
            } else {
                "missed"
            };
            write!(line, " {text}: {verdict}")?;
        }
        Ok(())
    }
}

/// Three digits, as far as they say something.
fn number(value: f64) -> String {
    let digits: usize = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        0.1.. => 2,
        _ => 4,
    };
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::Figure;

    #[test]
    fn quartiles_lie_between_the_values_nearest_to_them() {
        let figure = Figure::new("", "", vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!(figure.median(), 2.5);
        assert_eq!(figure.quartiles(), (1.75, 3.25));
        let once = Figure::new("", "", vec![7.0]);
        assert_eq!((once.median(), once.quartiles()), (7.0, (7.0, 7.0)));
    }

    #[test]
    fn a_ratio_is_of_values_of_the_same_round() {
        let figure = Figure::ratio("", &[1.0, 40.0, 9.0], &[2.0, 40.0, 3.0]);
        assert_eq!((figure.quartiles(), figure.median()), ((0.75, 2.0), 1.0));
    }

    #[test]
    fn a_target_is_met_on_its_own_side() {
        let ratio = |values| Figure::new("", "×", values);
        let met = |figure: &Figure| figure.target.unwrap().is_met(figure.median());
        assert!(met(&ratio(vec![1.2]).at_most(1.2)) && !met(&ratio(vec![1.21]).at_most(1.2)));
        assert!(met(&ratio(vec![9.0]).at_least(9.0)) && !met(&ratio(vec![8.9]).at_least(9.0)));
        let share = |figure: &Figure| figure.target.unwrap().share(figure.median());
        assert_eq!(share(&ratio(vec![0.6]).at_most(1.2)), 0.5);
        assert_eq!(share(&ratio(vec![18.0]).at_least(9.0)), 0.5);
    }

    #[test]
    fn a_number_has_the_digits_that_say_something() {
        let text = |value| Figure::new("", "×", vec![value]).text(value);
        let texts = [1.2, 1.234, 12.34, 123.4, 20.0, 100.0, 0.0, 0.0046].map(text);
        assert_eq!(
            texts,
            [
                "1.2 ×",
                "1.23 ×",
                "12.3 ×",
                "123 ×",
                "20 ×",
                "100 ×",
                "0 ×",
                "0.0046 ×"
            ]
        );
    }
}
