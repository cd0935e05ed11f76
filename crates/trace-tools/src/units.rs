//! Numbers as people read them: durations and their changes.

use std::fmt;

/// A duration in the unit that suits it, with three digits: `12.3 µs`. Seconds
/// have as many digits as they need.
#[derive(Clone, Copy, Debug)]
pub struct Nanos(pub u64);

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Nanos(nanos) = *self;
        // A number that rounding makes a thousand belongs to the next unit.
        let (value, unit) = match nanos {
            0..1_000 => return f.pad(&format!("{nanos} ns")),
            1_000..999_500 => (nanos as f64 / 1e3, "µs"),
            999_500..999_500_000 => (nanos as f64 / 1e6, "ms"),
            _ => (nanos as f64 / 1e9, "s"),
        };
        let digits = match value {
            ..9.995 => 2,
            ..99.95 => 1,
            _ => 0,
        };
        f.pad(&format!("{value:.digits$} {unit}"))
    }
}

/// A change of a duration: [`Nanos`] with a sign.
#[derive(Clone, Copy, Debug)]
pub struct Change(pub i128);

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = u64::try_from(self.0.unsigned_abs()).unwrap_or(u64::MAX);
        let sign = match self.0.signum() {
            1 => "+",
            -1 => "-",
            _ => "",
        };
        f.pad(&format!("{sign}{}", Nanos(size)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (nanos, shown) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (9_994, "9.99 µs"),
            (9_995, "10.0 µs"),
            (99_960, "100 µs"),
            (999_499, "999 µs"),
            (999_500, "1.00 ms"),
            (12_345_678, "12.3 ms"),
            (999_500_000, "1.00 s"),
            (86_400_000_000_000, "86400 s"),
            (u64::MAX, "18446744074 s"),
        ] {
            assert_eq!(Nanos(nanos).to_string(), shown);
        }
        assert_eq!(Change(-1_500).to_string(), "-1.50 µs");
        assert_eq!(Change(0).to_string(), "0 ns");
        assert_eq!(
            format!("{:>8}|{:>8}", Change(7), Nanos(7)),
            "   +7 ns|    7 ns"
        );
    }
}
