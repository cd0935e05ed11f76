//! Small storms with fixed seeds: threads start, advance and stop the trace in
//! the middle of everything. For long ones there is `storm`, a program.
//!
//! Among these seeds are some of each kind of trouble: too little memory, no
//! patience, a reader that rests or fails, emissions within emissions.

use e2e::storm::keep::Keep;
use e2e::storm::pulse::Pulse;
use e2e::storm::{Damage, Figures, Size, program, tracer};
use runtime_trace::Loss;

fn storms(
    seeds: &[u64],
    size: Size,
    storm: impl Fn(u64, Size, &Pulse, &mut Keep) -> Result<Figures, Damage>,
) -> Figures {
    let (pulse, mut keep) = (Pulse::default(), Keep::of_tests());
    let mut figures = Figures::default();
    for &seed in seeds {
        match storm(seed, size, &pulse, &mut keep) {
            Ok(its) => figures.add(&its),
            Err(damage) => panic!("seed {seed}: {damage}"),
        }
    }
    println!("{figures}");
    figures
}

#[test]
fn threads_of_the_scheduler_move_the_trace() {
    let size = Size {
        slices: 1000,
        rounds: 0,
    };
    let figures = storms(&[1, 2, 3, 4, 5, 6, 7, 8], size, tracer::storm);
    assert!(figures.exact > 20, "{figures}");
    assert!(figures.moves.iter().all(|&count| count > 5), "{figures}");
    assert!(figures.refused > 50, "{figures}");
    assert!(figures.lost[Loss::Reentrant as usize] > 0, "{figures}");
}

#[test]
fn threads_beside_a_program_start_and_stop_traces() {
    let size = Size {
        slices: 0,
        rounds: 100,
    };
    let figures = storms(&[1, 2, 3, 4, 5, 6], size, program::storm);
    assert!(figures.files > 3 && figures.exact > 3, "{figures}");
}
