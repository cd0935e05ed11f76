//! Tracing starts and stops, 200 times in one process, while the program runs.

use e2e::kept::seed;
use e2e::sim::Setup;
use e2e::sim::control::simulate;
use runtime_trace::{Config, StartError, Version};

const CYCLES: u64 = 200;

#[test]
fn two_hundred_traces_of_one_run() {
    let setup = Setup {
        seed: seed(),
        procs: 3,
        threads: 6,
        boot: 20,
        live: 60,
    };
    let mut events = 0;
    let mut leftovers = Vec::new();
    simulate(&setup, |control| {
        control.boot();
        for cycle in 0..CYCLES {
            let mut config = Config::new(setup.procs);
            if cycle % 2 == 1 {
                config.version = Version::Go125;
            }
            let name = format!("restart-seed-{}-{cycle:03}", setup.seed);
            control.start(&config, &name).expect("it starts");
            assert_eq!(
                control.start(&config, &name),
                Err(StartError::AlreadyTracing)
            );
            // Some are over before anything happens, some have generations.
            control.runs(cycle % 4 * 10);
            if cycle % 8 == 7 {
                control.advance().expect("the file has come this far");
                control.runs(10);
            }
            let recording = control.stop();
            recording.judge();
            assert_eq!(recording.stats.losses.total(), 0, "cycle {cycle}");
            events += recording.stats.events;
            leftovers.push(recording.stats.mapped);
            // Now and then the program goes on untraced for a while.
            if cycle % 3 == 0 {
                control.runs(20);
            }
        }
    });
    assert!(events > 10_000, "{events} events in all");
    // Memory does not grow with the number of traces.
    let most = |part: &[usize]| part.iter().copied().max().unwrap_or(0);
    let (first, last) = leftovers.split_at(leftovers.len() / 2);
    assert!(
        most(last) <= 2 * most(first),
        "{} bytes mapped after a trace, {} before",
        most(last),
        most(first)
    );
}
