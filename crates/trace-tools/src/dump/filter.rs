//! Which events a dump shows.

use std::str::FromStr;

use trace_format::EventKind;
use trace_read::event::Range;
use trace_read::{Event, Kind, Scope, TaskId};

use crate::error::ToolError;

/// What is asked of an event for it to be printed: all that is given here.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// It happened on one of these tasks, or is about one. Any, if there are none.
    pub tasks: Vec<TaskId>,
    /// It happened then or later.
    pub from: Option<Moment>,
    /// It happened then or earlier.
    pub to: Option<Moment>,
    /// It is of one of these kinds.
    pub kinds: Option<Kinds>,
}

impl Filter {
    /// The times, both included, in nanoseconds of the clock of a trace that
    /// starts at `start`.
    pub(super) fn times(&self, start: u64) -> (u64, u64) {
        let at = |moment: Option<Moment>, open| match moment {
            Some(Moment::After(nanos)) => start.saturating_add(nanos),
            Some(Moment::At(time)) => time,
            None => open,
        };
        (at(self.from, 0), at(self.to, u64::MAX))
    }

    /// Whether all but the time is as asked for.
    #[inline]
    pub(super) fn lets_through(&self, event: &Event<'_>) -> bool {
        (self.tasks.is_empty() || self.tasks.iter().any(|&task| concerns(event, task)))
            && self.kinds.as_ref().is_none_or(|kinds| kinds.has(event))
    }
}

/// Whether an event happened on that task, or is about it.
fn concerns(event: &Event<'_>, task: TaskId) -> bool {
    if event.task == Some(task) {
        return true;
    }
    match event.kind {
        Kind::Task(transition) => transition.task == task,
        Kind::RangeBegin(range) | Kind::RangeActive(range) | Kind::RangeEnd(range, _) => {
            let Range { scope, .. } = range;
            scope == Scope::Task(task)
        }
        _ => false,
    }
}

/// A moment of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// So many nanoseconds after the first event.
    After(u64),
    /// At this time of the trace's clock, nanoseconds.
    At(u64),
}

/// Reads a time since the start of the trace, which is a decimal number and a
/// unit (`1.5ms`, `2s`), or a time as dumps print it, a number alone.
impl FromStr for Moment {
    type Err = ToolError;

    fn from_str(text: &str) -> Result<Self, ToolError> {
        let bad = || ToolError::Moment { text: text.into() };
        let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.');
        let Some(unit_at) = unit_at else {
            return text.parse().map(Self::At).map_err(|_| bad());
        };
        let (amount, unit) = text.split_at(unit_at);
        let unit: u64 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" | "min" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(bad()),
        };
        let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return Err(bad());
        }
        let whole: u64 = match whole {
            "" => 0,
            whole => whole.parse().map_err(|_| bad())?,
        };
        let mut nanos = whole.checked_mul(unit).ok_or_else(bad)?;
        let mut place = unit;
        for digit in fraction.bytes() {
            // No unit has more than twelve digits that count.
            nanos = nanos.saturating_add(u64::from(digit - b'0') * place / 10);
            place /= 10;
        }
        Ok(Self::After(nanos))
    }
}

/// Kinds of events.
#[derive(Clone, Debug)]
pub struct Kinds {
    events: [bool; Kind::NAMES.len()],
    wire: [bool; 256],
}

impl Kinds {
    /// The kinds of events after they are ordered, by their names there or by
    /// those of the file's events behind them. Case does not matter.
    ///
    /// # Errors
    ///
    /// [`ToolError::Kind`] for a name that is none of these.
    pub fn of_events<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, ToolError> {
        let ordered = |kind: EventKind| kind.is_timed() || kind == EventKind::CPUSample;
        Self::read(names, &Kind::NAMES, ordered)
    }

    /// The kinds of events of a file, by their names there. Case does not matter.
    ///
    /// # Errors
    ///
    /// [`ToolError::Kind`] for a name that is none of these.
    pub fn of_wire<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, ToolError> {
        Self::read(names, &[], |_| true)
    }

    fn read<'a>(
        names: impl IntoIterator<Item = &'a str>,
        events: &'static [&'static str],
        ordered: fn(EventKind) -> bool,
    ) -> Result<Self, ToolError> {
        let mut kinds = Kinds {
            events: [false; Kind::NAMES.len()],
            wire: [false; 256],
        };
        let wire = || EventKind::ALL.iter().filter(|&&kind| ordered(kind));
        for name in names {
            let event = events
                .iter()
                .position(|known| known.eq_ignore_ascii_case(name));
            let code = wire().find(|kind| kind.name().eq_ignore_ascii_case(name));
            match (event, code) {
                (None, None) => {
                    let known = events.iter().copied().chain(wire().map(|kind| kind.name()));
                    return Err(ToolError::Kind {
                        name: name.into(),
                        known: known.collect(),
                    });
                }
                (Some(event), _) => kinds.events[event] = true,
                (None, Some(&code)) => kinds.wire[usize::from(code as u8)] = true,
            }
        }
        Ok(kinds)
    }

    fn has(&self, event: &Event<'_>) -> bool {
        self.events[event.kind.index()] || event.wire.is_some_and(|wire| self.has_wire(wire))
    }

    pub(super) fn has_wire(&self, kind: EventKind) -> bool {
        self.wire[usize::from(kind as u8)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        use Moment::{After, At};
        for (text, moment) in [
            ("0", At(0)),
            ("7147571035712", At(7_147_571_035_712)),
            ("0ns", After(0)),
            ("15ns", After(15)),
            ("1.5ms", After(1_500_000)),
            (".25us", After(250)),
            ("2.µs", After(2_000)),
            ("2s", After(2_000_000_000)),
            ("1.000000001s", After(1_000_000_001)),
            // Less than a nanosecond is nothing.
            ("1.0000000019s", After(1_000_000_001)),
            ("0.1m", After(6_000_000_000)),
            ("1.5h", After(5_400_000_000_000)),
        ] {
            assert_eq!(text.parse::<Moment>().unwrap(), moment, "{text}");
        }
        for text in [
            "",
            ".",
            "1.5",
            "ms",
            ".s",
            "1.2.3s",
            "-1s",
            "1 s",
            "1d",
            "1e3s",
            "99999999999h",
            "18446744073709551616",
            "+1",
        ] {
            let error = text.parse::<Moment>().unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn kinds() {
        let kinds = Kinds::of_events(["statetransition", "GOLABEL", "Sync"]).unwrap();
        let on = |set: &[bool]| set.iter().filter(|&&on| on).count();
        assert_eq!((on(&kinds.events), on(&kinds.wire)), (2, 1));
        assert!(kinds.events[0] && kinds.events[12] && kinds.has_wire(EventKind::GoLabel));
        let kinds = Kinds::of_wire(["Sync", "eventbatch"]).unwrap();
        assert_eq!((on(&kinds.events), on(&kinds.wire)), (0, 2));

        let error = Kinds::of_wire(["StateTransition"]).unwrap_err().to_string();
        assert!(
            error.contains("GoCreate") && !error.contains("RangeBegin"),
            "{error}"
        );
        // A string is nothing that happens.
        let error = Kinds::of_events(["String"]).unwrap_err().to_string();
        assert!(
            error.contains("GoCreate") && error.contains("RangeBegin"),
            "{error}"
        );
        assert!(!error.contains("Strings"), "{error}");
    }
}
