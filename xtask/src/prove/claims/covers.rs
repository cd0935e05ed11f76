//! The code that claims are about. A check covers what can make its claim false,
//! and what it is checked by: not the reader that judges its traces, of which
//! there are claims of its own, nor manifests and the versions of dependencies.
//!
//! Paths are from the root: files, folders, beginnings (`*` at the end), and,
//! behind a `!`, what is left out of the others.

/// A group of paths.
pub(super) type Group = &'static [&'static str];

/// The tracer, and the format's tables, from which it writes.
pub(super) const TRACER: Group = &["runtime-trace/src", "crates/trace-format/src"];

/// Its map and its region, with what they are made of.
pub(super) const TABLES: Group = &[
    "runtime-trace/src/hash.rs",
    "runtime-trace/src/lock.rs",
    "runtime-trace/src/map.rs",
    "runtime-trace/src/node.rs",
    "runtime-trace/src/pages.rs",
    "runtime-trace/src/region.rs",
    "runtime-trace/src/sync.rs",
    "runtime-trace/src/sys",
];

/// The virtual machine and its command line.
pub(super) const VM: Group = &["vm/src"];

/// The virtual machine as a library.
pub(super) const VM_LIBRARY: Group = &[
    "vm/src",
    "!vm/src/main.rs",
    "!vm/src/opened.rs",
    "!vm/src/outlet.rs",
    "!vm/src/signals.rs",
    "!vm/src/size.rs",
    "!vm/src/timed.rs",
    "!vm/src/trace_files.rs",
];

/// What models of it are built from.
pub(super) const VM_MODELS: Group = &[
    "vm/src/channel.rs",
    "vm/src/fault.rs",
    "vm/src/handle.rs",
    "vm/src/line.rs",
    "vm/src/sched/calls.rs",
    "vm/src/sched/idle.rs",
    "vm/src/sched/park.rs",
    "vm/src/sched/queue.rs",
    "vm/src/sched/timers.rs",
    "vm/src/state.rs",
    "vm/src/ticket.rs",
    "vm/tests/loom_*",
    "vm/tests/support/loom_*",
];

/// Models of the tracer, and the code that runs them and changes the source for them.
pub(super) const MODELS: Group = &[
    "runtime-trace/tests/loom_*",
    "xtask/src/loom",
    "xtask/src/loom.rs",
];

/// The language's front end.
pub(super) const FRONT_END: Group = &["crates/weft/src"];

/// Programs that are run.
pub(super) const PROGRAMS: Group = &["examples", "tests/programs"];

pub(super) const FORMAT: Group = &["crates/trace-format/src"];

pub(super) const VARINT: Group = &["crates/trace-format/src/varint.rs"];

/// The reader's lowest layer, and its text form.
pub(super) const RAW: Group = &[
    "crates/trace-format/src",
    "crates/trace-read/src/error.rs",
    "crates/trace-read/src/raw",
    "crates/trace-read/src/raw.rs",
    "crates/trace-read/src/text.rs",
];

pub(super) const READER: Group = &["crates/trace-format/src", "crates/trace-read/src"];

pub(super) const TOOLS: Group = &["crates/trace-tools/src"];

/// A scheduler to trace, a judge of files, and what else tests of both flows
/// share.
pub(super) const HARNESS: Group = &["tests/src", "!tests/src/storm*", "!tests/src/bin"];

/// All of that, with storms.
pub(super) const STORM: Group = &["tests/src", "xtask/src/prove/storm.rs"];

pub(super) const OVERLOAD: Group = &["xtask/src/prove/overload.rs"];

pub(super) const PAGE_SIZE: Group = &["tests/tests/page_size.rs", "xtask/src/prove/page_size.rs"];

/// A program without `std` that is traced.
pub(super) const EMBEDDER: Group = &["runtime-trace/no-std-embedder"];

pub(super) const FUZZER: Group = &["xtask/src/fuzz.rs"];

/// Who starts what under a tool that watches, and what is not told of it.
pub(super) const SANITIZERS: Group = &[
    "xtask/sanitize",
    "xtask/src/sanitize",
    "xtask/src/sanitize.rs",
];

/// Go's word and how it is asked.
pub(super) const GO: Group = &[
    "xtask/go",
    "xtask/src/corpus.rs",
    "xtask/src/go_check.rs",
    "xtask/src/parsed_check.rs",
    "xtask/src/profile_check.rs",
    "xtask/src/read_check.rs",
    "xtask/src/test.rs",
];

pub(super) const CORPUS: Group = &["xtask/src/corpus.rs"];

/// Tests that record traces.
pub(super) const TESTS: Group = &["tests/tests", "vm/tests", "!vm/tests/loom_*"];
