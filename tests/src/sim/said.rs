//! What the scheduler said to the tracer, to be found again in the file.
//!
//! Each worker's log is, event by event, what its stream in the trace must be,
//! but for what the tracer writes by itself: statuses and notes.

use std::sync::{Arc, Mutex};

use trace_format::limits::MAX_STRING_SIZE;
use trace_format::{ArgKind, EventKind};

use crate::sim::sites::Site;
use crate::text;
use crate::wire::{Event, Generation, Trace};

/// One thing that was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    kind: EventKind,
    ids: [u64; 2],
    texts: [Text; 2],
    sites: [Option<Site>; 2],
}

/// A text, in few bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// None.
    None,
    /// A name.
    Name(&'static str),
    /// The text of the log message with this number.
    Message(u64),
}

/// The log message with this number; some are longer than a string may be.
pub fn message(number: u64) -> String {
    match number % 64 {
        // Three bytes a character, so that the limit falls within one.
        0 => format!("{number}: {}", "€".repeat(1000)),
        _ => format!("message {number}"),
    }
}

/// What there is room for in the format.
fn cut(whole: &str) -> &str {
    let mut end = whole.len().min(MAX_STRING_SIZE);
    while !whole.is_char_boundary(end) {
        end -= 1;
    }
    &whole[..end]
}

impl Text {
    fn is(self, found: &str) -> bool {
        match self {
            Self::None => found.is_empty(),
            Self::Name(name) => cut(name) == found,
            Self::Message(number) => cut(&message(number)) == found,
        }
    }
}

impl Said {
    /// An event of this kind, without arguments so far.
    pub fn new(kind: EventKind) -> Self {
        Self {
            kind,
            ids: [0; 2],
            texts: [Text::None; 2],
            sites: [None; 2],
        }
    }

    /// With these IDs and values, in the order of the format.
    pub fn ids(mut self, first: u64, second: u64) -> Self {
        self.ids = [first, second];
        self
    }

    /// With these texts.
    pub fn texts(mut self, first: Text, second: Text) -> Self {
        self.texts = [first, second];
        self
    }

    /// With this name.
    pub fn name(self, name: &'static str) -> Self {
        self.texts(Text::Name(name), Text::None)
    }

    /// With this stack.
    pub fn at(mut self, site: Site) -> Self {
        self.sites[0] = Some(site);
        self
    }

    /// With these two stacks.
    pub fn at_both(mut self, first: Site, second: Site) -> Self {
        self.sites = [Some(first), Some(second)];
        self
    }

    /// Whether an event says this; if something was lost, maybe without stacks.
    pub fn is(&self, event: &Event, generation: &Generation, lost: bool) -> bool {
        let mut ids = self.ids.into_iter();
        let mut texts = self.texts.into_iter();
        let mut sites = self.sites.into_iter();
        let mut args = event.kind.args().iter().zip(event.args);
        event.kind == self.kind
            && args.all(|(arg, value)| match arg.kind {
                ArgKind::Seq => true,
                ArgKind::String => {
                    let found = generation.string(value);
                    let expected = texts.next();
                    found.is_some_and(|found| expected.is_some_and(|text| text.is(found)))
                }
                ArgKind::Stack => {
                    let found = generation.functions(value);
                    let expected = sites.next().flatten().map_or(&[][..], Site::functions);
                    found.is_some_and(|found| found == expected || lost && found.is_empty())
                }
                _ => ids.next() == Some(value),
            })
    }
}

/// What one worker said. Shared between the worker and who compares.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Words>>);

/// What a worker said, and what the tracer may have said for it.
#[derive(Debug, Default)]
pub struct Words {
    /// In its order, each with the epoch in which it was said.
    pub said: Vec<(u64, Said)>,
    /// The epochs in which it was refused to say more, and whether that was for
    /// no other reason than that it was saying something.
    pub refused: Vec<(u64, bool)>,
    /// What the tracer says as the worker leaves, if it is known that it does,
    /// or not known that it does not.
    pub last: Vec<Said>,
}

impl Log {
    /// Notes that something was said in this epoch.
    pub fn push(&self, epoch: u64, said: Said) {
        super::lock(&self.0).said.push((epoch, said));
    }

    /// Notes that the worker was refused in this epoch, while tracing was on
    /// for certain or not.
    pub fn refused(&self, epoch: u64, certain: bool) {
        super::lock(&self.0).refused.push((epoch, certain));
    }

    /// Notes what the tracer is to say for the worker as it leaves.
    pub fn leaves(&self, last: Vec<Said>) {
        super::lock(&self.0).last = last;
    }

    /// What was said since this was asked last.
    pub fn take(&self) -> Words {
        std::mem::take(&mut *super::lock(&self.0))
    }
}

/// Whether the tracer writes this by itself.
pub fn by_itself(event: &Event, generation: &Generation) -> bool {
    match event.kind {
        EventKind::GoStatus
        | EventKind::GoStatusStack
        | EventKind::ProcStatus
        | EventKind::ProcsChange => true,
        EventKind::UserLog => generation.string(event.args[1]) == Some("runtime-trace"),
        _ => false,
    }
}

/// Holds a worker's stream against what it said. If something was lost, the
/// stream may have gaps.
///
/// # Panics
///
/// At the first difference.
pub fn compare(trace: &Trace, worker: u64, words: &Words, lost: bool) {
    let mut said = words.said.iter().map(|(_, said)| said);
    for generation in &trace.generations {
        let stream = generation.streams.get(&worker).into_iter().flatten();
        for event in stream.filter(|event| !by_itself(event, generation)) {
            let next = said.clone().next();
            let found = match lost {
                true => said.any(|said| said.is(event, generation, lost)),
                false => said
                    .next()
                    .is_some_and(|said| said.is(event, generation, lost)),
            };
            assert!(
                found,
                "generation {}, m{worker}: {} was recorded and {next:?} was said",
                generation.number,
                text::event(event, generation),
            );
        }
    }
    let rest = said.len();
    assert!(
        lost || rest == 0,
        "m{worker}: {rest} events were said and not recorded, the first is {:?}",
        said.next(),
    );
}
