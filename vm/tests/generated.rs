//! Generated programs, whose result is known, give it with any number of
//! workers, traced and untraced.

mod support;

#[path = "support/generated.rs"]
mod generated;

use std::time::Duration;

use generated::Choices;
use support::{How, run};

/// How many programs, and of how many choices each.
const SEEDS: u64 = 40;
const CHOICES: usize = 600;

/// So many steps a program takes at most, about.
const STEPS: i64 = 50_000;

/// Numbers that look random (splitmix64).
fn random(seed: u64) -> impl Iterator<Item = u8> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = state;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) as u8
    })
}

#[test]
fn generated_programs_give_what_they_must() {
    for seed in 0..SEEDS {
        let bytes: Vec<u8> = random(seed).take(CHOICES).collect();
        let program = generated::program(&mut Choices::new(&bytes), STEPS);
        for workers in [1, 8] {
            for traced in [false, true] {
                let trace = format!("generated-{seed}-w{workers}");
                let ran = run(
                    "generated.weft",
                    &program.source,
                    How {
                        trace: traced.then_some(&*trace),
                        period: Duration::from_millis(3),
                        ..How::workers(workers)
                    },
                );
                assert_eq!(
                    (&*ran.output, ran.status),
                    (&*program.output, program.status),
                    "seed {seed}, {workers} workers, traced: {traced}: {}\n{}",
                    ran.message,
                    program.source
                );
            }
        }
    }
}
