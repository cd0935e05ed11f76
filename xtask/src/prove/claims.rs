//! What is claimed, and by which check. `docs/evidence.md` is this table with
//! results.

mod covers;
mod outside;

use std::time::Duration;

use super::named::{self, Named};
use super::{Check, Proof, Section, Slice, overload, page_size, storm};
use crate::loom;

use self::covers::{
    EMBEDDER, FORMAT, FRONT_END, Group, HARNESS, MODELS, OVERLOAD, PAGE_SIZE, PROGRAMS, RAW,
    READER, STORM, TABLES, TRACER, VM, VM_LIBRARY, VM_MODELS,
};
use self::outside::{FUZZED, JUDGED, WATCHED};

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
        checks: WATCHED,
    },
    Section {
        title: "Judged by Go",
        checks: JUDGED,
    },
];

/// A check that is made of tests.
const fn tests(
    name: &'static str,
    covers: &'static [Group],
    claim: &'static str,
    how: &'static str,
    tests: &'static [Named],
) -> Check {
    Check {
        name,
        covers,
        claim,
        how,
        proof: Proof::Tests(tests),
    }
}

const INTERLEAVINGS: &[Check] = &[
    Check {
        name: "models",
        covers: &[TRACER, MODELS, VM_MODELS],
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
        covers: &[TRACER, MODELS],
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
        &[TRACER, HARNESS],
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
        &[TRACER, HARNESS],
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
        covers: &[TRACER, VM, OVERLOAD],
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
        &[TRACER, VM],
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
        &[TRACER, VM, HARNESS],
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
        &[TRACER, HARNESS],
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
        &[TRACER, HARNESS],
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
        &[TRACER, HARNESS],
        "A process at its real limit of memory (`RLIMIT_AS`) goes on, and its trace is valid or \
         was not begun.",
        "a child limits itself to 0 to 200 more blocks and traces; all of untraced, ended early \
         and whole must occur",
        &[Named::of("e2e", "no_pages", &["a_process_at_its_limit"]).long()],
    ),
    tests(
        "sink-fails",
        &[TRACER, VM],
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
        "killed",
        &[TRACER, READER, HARNESS],
        "Of what a process had said to its tracer 100 ms before SIGKILL, at least 95 % can be \
         read, with names, however long a generation is; and thread by thread it is what was \
         said first, without a gap and with nothing invented.",
        "a runtime with busy threads, an idle one and one in long system calls is killed at \
         random moments of its first two generations, of 0.1, 1 and 10 s, 20 times each; what it \
         noted in shared memory is compared with what is read; threads that were inside an \
         emission are counted apart, and so is time for which the writer did not get to run",
        &[Named::of("e2e", "killed", &["what_was_said_before_a_kill_is_read"]).long()],
    ),
    tests(
        "short-writes",
        &[TRACER, VM],
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
        &[TRACER, VM],
        "A program does not wait for a file that stalls, however long; in the end the file is \
         given up, and said to be.",
        "a pipe that is read late, one that is never read, and one that nobody opens or opens \
         late, with programs that end by themselves or by a signal",
        &[
            Named::of(
                "vm",
                "sinks",
                &[
                    "a_program_goes_on_while_its_trace_is_stuck",
                    "a_trace_that_is_stuck_for_ever_is_given_up",
                ],
            ),
            Named::of(
                "vm",
                "opened",
                &[
                    "a_pipe_without_a_reader_keeps_no_program_from_starting",
                    "a_pipe_that_nobody_ever_reads_is_given_up",
                ],
            ),
        ],
    ),
    tests(
        "asked-to-end",
        &[TRACER, VM],
        "SIGINT, SIGTERM and SIGHUP end a program and finish its trace, also if they come twice \
         within a second, and within 10 s; one that is ignored at the start stays ignored.",
        "signals to programs that work, wait, read, print and cannot print; twice to one whose \
         trace is stuck; a trace and an output that are read too slowly",
        &[
            Named::of(
                "vm",
                "signals",
                &[
                    "a_signal_that_comes_twice_at_once_is_one_wish",
                    "an_ignored_signal_stays_ignored",
                    "after_a_signal_a_file_that_takes_little_is_given_up",
                    "a_program_that_does_not_end_after_a_signal_is_ended",
                ],
            ),
            Named::of(
                "vm",
                "cli",
                &[
                    "a_signal_stops_the_program_and_finishes_the_trace",
                    "one_signal_stops_a_program_that_cannot_write",
                    "a_second_ctrl_c_ends_even_a_program_whose_trace_cannot_be_finished",
                ],
            ),
        ],
    ),
    tests(
        "replaces-traces-only",
        &[VM],
        "A trace's file is for its owner only, replaces nothing but an empty file or a trace, is \
         reached by no link, and is one program's at a time.",
        "files of all kinds, links, pipes and descriptors as `--trace`, and as the further files of \
         a trace; two programs at once",
        &[
            Named::of(
                "vm",
                "opened",
                &[
                    "what_is_no_trace_is_not_replaced",
                    "links_to_files_are_not_followed",
                    "a_new_file_is_for_its_owner_only",
                    "two_programs_do_not_record_into_one_file",
                    "descriptors_are_taken_as_they_are",
                ],
            ),
            Named::of("vm", "resumed", &["the_command_line_names_each_file"]),
        ],
    ),
    tests(
        "fork",
        &[TRACER, HARNESS],
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
        &[TRACER, HARNESS],
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
        &[TRACER, HARNESS],
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
        &[TRACER, HARNESS],
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
        &[TRACER, HARNESS],
        "A clock that steps back, the system's or the processor's counter, never makes time in \
         the trace step back or wrap.",
        "the test's own clock steps back at random and is 0 now and then, and in another program \
         the test's own counter does; the file's times are looked at thread by thread",
        &[
            Named::of("e2e", "clock", &["time_never_steps_back"]),
            Named::of("e2e", "clock_counter", &["time_never_steps_back"]),
        ],
    ),
    Check {
        name: "page-size",
        covers: &[TRACER, VM_LIBRARY, HARNESS, EMBEDDER, PAGE_SIZE],
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
        &[TRACER, VM, FRONT_END, PROGRAMS],
        "A program's output and exit status are the same with and without a trace, where there is \
         one descriptor for it and, of a limited address space, an eighth and 8 MiB.",
        "all examples and test programs with 1, 2, 8 and 64 workers, generated programs whose \
         result is known, the command line, and signals that end a program; address spaces from \
         100 to 250 MB, and the least that it runs in; four descriptors; traced and not",
        &[
            Named::of(
                "vm",
                "limits",
                &["where_addresses_are_few_a_traced_program_does_as_an_untraced_one"],
            ),
            Named::of("vm", "opened", &["a_trace_takes_one_descriptor"]),
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
const CASES: &[(&str, &str)] = &[(named::CASES, "5000")];

const GENERATED: &[Check] = &[
    tests(
        "properties-map",
        &[TABLES],
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
        &[FORMAT, RAW],
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
        &[TRACER, HARNESS],
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
        covers: &[TRACER, VM_LIBRARY, FRONT_END, STORM],
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::prove::code::{Tree, is_covered};
    use crate::root::root;
    use crate::tidy;

    #[test]
    fn every_fuzz_target_has_a_check() {
        let known = |name: &str| {
            let mut all = SECTIONS.iter().flat_map(|section| section.checks);
            all.any(|check| check.name == format!("fuzz-{name}"))
        };
        for entry in fs::read_dir(root().join("fuzz/fuzz_targets")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(known(name), "no check for the fuzz target {name}");
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = SECTIONS
            .iter()
            .flat_map(|section| section.checks)
            .map(|check| check.name)
            .collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    /// Each path that a check covers is there, and each file of the tracer is
    /// covered.
    #[test]
    fn what_is_covered_is_there() {
        let all: Vec<_> = SECTIONS.iter().flat_map(|it| it.checks).collect();
        let named = |check: &&Check| -> Vec<String> {
            let paths = check.covers.iter().copied().flatten();
            let paths = paths.map(|path| path.trim_start_matches('!').to_owned());
            let Proof::Tests(tests) = &check.proof else {
                return paths.collect();
            };
            // What tests share is not everywhere.
            paths
                .chain(tests.iter().map(|it| it.paths()[0].clone()))
                .collect()
        };
        let everything = ["*".to_owned()];
        let tree = Tree::read(&root(), &everything).unwrap();
        for check in &all {
            assert!(!check.covers.is_empty(), "{} covers nothing", check.name);
            for path in named(check) {
                let path = [path];
                let is_there = tree.files().any(|file| is_covered(file, &path));
                assert!(
                    is_there,
                    "{} covers {}, which is not there",
                    check.name, path[0]
                );
            }
        }
        let sources = tidy::rust_files(&root().join("runtime-trace/src")).unwrap();
        assert!(sources.len() > 20);
        for source in sources {
            let file = source.strip_prefix(root()).unwrap().to_str().unwrap();
            let covers = |check: &&&Check| is_covered(file, &check.paths());
            let count = all.iter().filter(covers).count();
            assert!(count > 0, "no check covers {file}");
        }
        let no_code = all.iter().flat_map(|it| it.paths()).collect::<Vec<_>>();
        for file in [
            "README.md",
            "docs/evidence.md",
            "xtask/src/prove/claims.rs",
            "Cargo.lock",
        ] {
            assert!(!is_covered(file, &no_code), "{file} is covered");
        }
    }
}
