//! Time of day from a clock that counts seconds.

use std::fmt;

use trace_read::ClockSnapshot;

const NANOS: u64 = 1_000_000_000;
const DAY: u64 = 24 * 60 * 60;

/// A moment, shown as RFC 3339 has it, in UTC: `2026-11-22T00:37:28.878549357Z`.
/// The fraction of the second loses its zeros at the end, and is left out if
/// there is nothing but zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wall {
    seconds: u64,
    nanos: u64,
}

impl Wall {
    /// The wall clock at a time of the trace's clock, if both clocks are sane.
    pub(crate) fn at(time: u64, clock: &ClockSnapshot) -> Option<Self> {
        let wall = u128::from(clock.wall_seconds) * u128::from(NANOS)
            + u128::from(clock.wall_nanos)
            + u128::from(time);
        let nanos = wall.checked_sub(u128::from(clock.trace))?;
        Some(Wall {
            seconds: u64::try_from(nanos / u128::from(NANOS)).ok()?,
            nanos: (nanos % u128::from(NANOS)) as u64,
        })
    }

    /// The wall clock of a snapshot.
    pub(crate) fn of(clock: &ClockSnapshot) -> Self {
        Wall {
            seconds: clock.wall_seconds.saturating_add(clock.wall_nanos / NANOS),
            nanos: clock.wall_nanos % NANOS,
        }
    }
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date(self.seconds / DAY);
        let rest = self.seconds % DAY;
        let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        if self.nanos > 0 {
            let digits = format!("{:09}", self.nanos);
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

/// The date so many days after 1970-01-01, by Howard Hinnant's way of counting in
/// years that begin in March, so that the leap day is a year's last.
fn date(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097; // days in 400 years
    let days = days + 719_468; // from 0000-03-01
    let in_era = days % ERA;
    let year = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let month = (5 * in_year + 2) / 153;
    let day = in_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (days / ERA * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown() {
        for (seconds, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (951_782_399, 1, "2000-02-28T23:59:59.000000001Z"),
            (951_782_400, 500_000_000, "2000-02-29T00:00:00.5Z"),
            (951_868_800, 0, "2000-03-01T00:00:00Z"),
            (1_700_000_000, 17, "2023-11-14T22:13:20.000000017Z"),
            (4_107_542_399, 0, "2100-02-28T23:59:59Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00Z"),
            (
                1_795_307_848,
                1_878_549_357,
                "2026-11-22T00:37:29.878549357Z",
            ),
        ] {
            let clock = ClockSnapshot {
                trace: 0,
                mono: 0,
                wall_seconds: seconds,
                wall_nanos: nanos,
            };
            assert_eq!(Wall::of(&clock).to_string(), text);
        }
    }

    #[test]
    fn at_another_time() {
        let clock = ClockSnapshot {
            trace: 100,
            mono: 0,
            wall_seconds: 1,
            wall_nanos: 5,
        };
        let at = |time| Wall::at(time, &clock).map(|wall| wall.to_string());
        assert_eq!(at(40).as_deref(), Some("1970-01-01T00:00:00.999999945Z"));
        assert_eq!(at(95).as_deref(), Some("1970-01-01T00:00:01Z"));
        let late = ClockSnapshot {
            trace: u64::MAX,
            ..clock
        };
        assert_eq!(Wall::at(0, &late), None);
    }

    /// Whatever a file says.
    #[test]
    fn the_end_of_time() {
        let clock = ClockSnapshot {
            trace: 0,
            mono: 0,
            wall_seconds: u64::MAX,
            wall_nanos: u64::MAX,
        };
        assert!(Wall::of(&clock).to_string().ends_with('Z'));
    }
}
