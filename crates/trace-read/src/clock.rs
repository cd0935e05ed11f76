//! From clock units to nanoseconds.

/// The clock of a generation.
///
/// Go's reader multiplies in floating point and drops the fraction, a batch's
/// time and each difference by itself. To have its times we do as it does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Clock {
    /// Nanoseconds of a unit.
    factor: f64,
    /// The same where it is a small whole number.
    whole: u64,
    /// For how many units that holds, from 0. 0 if it is not such a number.
    exact: u64,
}

impl Default for Clock {
    /// A unit is a nanosecond.
    fn default() -> Self {
        Self::new(1_000_000_000)
    }
}

impl Clock {
    /// Whole factors, and numbers of units that are multiplied without floating
    /// point. A double is exact up to 2⁵³, so the product is the same.
    const EXACT_FACTOR: u64 = 1 << 13;
    const EXACT_UNITS: u64 = 1 << 40;

    /// A clock of so many units a second.
    pub fn new(frequency: u64) -> Self {
        let factor = 1.0 / (frequency as f64 / 1e9);
        let whole = factor as u64;
        let exact = (1..Self::EXACT_FACTOR).contains(&whole) && whole as f64 == factor;
        Self {
            factor,
            whole,
            exact: if exact { Self::EXACT_UNITS } else { 0 },
        }
    }

    /// The length of a span of so many units.
    #[inline(always)]
    pub fn span(&self, units: u64) -> i64 {
        match units < self.exact {
            true => units.wrapping_mul(self.whole) as i64,
            false => self.time(units),
        }
    }

    /// The time at so many units.
    #[inline(always)]
    pub fn time(&self, units: u64) -> i64 {
        // What does not fit is what the usual machines' conversion makes of it,
        // and so Go on them.
        const LIMIT: f64 = i64::MAX as f64;
        let nanos = units as f64 * self.factor;
        match nanos < LIMIT {
            true => nanos as i64,
            false => i64::MIN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_to_nanoseconds() {
        let cases: [(u64, u64, i64); 9] = [
            (1_000_000_000, 17, 17),
            (1_000_000, 17, 17_000),
            // 64 ns a unit, as Go's on most machines.
            (15_625_000, (1 << 40) + 1, (64 << 40) + 64),
            // A third of a nanosecond, its fraction dropped.
            (3_000_000_000, 5, 1),
            (3_000_000_000, 6, 2),
            (1_000_000_000, u64::MAX, i64::MIN),
            (0, 5, i64::MIN),
            (0, 0, i64::MIN),
            (u64::MAX, 1 << 40, 59),
        ];
        for (frequency, units, nanos) in cases {
            let clock = Clock::new(frequency);
            assert_eq!(clock.time(units), nanos, "{units} at {frequency} Hz");
            assert_eq!(clock.span(units), nanos, "{units} at {frequency} Hz");
        }
    }

    /// The way around floating point leads to the same result.
    #[test]
    fn whole_factors_are_exact() {
        for frequency in [1_000_000_000, 15_625_000, 1_000_000, 500_000, 122_070] {
            let clock = Clock::new(frequency);
            for bit in 0..64 {
                for units in [1 << bit, (1u64 << bit) - 1, (1 << bit) + 12345] {
                    assert_eq!(clock.span(units), clock.time(units));
                }
            }
        }
    }
}
