//! What is claimed, and by which check. `docs/evidence.md` is this table with
//! results.

use std::time::Duration;

use super::named::Named;
use super::{Check, Figures, Proof, Section, Slice, overload, page_size, storm};
use crate::corpus;
use crate::fuzz;
use crate::go::Toolchain;
use crate::loom;
use crate::sanitize::{self, Tool};
use crate::test;

/// All checks, in the document's order.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        title: "Interleavings",
        checks: INTERLEAVINGS,
    },
    Section {
        title: "Bounds and losses",
        checks: BOUNDS,
    },
    Section {
        title: "Failures of the world",
        checks: FAILURES,
    },
    Section {
        title: "Generated cases and storms",
        checks: GENERATED,
    },
    Section {
        title: "Made-up bytes",
        checks: FUZZED,
    },
    Section {
        title: "Tools that look for us",
        checks: TOOLS,
    },
    Section {
        title: "Judged by Go",
        checks: JUDGED,
    },
];

/// A check that is made of tests.
const fn tests(
    name: &'static str,
    claim: &'static str,
    how: &'static str,
    tests: &'static [Named],
) -> Check {
    Check {
        name,
        claim,
        how,
        proof: Proof::Tests(tests),
    }
}

const INTERLEAVINGS: &[Check] = &[
    Check {
        name: "models",
        claim: "No interleaving of the tracer's and the scheduler's concurrent parts that a \
                model reaches loses an event, writes one into a batch that was handed in or into \
                the wrong generation, reads memory that another thread writes, or hangs.",
        how: "loom explores each model with 1, 2, 3 and any number of preemptions, for as long as \
              its time lasts; one that does not finish even one preemption fails",
        proof: Proof::Here {
            commands: &["cargo xtask loom --seconds 30"],
            full: || Ok(loom::explore_all(None, Duration::from_secs(30))?.to_string()),
            slice: Slice::Nothing("`cargo xtask loom` has them"),
        },
    },
    Check {
        name: "mutants",
        claim: "No ordering and no fence in the tracer is weaker than it must be or stronger \
                without a reason.",
        how: "each is weakened alone in a copy of the source, and the models must notice; where \
              they do not, the source must say why it stays, and a reason where they do is an \
              error",
        proof: Proof::Here {
            commands: &["cargo xtask loom --mutants --seconds 60"],
            full: || Ok(loom::weaken_all(None, Duration::from_secs(60))?.to_string()),
            slice: Slice::Run(|| {
                let tally = loom::weaken_all(Some("map.rs"), Duration::from_secs(10))?;
                Ok(tally.to_string())
            }),
        },
    },
];

const BOUNDS: &[Check] = &[
    tests(
        "conservation",
        "Every event that was said while the tracer listened is in the file or counted as lost, \
         to the event, whatever the cause and with 1 to 16 threads.",
        "each cause of loss is forced with 1, 2, 4, 8 and 16 threads; what the threads have \
         counted must equal the file's events and the losses, whose cause must be the forced one",
        &[Named::of(
            "e2e",
            "conservation",
            &[
                "said_is_written_or_lost",
                "what_a_failed_sink_did_not_take_is_lost",
            ],
        )
        .long()],
    ),
    tests(
        "limit",
        "The tracer never holds a byte more than its limit, and a trace that ends at it is valid.",
        "ten times the limit is said and nobody reads; the pages that the system gave are counted \
         by the test's own mmap",
        &[
            Named::of("e2e", "conservation", &["the_limit_holds_to_the_byte"]).long(),
            Named::of(
                "e2e",
                "limits",
                &[
                    "the_trace_ends_and_the_program_goes_on",
                    "it_ends_in_two_generations_at_once",
                ],
            ),
        ],
    ),
    Check {
        name: "overload",
        claim: "A traced program of which ten times as much is recorded as is read takes no more \
                memory than it does untraced, the limit, and 1 MiB.",
        how: "`weft run` writes its trace into a pipe that is read at a tenth of the measured \
              rate, with limits of 4, 16 and 64 MiB, three runs each; peak resident memory \
              beside that of an untraced run; must also reach half of the limit and lose events; \
              rtrace and Go must accept every trace",
        proof: Proof::Here {
            commands: &["cargo xtask prove overload"],
            full: overload::full,
            slice: Slice::Run(overload::slice),
        },
    },
    tests(
        "resumed",
        "A trace whose memory runs out ends there, valid, and goes on in another file once there \
         is memory; a program notices nothing.",
        "traces into pipes that nobody reads, and more workers than there is memory for; the \
         files are read, and what the closing lines say is compared with them",
        &[Named::of(
            "vm",
            "resumed",
            &[
                "a_trace_goes_on_in_another_file_when_its_memory_is_back",
                "without_another_file_the_trace_is_over",
                "a_trace_without_end_of_trouble_has_so_many_files_and_no_more",
                "the_command_line_names_each_file",
            ],
        )],
    ),
    tests(
        "told",
        "What was lost is said in the API, in the closing line and in the trace itself.",
        "losses are forced, and the log of category `runtime-trace` is looked for in the file",
        &[
            Named::of(
                "e2e",
                "reentrant",
                &[
                    "it_is_told_by_the_next_running_task",
                    "it_is_told_when_nobody_runs",
                ],
            ),
            Named::of("vm", "resumed", &["the_command_line_names_each_file"]),
        ],
    ),
    tests(
        "extremes",
        "Strings of a megabyte, stacks of 100,000 frames, ten million distinct strings, and \
         symbolizers that return rubbish or unwind leave the trace true and memory bounded.",
        "each is done; the file is read back, and what the tracer maps is looked at",
        &[Named::of(
            "e2e",
            "extremes",
            &[
                "strings_of_a_megabyte",
                "stacks_of_100_000_frames",
                "distinct_strings_without_end",
                "a_symbolizer_that_returns_rubbish",
                "hosts_that_unwind",
            ],
        )
        .long()],
    ),
];

