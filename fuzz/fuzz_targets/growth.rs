//! The tools' time: it follows the size of a trace, whatever is in it.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/trace-tools/tests/support/every_tool.rs"]
#[allow(dead_code)]
mod every_tool;

#[path = "../../crates/trace-read/tests/support/hostile.rs"]
#[allow(dead_code)]
mod hostile;

#[path = "../../crates/trace-tools/tests/support/phases.rs"]
mod phases;

/// Things in a phase of the smaller trace, and how many times as many there are in
/// the larger.
const COUNT: u64 = 1000;
const TIMES: u64 = 4;

/// Nanoseconds that are too little to be judged.
const LITTLE: u64 = 100_000_000;

/// The processor's time for a tool on a trace, nanoseconds.
fn time(tool: u8, trace: &[u8]) -> u64 {
    let before = clock();
    // What is wrong with the trace is no matter here.
    let _ = every_tool::run(tool, trace.to_vec());
    clock() - before
}

fn clock() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a place for what is asked, and there is such a clock.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&tool, choices)) = bytes.split_first() else {
        return;
    };
    let (few, many) = (
        phases::trace(choices, COUNT),
        phases::trace(choices, TIMES * COUNT),
    );
    // A busy machine makes some runs slow, and hardly the same one three times.
    for _ in 0..3 {
        let (short, long) = (time(tool, &few), time(tool, &many));
        if long < LITTLE || long < 10 * short {
            return;
        }
    }
    panic!(
        "{} bytes take more than ten times as long as {}",
        many.len(),
        few.len()
    );
});
