//! Durations and byte counts in the units people write.

use std::time::Duration;

const DURATION_UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

const BYTE_UNITS: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

/// `250ms`, `60s`, `10m`, `24h`
pub(crate) fn duration(text: &str) -> Option<Duration> {
    quantity(text, &DURATION_UNITS).map(Duration::from_millis)
}

/// `512B`, `64KiB`, `10MiB`, `2GiB`; decimal: `kB`, `MB`, `GB`
pub(crate) fn bytes(text: &str) -> Option<u64> {
    quantity(text, &BYTE_UNITS)
}

/// As the manifest would write it: `1h`.
pub fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    show(millis, &DURATION_UNITS, "ms")
}

/// As the manifest would write it: `10MiB`.
pub fn show_bytes(bytes: u64) -> String {
    show(bytes, &BYTE_UNITS[..3], "B")
}

/// A whole number followed at once by its unit.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, size) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*size)
}

/// In the largest unit that leaves no remainder.
fn show(amount: u64, units: &[(&str, u64)], smallest: &str) -> String {
    units
        .iter()
        .rev()
        .find(|(_, size)| amount >= *size && amount.is_multiple_of(*size))
        .map_or_else(
            || format!("{amount}{smallest}"),
            |(name, size)| format!("{}{name}", amount / size),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, millis) in [
            ("250ms", Some(250)),
            ("60s", Some(60_000)),
            ("10m", Some(600_000)),
            ("24h", Some(86_400_000)),
            ("0s", Some(0)),
            ("60", None),
            ("s", None),
            ("", None),
            ("1.5s", None),
            ("-1s", None),
            ("1 s", None),
            ("1S", None),
            ("1d", None),
            ("99999999999999999999s", None),
            ("9999999999999999999h", None),
        ] {
            assert_eq!(duration(text), millis.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn byte_counts_have_a_unit() {
        for (text, count) in [
            ("0B", Some(0)),
            ("512B", Some(512)),
            ("64KiB", Some(65_536)),
            ("10MiB", Some(10_485_760)),
            ("2GiB", Some(2_147_483_648)),
            ("1kB", Some(1_000)),
            ("1MB", Some(1_000_000)),
            ("1GB", Some(1_000_000_000)),
            ("10", None),
            ("10M", None),
            ("10mib", None),
            ("KiB", None),
            ("99999999999GiB", None),
        ] {
            assert_eq!(bytes(text), count, "{text}");
        }
    }

    #[test]
    fn what_is_shown_can_be_written() {
        for text in ["250ms", "90s", "10m", "24h", "1m"] {
            assert_eq!(duration(text).map(show_duration).as_deref(), Some(text));
        }
        for text in ["1B", "1000B", "64KiB", "10MiB", "2GiB"] {
            assert_eq!(bytes(text).map(show_bytes).as_deref(), Some(text));
        }
    }
}
