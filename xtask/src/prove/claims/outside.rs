//! Claims that are checked by programs which are not ours: fuzzers, tools that
//! watch, and Go.

use super::covers::{
    CORPUS, EMBEDDER, FRONT_END, FUZZER, GO, Group, HARNESS, PROGRAMS, RAW, READER, SANITIZERS,
    TESTS, TOOLS, TRACER, VARINT, VM_LIBRARY,
};
use crate::corpus;
use crate::fuzz;
use crate::go::Toolchain;
use crate::prove::{Check, Figures, Proof, Slice};
use crate::sanitize::{self, Tool};
use crate::test;

/// How long each target is fuzzed, seconds.
const FUZZED_FOR: u64 = 600;

/// A check by a fuzz target.
const fn fuzzed(
    name: &'static str,
    covers: &'static [Group],
    claim: &'static str,
    how: &'static str,
    commands: &'static [&'static str],
    full: fn() -> Figures,
) -> Check {
    let slice = Slice::Nothing("it needs nightly Rust and cargo-fuzz");
    Check {
        name,
        covers,
        claim,
        how,
        proof: Proof::Here {
            commands,
            full,
            slice,
        },
    }
}

pub(super) const FUZZED: &[Check] = &[
    fuzzed(
        "fuzz-varint",
        &[
            VARINT,
            FUZZER,
            &[
                "fuzz/fuzz_targets/varint.rs",
                "crates/trace-read/tests/support/properties.rs",
            ],
        ],
        "No bytes bring down the reader of numbers; a number that is read is written back.",
        "ten minutes of coverage-guided bytes",
        &["cargo xtask fuzz varint --seconds 600"],
        || fuzzed_for("varint"),
    ),
    fuzzed(
        "fuzz-raw",
        &[
            RAW,
            FUZZER,
            &[
                "fuzz/fuzz_targets/raw.rs",
                "crates/trace-read/tests/support/properties.rs",
            ],
        ],
        "No bytes bring down the raw reader; what it reads is written back byte for byte.",
        "ten minutes of coverage-guided bytes, from the corpus on",
        &["cargo xtask fuzz raw --seconds 600"],
        || fuzzed_for("raw"),
    ),
    fuzzed(
        "fuzz-text",
        &[
            RAW,
            FUZZER,
            &[
                "fuzz/fuzz_targets/text.rs",
                "crates/trace-read/tests/support/properties.rs",
            ],
        ],
        "No text brings down the reader of a trace's text form; a trace's text stands for it.",
        "ten minutes of coverage-guided texts, from the corpus on",
        &["cargo xtask fuzz text --seconds 600"],
        || fuzzed_for("text"),
    ),
    fuzzed(
        "fuzz-reader",
        &[
            READER,
            FUZZER,
            &[
                "fuzz/fuzz_targets/reader.rs",
                "crates/trace-read/tests/support/properties.rs",
            ],
        ],
        "No bytes bring down the reader, make it hang or take more memory than it says; read \
         ahead or not, it says the same.",
        "ten minutes of coverage-guided bytes, from the corpus on",
        &["cargo xtask fuzz reader --seconds 600"],
        || fuzzed_for("reader"),
    ),
    fuzzed(
        "fuzz-ordered",
        &[
            READER,
            FUZZER,
            &[
                "fuzz/fuzz_targets/ordered.rs",
                "crates/trace-read/tests/support/properties.rs",
            ],
        ],
        "A well-formed trace is accepted with every event, one that is nearly so is read to its \
         end.",
        "ten minutes of traces made by coverage-guided choices",
        &["cargo xtask fuzz ordered --seconds 600"],
        || fuzzed_for("ordered"),
    ),
    fuzzed(
        "fuzz-tools",
        &[
            READER,
            TOOLS,
            FUZZER,
            &[
                "fuzz/fuzz_targets/tools.rs",
                "crates/trace-tools/tests/support/every_tool.rs",
            ],
        ],
        "No trace brings down an analysis or a renderer.",
        "ten minutes of coverage-guided bytes and choices, from the corpus on",
        &["cargo xtask fuzz tools --seconds 600"],
        || fuzzed_for("tools"),
    ),
    fuzzed(
        "fuzz-growth",
        &[
            READER,
            TOOLS,
            FUZZER,
            &[
                "fuzz/fuzz_targets/growth.rs",
                "crates/trace-read/tests/support/hostile.rs",
                "crates/trace-tools/tests/support/every_tool.rs",
                "crates/trace-tools/tests/support/phases.rs",
            ],
        ],
        "A trace of four times the size takes a tool about four times as long, whatever is in it.",
        "ten minutes of traces made by coverage-guided choices; fails at ten times as long, three \
         times in a row, by the processor's time",
        &["cargo xtask fuzz growth --seconds 600"],
        || fuzzed_for("growth"),
    ),
    fuzzed(
        "fuzz-front_end",
        &[
            FRONT_END,
            FUZZER,
            &[
                "fuzz/fuzz_targets/front_end.rs",
                "crates/weft/tests/common/properties.rs",
            ],
        ],
        "No text brings down the language's front end: it ends in a program or in errors.",
        "ten minutes of coverage-guided texts, from the corpus on",
        &["cargo xtask fuzz front_end --seconds 600"],
        || fuzzed_for("front_end"),
    ),
    fuzzed(
        "fuzz-programs",
        &[
            TRACER,
            VM_LIBRARY,
            FRONT_END,
            FUZZER,
            &[
                "fuzz/fuzz_targets/programs.rs",
                "tests/tests/support/programs.rs",
                "vm/tests/support/generated.rs",
            ],
        ],
        "A program that compiles runs within its budget, and its trace is valid.",
        "ten minutes of programs made by coverage-guided choices, run and traced",
        &["cargo xtask fuzz programs --seconds 600"],
        || fuzzed_for("programs"),
    ),
];