const FAILURES: &[Check] = &[
    tests(
        "mmap-fails",
        "If the system refuses any one page, or all from one on, the trace does not start, lacks \
         something that is counted, or ends early; it is never false, and nothing crashes.",
        "a run is repeated for every N up to its last mmap, with the Nth call refused, and with \
         all from the Nth on; each file is judged and conservation checked",
        &[Named::of(
            "e2e",
            "no_pages",
            &["every_call_refused_in_turn", "many_stacks_and_no_pages"],
        )
        .long()],
    ),
    tests(
        "address-space",
        "A process at its real limit of memory (`RLIMIT_AS`) goes on, and its trace is valid or \
         was not begun.",
        "a child limits itself to 0 to 200 more blocks and traces; all of untraced, ended early \
         and whole must occur",
        &[Named::of("e2e", "no_pages", &["a_process_at_its_limit"]).long()],
    ),
    tests(
        "sink-fails",
        "ENOSPC, EIO, EPIPE or EBADF from the trace's file never change a program's output or \
         exit status, and the closing line says that the trace is not whole.",
        "/dev/full, a terminal that was hung up, a pipe and a socket without a reader, a file that \
         is open for reading only; and the command line with /dev/full",
        &[
            Named::of(
                "vm",
                "sinks",
                &["a_file_that_refuses_ends_its_trace_and_nothing_else"],
            ),
            Named::of(
                "vm",
                "cli",
                &["a_full_disk_costs_the_trace_and_not_the_program"],
            ),
        ],
    ),
    tests(
        "short-writes",
        "Writes that take a part only, that would block, or that a signal interrupts (EINTR) \
         cost nothing; at the limit of a file's length the trace ends and the program does not.",
        "a socket that does not block, 20 signals into a blocked write, RLIMIT_FSIZE in a child; \
         the bytes that arrived are compared",
        &[Named::of(
            "vm",
            "sinks",
            &[
                "a_write_that_signals_interrupt_is_taken_up_again",
                "a_file_that_takes_little_and_does_not_wait_gets_all",
                "a_limit_on_the_length_of_files_does_not_end_the_process",
            ],
        )],
    ),
    tests(
        "sink-stalls",
        "A program does not wait for a file that stalls, however long; in the end the file is \
         given up, and said to be.",
        "a pipe that is read late, and one that is never read, with programs that end by \
         themselves or by a signal",
        &[Named::of(
            "vm",
            "sinks",
            &[
                "a_program_goes_on_while_its_trace_is_stuck",
                "a_trace_that_is_stuck_for_ever_is_given_up",
            ],
        )],
    ),
    tests(
        "fork",
        "A child of a fork finds tracing off, may exit or execute something else, and never \
         writes into its parent's file.",
        "forks from a program whose other threads emit, with what a child may do in it; the \
         parent's file is judged",
        &[Named::of(
            "e2e",
            "fork",
            &[
                "the_child_finds_tracing_off",
                "a_copied_reader_gives_nothing",
                "starting_a_program_leaves_tracing_on",
            ],
        )],
    ),
    tests(
        "thread-dies",
        "A thread that dies between two events, or never comes out of an emission, does not hold \
         up anybody for ever; what was written until then is in the file.",
        "threads end or sleep inside an emission while others emit and generations advance; the \
         file is judged",
        &[Named::of(
            "e2e",
            "stuck",
            &[
                "a_thread_that_dies_between_two_events",
                "a_forgotten_emission_ends_the_trace",
                "the_generation_after_it_is_not_in_the_file",
                "a_slow_thread_does_no_harm",
            ],
        )],
    ),
    tests(
        "signals",
        "A signal's handler may emit at any moment, also inside an emission of the thread that it \
         interrupts: it is let in or refused and counted.",
        "a storm of timer signals over threads that emit; the file is judged and conservation \
         checked",
        &[Named::of(
            "e2e",
            "signals",
            &["a_storm_of_signals_whose_handlers_emit"],
        )],
    ),
    tests(
        "reentry",
        "Emission from wherever the tracer calls its host works or is refused; nothing hangs.",
        "emissions inside emissions, and from the symbolizer, the sweep and the checkpoint",
        &[Named::of(
            "e2e",
            "reentrant",
            &[
                "it_is_refused_to_who_is_asked_for_a_stack",
                "the_host_may_emit_whenever_it_is_asked",
            ],
        )],
    ),
    tests(
        "clock",
        "A clock that steps back never makes time in the trace step back or wrap.",
        "the test's own clock steps back at random; the file's times are looked at thread by \
         thread",
        &[Named::of("e2e", "clock", &["time_never_steps_back"])],
    ),
    Check {
        name: "page-size",
        claim: "On a system with pages of 4, 16, 64 or 256 KiB the tracer keeps its limit, and its \
                traces are valid.",
        how: "qemu's user mode tells programs that pages have this size, which they must confirm: \
              tests of blocks and limits and of a simulated scheduler, the embedder without `std`, \
              and a Weft program; Go judges the traces",
        proof: Proof::Here {
            commands: page_size::COMMANDS,
            full: page_size::full,
            slice: Slice::Nothing("it needs an emulator, and builds of its own"),
        },
    },
    tests(
        "nothing-changes",
        "A program's output and exit status are the same with and without a trace.",
        "all examples and test programs with 1, 2, 8 and 64 workers, generated programs whose \
         result is known, the command line, and signals that end a program; traced and not",
        &[
            Named::of(
                "vm",
                "cli",
                &[
                    "a_traced_run_adds_one_closing_line_and_nothing_else",
                    "a_signal_stops_the_program_and_finishes_the_trace",
                ],
            ),
            Named::of(
                "vm",
                "generated",
                &["generated_programs_give_what_they_must"],
            ),
            Named::of(
                "vm",
                "programs",
                &[
                    "examples_with_1_worker",
                    "examples_with_2_workers",
                    "examples_with_8_workers",
                    "examples_with_64_workers",
                    "programs_with_1_worker",
                    "programs_with_2_workers",
                    "programs_with_8_workers",
                    "programs_with_64_workers",
                ],
            ),
        ],
    ),
];

