//! Where simulated tasks are: program counters, and what they stand for.
//!
//! Every stack ends in the function `sim.task`. Three sites are there for the
//! limits: one deeper than a stack may be, one with a name longer than a string
//! may be, one whose counter stands for two frames.

use std::sync::OnceLock;

use runtime_trace::{Frame, Pcs};
use trace_format::limits::{MAX_FRAMES_PER_STACK, MAX_STRING_SIZE};

macro_rules! sites {
    ($($name:ident = $function:literal,)*) => {
        /// A place in the simulated program.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        #[expect(missing_docs, reason = "their functions say it")]
        pub enum Site { $($name,)* }

        impl Site {
            /// Every site.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            const fn function(self) -> &'static str {
                match self { $(Self::$name => $function,)* }
            }
        }
    };
}

sites! {
    Entry = "sim.task",
    Boot = "sim.boot",
    Spawn = "sim.spawn",
    Park = "sim.park",
    Wake = "sim.wake",
    Yield = "sim.yield",
    Preempted = "sim.loop",
    Switch = "sim.switch",
    Region = "sim.region",
    Log = "sim.log",
    UserTask = "sim.usertask",
    World = "sim.world",
    Read = "sim.read",
    Deep = "sim.recurse",
    Long = "sim.long",
    Inlined = "sim.inlined",
}

/// Counters of sites are multiples of this; those between are inlined callers.
const STEP: usize = 0x10;
const BODY: usize = 0x1000;
const CALLS: usize = 0x2000;
/// How often `sim.recurse` calls itself.
const DEPTH: usize = 200;

impl Site {
    const fn pc(self) -> usize {
        (1 + self as usize) * STEP
    }

    /// The stack of a task here.
    pub fn pcs(self) -> Pcs {
        let mut pcs = Pcs::logical();
        self.push(&mut pcs);
        pcs
    }

    /// Fills in the stack of a task here, from leaf to root.
    pub fn push(self, pcs: &mut Pcs) {
        if self != Self::Entry {
            pcs.push(self.pc());
            if self == Self::Deep {
                (0..DEPTH).for_each(|call| pcs.push(CALLS + call));
            }
            pcs.push(BODY);
        }
        pcs.push(Self::Entry.pc());
    }

    /// The functions that a trace shows for a task here, from leaf to root.
    pub fn functions(self) -> &'static [String] {
        static ALL: OnceLock<Vec<Vec<String>>> = OnceLock::new();
        let all = ALL.get_or_init(|| Self::ALL.iter().map(|site| site.expected()).collect());
        &all[self as usize]
    }

    fn expected(self) -> Vec<String> {
        let mut functions = vec![self.function().to_owned()];
        match self {
            Self::Entry => return functions,
            Self::Deep => functions.extend((0..DEPTH).map(|_| Self::Deep.function().to_owned())),
            Self::Inlined => functions.push("sim.inliner".to_owned()),
            // The name's end is kept.
            Self::Long => {
                let name = long_name();
                functions[0] = name[name.len() - MAX_STRING_SIZE..].to_owned();
            }
            _ => {}
        }
        functions.push("sim.body".to_owned());
        functions.truncate(MAX_FRAMES_PER_STACK - 1);
        functions.push(Self::Entry.function().to_owned());
        functions
    }
}

fn long_name() -> String {
    format!("{}.{}", "module".repeat(400), Site::Long.function())
}

/// What a program counter stands for.
pub(super) fn frames(pc: usize, visit: &mut dyn FnMut(Frame<'_>)) {
    let file = "sim.weft";
    let mut frame = |pc, function: &str| {
        visit(Frame {
            function,
            file,
            line: pc as u32,
        });
    };
    match pc {
        BODY => frame(pc, "sim.body"),
        CALLS.. => frame(pc, Site::Deep.function()),
        _ => match Site::ALL[pc / STEP - 1] {
            Site::Long => frame(pc, &long_name()),
            Site::Inlined => {
                frame(pc, Site::Inlined.function());
                frame(pc + 1, "sim.inliner");
            }
            site => frame(pc, site.function()),
        },
    }
}