fn fuzzed_for(target: &str) -> Figures {
    let options = fuzz::Options {
        target: Some(target.to_owned()),
        seconds: FUZZED_FOR,
        sanitizer: "none".to_owned(),
    };
    let ran = fuzz::run(&options)?;
    let figures = ran.iter().map(|ran| {
        format!(
            "{} executions in {} s, {} crashes, {} places in the code reached",
            ran.executions,
            ran.time.as_secs(),
            ran.crashes.len(),
            ran.coverage
        )
    });
    Ok(figures.collect::<Vec<_>>().join("; "))
}

/// A check by a tool that watches.
const fn watched(
    name: &'static str,
    covers: &'static [Group],
    claim: &'static str,
    commands: &'static [&'static str],
    full: fn() -> Figures,
    slice: Slice,
) -> Check {
    Check {
        name,
        covers,
        claim,
        how: "a crowd of threads over the no_std embedder, whose traces are read, and (sanitizers) \
              the tests; each defect that is planted in a copy must be noticed; what each tool \
              cannot see and what is suppressed is said at the head of xtask/src/sanitize.rs and \
              in xtask/sanitize",
        proof: Proof::Here {
            commands,
            full,
            slice,
        },
    }
}

const NO_NIGHTLY: Slice = Slice::Nothing("it needs nightly Rust");
const LIKE_MEMCHECK: Slice = Slice::Nothing("memcheck's has to do");

pub(super) const WATCHED: &[Check] = &[
    watched(
        "asan",
        &[TRACER, VM_LIBRARY, HARNESS, EMBEDDER, SANITIZERS],
        "AddressSanitizer finds nothing in the tracer, the simulator and the VM.",
        &["cargo xtask sanitize address --seconds 60 --planted"],
        || sanitized(Tool::Address),
        NO_NIGHTLY,
    ),
    watched(
        "tsan",
        &[TRACER, VM_LIBRARY, HARNESS, EMBEDDER, SANITIZERS],
        "ThreadSanitizer finds no data race in the tracer, the simulator and the VM.",
        &["cargo xtask sanitize thread --seconds 60 --planted"],
        || sanitized(Tool::Thread),
        NO_NIGHTLY,
    ),
    watched(
        "memcheck",
        &[TRACER, EMBEDDER, SANITIZERS],
        "Valgrind's memcheck finds no access outside of what is allocated and no use of bytes \
         that were not written.",
        &["cargo xtask sanitize memcheck --seconds 60 --planted"],
        || sanitized(Tool::Memcheck),
        Slice::Run(|| {
            let options = sanitize::Options {
                tools: vec![Tool::Memcheck],
                seconds: 10,
                crowd: true,
                planted: false,
            };
            watched_by(&options)
        }),
    ),
    watched(
        "helgrind",
        &[TRACER, EMBEDDER, SANITIZERS],
        "Valgrind's helgrind finds no data race and no locks in two orders.",
        &["cargo xtask sanitize helgrind --seconds 60 --planted"],
        || sanitized(Tool::Helgrind),
        LIKE_MEMCHECK,
    ),
    watched(
        "drd",
        &[TRACER, EMBEDDER, SANITIZERS],
        "Valgrind's DRD finds no data race.",
        &["cargo xtask sanitize drd --seconds 60 --planted"],
        || sanitized(Tool::Drd),
        LIKE_MEMCHECK,
    ),
];

fn sanitized(tool: Tool) -> Figures {
    watched_by(&sanitize::Options {
        tools: vec![tool],
        seconds: 60,
        crowd: false,
        planted: true,
    })
}

fn watched_by(options: &sanitize::Options) -> Figures {
    let ran = sanitize::run(options)?;
    let figures = ran.iter().map(ToString::to_string);
    Ok(figures.collect::<Vec<_>>().join("; "))
}

pub(super) const JUDGED: &[Check] = &[
    Check {
        name: "go",
        covers: &[
            TRACER, VM_LIBRARY, READER, TOOLS, HARNESS, TESTS, PROGRAMS, GO,
        ],
        claim: "Go's own reader accepts every trace that a test of this project records, and ours \
                finds in it what Go's finds.",
        how: "all tests run and keep their traces; Go judges them strictly; counts, times, \
              profiles and the text of events are compared; so are recordings of Go programs",
        proof: Proof::Here {
            commands: &["cargo xtask test --go"],
            full: go,
            slice: Slice::Nothing("`cargo xtask test --go` has it"),
        },
    },
    Check {
        name: "corpus",
        covers: &[READER, CORPUS],
        claim: "Of Go's own test traces our reader accepts and refuses those that Go's does.",
        how: "the test data of internal/trace, well-formed and not",
        proof: Proof::Here {
            commands: &["cargo xtask corpus"],
            full: || corpus::run(&Toolchain::find()?).map(|()| "no difference".to_owned()),
            slice: Slice::Nothing("`cargo xtask test --go` has it"),
        },
    },
];

fn go() -> Figures {
    test::run(true).map(|()| "every trace accepted".to_owned())
}