/// How many cases property tests are given.
const CASES: &[(&str, &str)] = &[("PROPTEST_CASES", "5000")];

const GENERATED: &[Check] = &[
    tests(
        "properties-map",
        "The TraceMap and the region do what a `hashbrown` map and a list of allocations do, with \
         one thread and with several, and when the system refuses pages.",
        "generated sequences of operations, compared with the model after each",
        &[
            Named::of(
                "runtime-trace",
                "properties_map",
                &["one_thread", "several_threads"],
            )
            .env(CASES),
            Named::of(
                "runtime-trace",
                "properties_region",
                &["one_thread", "several_threads"],
            )
            .env(CASES),
        ],
    ),
    tests(
        "properties-format",
        "Numbers, headers and batches of any contents are read as they were written, and what is \
         no number or header is refused.",
        "generated values and bytes, there and back",
        &[
            Named::of(
                "trace-format",
                "properties",
                &[
                    "numbers_come_back",
                    "truncated_numbers",
                    "padded_numbers",
                    "any_bytes",
                    "batch_headers_come_back",
                    "headers",
                ],
            )
            .env(CASES),
            Named::of(
                "trace-read",
                "properties_raw",
                &["bytes_come_back", "text_comes_back", "cuts_are_noticed"],
            )
            .env(CASES),
        ],
    ),
    tests(
        "properties-events",
        "Every event that can be said, with any arguments and stacks, is in the file as it was \
         said.",
        "generated calls of the whole API, compared with a model of it; every kind of event must \
         occur",
        &[Named::of(
            "e2e",
            "round_trip",
            &["what_is_said_is_written", "every_kind_is_said"],
        )
        .env(CASES)],
    ),
    Check {
        name: "storm",
        claim: "Workers that start, stop and advance the tracer at random while everything else \
                happens never make a file that is false, and never hang.",
        how: "ten minutes of seeds over the simulated scheduler and over programs; every file is \
              judged by our reader, those kept by Go's, strictly; a seed replays a failure \
              (`--seed S --storms 1`)",
        proof: Proof::Here {
            commands: &[
                "cargo run --release -p e2e --bin storm -- --seconds 600 --keep DIR",
                "cargo xtask go-check --strict DIR/*.trace",
                "cargo xtask go-check DIR/*.early",
            ],
            full: storm::full,
            slice: Slice::Run(storm::slice),
        },
    },
];

