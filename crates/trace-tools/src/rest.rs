//! What of a trace that is cut off could not be put to use, in numbers and words.

use std::fmt;

use serde_json::{Value, json};
use trace_read::{Left, Missing, Reader};

/// What is left of a trace that is cut off: events that depend on others that are
/// missing, and names that are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rest {
    /// Workers of which events are left, by the time of the first of them; at most
    /// [`SHOWN`](Self::SHOWN).
    pub workers: Vec<Left>,
    /// How many such workers there are.
    pub of: u64,
    /// How many events are left.
    pub events: u64,
    /// The strings and stacks that are missing.
    pub missing: Missing,
}

impl Rest {
    /// How many workers are told one by one. A file may be made to have any number.
    pub const SHOWN: usize = 16;

    /// What a reader that has come to its end has left.
    pub(crate) fn of<R>(reader: &Reader<R>) -> Self
    where
        R: std::io::Read,
    {
        let mut rest = Self {
            missing: reader.missing(),
            ..Self::default()
        };
        for left in reader.left() {
            rest.of += 1;
            rest.events += left.events;
            let at = rest
                .workers
                .partition_point(|other| other.from <= left.from);
            if at < Self::SHOWN {
                rest.workers.truncate(Self::SHOWN - 1);
                rest.workers.insert(at, left);
            }
        }
        rest
    }

    /// What there is to say, a line each.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.events > 0 {
            notes.push(format!("{}, since others are missing:", Events(self)));
        }
        for left in &self.workers {
            let worker = match left.worker {
                Some(worker) => format!("worker {worker}"),
                None => "no worker".to_owned(),
            };
            notes.push(format!(
                "{worker}: {} left, from {} ns on, first {} at byte {}",
                counted(left.events, "event"),
                left.from,
                left.kind.name(),
                left.offset
            ));
        }
        if self.of > self.workers.len() as u64 {
            let more = self.of - self.workers.len() as u64;
            notes.push(format!("and {}", counted(more, "more worker")));
        }
        if self.missing != Missing::default() {
            notes.push(Names(self.missing).to_string());
        }
        notes
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let workers: Vec<_> = self
            .workers
            .iter()
            .map(|left| {
                json!({
                    "worker": left.worker.map(|worker| worker.0),
                    "events": left.events,
                    "from": left.from,
                    "first": left.kind.name(),
                    "offset": left.offset,
                })
            })
            .collect();
        json!({
            "events": self.events,
            "of_workers": self.of,
            "workers": workers,
            "missing_strings": self.missing.strings,
            "missing_stacks": self.missing.stacks,
        })
    }
}

/// In one sentence, or nothing.
impl fmt::Display for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(first) = self.workers.first() {
            write!(f, "; {}, the first at {} ns", Events(self), first.from)?;
        }
        match self.missing == Missing::default() {
            true => Ok(()),
            false => write!(f, "; {}", Names(self.missing)),
        }
    }
}

/// How many events are left.
struct Events<'r>(&'r Rest);

impl fmt::Display for Events<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rest { events, of, .. } = *self.0;
        write!(
            f,
            "{} of {} could not be put in order",
            counted(events, "event"),
            counted(of, "worker")
        )
    }
}

/// How many names are missing.
struct Names(Missing);

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Missing { strings, stacks } = self.0;
        let both = [(strings, "string"), (stacks, "stack")];
        let there = both.iter().filter(|(count, _)| *count > 0);
        let there: Vec<_> = there.map(|&(count, noun)| counted(count, noun)).collect();
        let verb = if strings + stacks == 1 { "is" } else { "are" };
        let names = there.join(" and ");
        write!(f, "{names} that it refers to {verb} missing")
    }
}

/// So many of them, in words.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
