//! Random stacks, a symbolizer for any program counter, and what the two make
//! together: the frames that a trace must show.

use e2e::wire::Frame;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use runtime_trace::{Host, Pcs, Sweep, Symbolizer};
use trace_format::limits::MAX_FRAMES_PER_STACK;

/// Longest name in a stack, bytes; of longer ones the end is kept.
const MAX_NAME: usize = 1024;

/// A stack as a scheduler takes it.
#[derive(Clone, Debug)]
pub struct Stack {
    /// How many frames next to the leaf to leave out, if it is physical.
    pub skip: Option<usize>,
    /// Its program counters from the leaf on.
    pub pcs: Vec<usize>,
}

/// Any stack, one in three empty.
pub fn stack() -> impl Strategy<Value = Stack> {
    let pc = prop_oneof![3 => 1..40usize, 1 => 1..=usize::MAX];
    let pcs = prop_oneof![
        10 => Just(Vec::new()),
        20 => vec(pc, 1..6),
        // All that there is room for, and more.
        1 => (1..20usize, 120..140usize).prop_map(|(pc, count)| (pc..pc + count).collect()),
    ];
    let skip = prop_oneof![
        4 => Just(None),
        4 => (0..6usize).prop_map(Some),
        1 => Just(Some(usize::MAX)),
    ];
    (skip, pcs).prop_map(|(skip, pcs)| Stack { skip, pcs })
}

/// A text of any length, often one that comes again.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        10 => select(&["", "a", "b", "sync", "select", "running", "runtime-trace"][..])
            .prop_map(str::to_owned),
        10 => any::<String>(),
        1 => (select(&['x', 'é', '€', '😀'][..]), 0..1100usize)
            .prop_map(|(char, count)| format!("-{}", String::from(char).repeat(count))),
    ]
}

/// Knows what every program counter means. Stands for a scheduler that has
/// nothing else to say.
#[derive(Clone, Copy, Debug)]
pub struct Everything;

impl Symbolizer for Everything {
    fn frames(&self, pc: usize, visit: &mut dyn FnMut(runtime_trace::Frame<'_>)) {
        for (function, file, line) in expansion(pc) {
            visit(runtime_trace::Frame {
                function: &function,
                file: &file,
                line,
            });
        }
    }
}

impl Host for Everything {
    fn checkpoint(&self) {}
    fn sweep(&self, _: &Sweep<'_>) {}
}

/// What a counter stands for, from the innermost frame: none to three, some of them
/// without a name, a file or a line.
fn expansion(pc: usize) -> Vec<(String, String, u32)> {
    let frame = |number: usize| {
        // Distinct, but for a chance that may be left out of account.
        let distinct = (pc ^ number << 62).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let sometimes = |bit: u32| (distinct >> bit).is_multiple_of(8);
        let long = if sometimes(40) { 500 } else { 1 };
        let name = format!("{}{distinct:x}", "é€".repeat(long));
        let file = format!("{}{distinct}.weft", "/😀".repeat(long));
        (
            if sometimes(50) { String::new() } else { name },
            if sometimes(54) { String::new() } else { file },
            if sometimes(58) { 0 } else { distinct as u32 },
        )
    };
    (0..pc % 4).map(frame).collect()
}

/// The frames of a counter as a trace has them. Only the innermost one's number is
/// known beforehand; the reader sees to it that a number means one frame.
fn written(pc: usize) -> Vec<Frame> {
    let mut frames = expansion(pc);
    if frames.is_empty() {
        frames.push(Default::default());
    }
    let whole = |(place, (function, file, line)): (usize, (String, String, u32))| Frame {
        pc: if place == 0 { pc as u64 } else { 0 },
        function: match &function[..] {
            "" => format!("{pc:#x}"),
            name => cut(name),
        },
        file: match &file[..] {
            "" => "?".to_owned(),
            name => cut(name),
        },
        line: line.max(1).into(),
    };
    frames.into_iter().enumerate().map(whole).collect()
}

fn cut(name: &str) -> String {
    name[name.ceil_char_boundary(name.len().saturating_sub(MAX_NAME))..].to_owned()
}

impl Stack {
    /// What makes it another stack than others.
    pub fn key(&self) -> (Option<usize>, Vec<usize>) {
        let kept = self.kept();
        let skip = self.skip.filter(|_| !kept.is_empty());
        (skip, kept)
    }

    /// For the tracer.
    pub fn pcs(&self) -> Pcs {
        let mut pcs = self.skip.map_or_else(Pcs::logical, Pcs::physical);
        self.push(&mut pcs);
        pcs
    }

    /// For a tracer that asks.
    pub fn push(&self, pcs: &mut Pcs) {
        self.pcs.iter().for_each(|pc| pcs.push(*pc));
    }

    /// What the tracer keeps of it: beyond the limit only the root.
    fn kept(&self) -> Vec<usize> {
        at_most(MAX_FRAMES_PER_STACK, self.pcs.clone())
    }

    /// Whether these are the frames that a trace shows of it, but for numbers that
    /// are the tracer's.
    pub fn is(&self, found: &[Frame]) -> bool {
        let kept = self.kept();
        let all = kept.iter().flat_map(|&pc| written(pc));
        let left: Vec<Frame> = all.skip(self.skip.unwrap_or(0)).collect();
        let unknown = Frame {
            pc: 0,
            function: String::new(),
            file: String::new(),
            line: 0,
        };
        let expected = match left.is_empty() && !kept.is_empty() {
            // Readers want a frame.
            true => vec![unknown],
            false => at_most(MAX_FRAMES_PER_STACK, left),
        };
        let same = |(found, expected): (&Frame, &Frame)| match expected.pc {
            0 => {
                let pc = found.pc;
                *found
                    == Frame {
                        pc,
                        ..expected.clone()
                    }
            }
            _ => found == expected,
        };
        found.len() == expected.len() && found.iter().zip(&expected).all(same)
    }
}

/// The first of all, and the last one in the place of those beyond the limit.
fn at_most<T>(limit: usize, mut all: Vec<T>) -> Vec<T> {
    if all.len() > limit {
        all.drain(limit - 1..all.len() - 1);
    }
    all
}
