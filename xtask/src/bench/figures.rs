//! Several measurements of the same thing.

use std::fmt;

/// Smallest, middle and largest of several measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) min: f64,
    pub(super) median: f64,
    pub(super) max: f64,
}

impl Spread {
    /// Of these, of which there is at least one. The middle of an even number is
    /// the mean of both in the middle.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        Spread {
            min: values[0],
            median: match values.len() % 2 {
                1 => values[middle],
                _ => (values[middle - 1] + values[middle]) / 2.0,
            },
            max: values[values.len() - 1],
        }
    }
}

/// "1.5 / 2.0 / 2.5", with as many digits as the formatter is told.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2);
        let Spread { min, median, max } = self;
        write!(f, "{min:.digits$} / {median:.digits$} / {max:.digits$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread() {
        let odd = Spread::of([3.0, 1.0, 2.5]);
        assert_eq!((odd.min, odd.median, odd.max), (1.0, 2.5, 3.0));
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert_eq!(format!("{odd:.1}"), "1.0 / 2.5 / 3.0");
    }
}