/// How long each target is fuzzed, seconds.
const FUZZED_FOR: u64 = 600;

/// A check by a fuzz target.
const fn fuzzed(
    name: &'static str,
    claim: &'static str,
    how: &'static str,
    commands: &'static [&'static str],
    full: fn() -> Figures,
) -> Check {
    let slice = Slice::Nothing("it needs nightly Rust and cargo-fuzz");
    Check {
        name,
        claim,
        how,
        proof: Proof::Here {
            commands,
            full,
            slice,
        },
    }
}

const FUZZED: &[Check] = &[
    fuzzed(
        "fuzz-varint",
        "No bytes bring down the reader of numbers; a number that is read is written back.",
        "ten minutes of coverage-guided bytes",
        &["cargo xtask fuzz varint --seconds 600"],
        || fuzzed_for("varint"),
    ),
    fuzzed(
        "fuzz-raw",
        "No bytes bring down the raw reader; what it reads is written back byte for byte.",
        "ten minutes of coverage-guided bytes, from the corpus on",
        &["cargo xtask fuzz raw --seconds 600"],
        || fuzzed_for("raw"),
    ),
    fuzzed(
        "fuzz-text",
        "No text brings down the reader of a trace's text form; a trace's text stands for it.",
        "ten minutes of coverage-guided texts, from the corpus on",
        &["cargo xtask fuzz text --seconds 600"],
        || fuzzed_for("text"),
    ),
    fuzzed(
        "fuzz-reader",
        "No bytes bring down the reader, make it hang or take more memory than it says; read \
         ahead or not, it says the same.",
        "ten minutes of coverage-guided bytes, from the corpus on",
        &["cargo xtask fuzz reader --seconds 600"],
        || fuzzed_for("reader"),
    ),
    fuzzed(
        "fuzz-ordered",
        "A well-formed trace is accepted with every event, one that is nearly so is read to its \
         end.",
        "ten minutes of traces made by coverage-guided choices",
        &["cargo xtask fuzz ordered --seconds 600"],
        || fuzzed_for("ordered"),
    ),
    fuzzed(
        "fuzz-tools",
        "No trace brings down an analysis or a renderer.",
        "ten minutes of coverage-guided bytes and choices, from the corpus on",
        &["cargo xtask fuzz tools --seconds 600"],
        || fuzzed_for("tools"),
    ),
    fuzzed(
        "fuzz-front_end",
        "No text brings down the language's front end: it ends in a program or in errors.",
        "ten minutes of coverage-guided texts, from the corpus on",
        &["cargo xtask fuzz front_end --seconds 600"],
        || fuzzed_for("front_end"),
    ),
    fuzzed(
        "fuzz-programs",
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
    claim: &'static str,
    commands: &'static [&'static str],
    full: fn() -> Figures,
    slice: Slice,
) -> Check {
    Check {
        name,
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

const TOOLS: &[Check] = &[
    watched(
        "asan",
        "AddressSanitizer finds nothing in the tracer, the simulator and the VM.",
        &["cargo xtask sanitize address --seconds 60 --planted"],
        || sanitized(Tool::Address),
        NO_NIGHTLY,
    ),
    watched(
        "tsan",
        "ThreadSanitizer finds no data race in the tracer, the simulator and the VM.",
        &["cargo xtask sanitize thread --seconds 60 --planted"],
        || sanitized(Tool::Thread),
        NO_NIGHTLY,
    ),
    watched(
        "memcheck",
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
        "Valgrind's helgrind finds no data race and no locks in two orders.",
        &["cargo xtask sanitize helgrind --seconds 60 --planted"],
        || sanitized(Tool::Helgrind),
        LIKE_MEMCHECK,
    ),
    watched(
        "drd",
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

const JUDGED: &[Check] = &[
    Check {
        name: "go",
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
