//! The simulated scheduler, traced: every transition that a task can make, at
//! random, and the file says what was said to the tracer, thread by thread.

use std::thread;
use std::time::Duration;

use e2e::kept::seed;
use e2e::sim::Setup;
use e2e::sim::control::{Control, simulate};
use runtime_trace::{AdvanceError, Config, Version};
use trace_format::EventKind;

/// A small program on so many procs, with two threads more.
fn setup(procs: u32) -> Setup {
    Setup {
        seed: seed(),
        procs,
        threads: procs as usize + 2,
        boot: 20,
        live: 100,
    }
}

fn config(procs: u32, version: Version) -> Config {
    let mut config = Config::new(procs);
    config.version = version;
    config
}

fn name(what: &str, setup: &Setup, version: Version) -> String {
    let Setup { procs, seed, .. } = setup;
    format!("sim-{what}-{procs}-procs-{version}-seed-{seed}").replace(' ', "-")
}

/// Runs for a while, in this many generations.
fn generations(control: &mut Control<'_>, generations: usize, slices: u64) {
    for _ in 1..generations {
        control.runs(slices);
        control.advance().expect("the file has come this far");
    }
    control.runs(slices);
}

/// Traces a program from its first task on.
fn from_the_start(procs: u32) {
    for version in [Version::Go125, Version::Go126] {
        let setup = setup(procs);
        simulate(&setup, |control| {
            let name = name("whole", &setup, version);
            let started = control.start(&config(procs, version), &name);
            started.expect("it starts");
            control.boot();
            generations(control, 5, 1000);
            let recording = control.stop();
            let checked = recording.judge();
            assert_eq!(recording.stats.losses.total(), 0);
            assert_eq!(recording.stats.generations, 5);
            assert_eq!(checked.counts[&EventKind::ProcsChange], 5);
            // Whatever lived when it ended goes on unseen.
            control.runs(100);
        });
    }
}

#[test]
fn one_proc() {
    from_the_start(1);
}

#[test]
fn two_procs() {
    from_the_start(2);
}

#[test]
fn eight_procs() {
    from_the_start(8);
}

/// Tracing starts in the middle: tasks run, wait, are in system calls, with and
/// without a proc.
#[test]
fn in_the_middle() {
    for (procs, version) in [(2, Version::Go126), (8, Version::Go125)] {
        let setup = setup(procs);
        simulate(&setup, |control| {
            control.boot();
            control.runs(500);
            let name = name("middle", &setup, version);
            let started = control.start(&config(procs, version), &name);
            started.expect("it starts");
            generations(control, 3, 800);
            let recording = control.stop();
            let checked = recording.judge();
            let of = |kind| checked.counts.get(&kind).copied().unwrap_or(0);
            assert!(of(EventKind::GoStatus) + of(EventKind::GoStatusStack) > 50);
        });
    }
}

/// Most of 10,000 tasks wait all the time. Each is in every generation.
#[test]
fn ten_thousand_tasks() {
    let setup = Setup {
        boot: 10_000,
        live: 11_000,
        ..setup(2)
    };
    simulate(&setup, |control| {
        control.boot();
        while control.live() < 10_000 {
            control.runs(1);
        }
        let name = name("10000-tasks", &setup, Version::Go126);
        let started = control.start(&config(2, Version::Go126), &name);
        started.expect("it starts");
        generations(control, 6, 200);
        let live = control.live();
        let recording = control.stop();
        let checked = recording.judge();
        assert!(live >= 9_000, "{live} tasks live");
        assert!(checked.live >= 9_000, "{} tasks in the trace", checked.live);
        let of = |kind| checked.counts.get(&kind).copied().unwrap_or(0);
        // Some are mentioned by what they do and not by a status.
        let mentions = of(EventKind::GoStatus) + of(EventKind::GoStatusStack);
        assert!(
            mentions >= 6 * 9_000,
            "{mentions} mentions in 6 generations"
        );
        assert_eq!(recording.stats.losses.total(), 0);
    });
}

/// The file is written on a thread of its own, and generations end by size.
#[test]
fn generations_by_size() {
    let setup = setup(4);
    simulate(&setup, |control| {
        let mut config = config(4, Version::Go126);
        config.generation_bytes = 100 << 10;
        config.period = Duration::MAX;
        let name = name("by-size", &setup, Version::Go126);
        control.start(&config, &name).expect("it starts");
        let mut writer = control.writer();
        thread::scope(|scope| {
            let writing = scope.spawn(move || {
                while !writer.pump() {
                    thread::yield_now();
                }
                writer.finish()
            });
            control.boot();
            let tracer = &control.sim().tracer;
            let mut advanced = 0;
            while advanced < 3 {
                control.runs(50);
                if tracer.advance_due() {
                    match control.advance() {
                        Ok(()) => advanced += 1,
                        Err(error) => assert_eq!(error, AdvanceError::ReaderBehind),
                    }
                }
            }
            let recording = control.stop_then(|| writing.join().expect("it writes"));
            recording.judge();
            assert_eq!(recording.stats.generations, 4);
            assert!(recording.stats.bytes > 3 * (100 << 10));
        });
    });
}
