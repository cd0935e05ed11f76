//! A storm over the tracer itself: threads of the simulated scheduler move the
//! trace, and another thread reads it: now fast, now slow, now not at all.

use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};
use std::thread;
use std::time::Duration;

use runtime_trace::{Chunk, Config, Reader, Stats};

use crate::rng::Rng;
use crate::sim::control::simulate_in;
use crate::sim::weather::{Climate, Ending, Weather};
use crate::sim::{Setup, Sim};
use crate::storm::judge::Heard;
use crate::storm::keep::{FileEnd, Keep};
use crate::storm::pulse::Pulse;
use crate::storm::{Damage, Figures, Size};

/// A file that was recorded, and what is known of it.
pub(super) struct Caught {
    pub(super) bytes: Vec<u8>,
    /// How many of them are of pieces that are there as a whole.
    pub(super) whole: usize,
    pub(super) config: Config,
    pub(super) ending: Ending,
    pub(super) stats: Stats,
    /// The epoch of its first generation.
    pub(super) first: u64,
    /// Whether who read it said that it could not be written.
    pub(super) failed: bool,
}

impl fmt::Display for Caught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = if self.failed { ", not written" } else { "" };
        let [newest, before] = self.stats.recent;
        write!(
            f,
            "{:?}{failed}, {} generations, {}; generation {}: {}; {}: {}; {:?}",
            self.ending,
            self.stats.generations,
            self.stats.losses,
            newest.generation,
            newest.losses,
            before.generation,
            before.losses,
            self.config,
        )
    }
}

/// How the reader behaves.
#[derive(Clone, Copy, Debug)]
struct Catching {
    /// It has a rest after one in so many pieces, if at all.
    rests: Option<usize>,
    /// It fails in one of so many files, if at all.
    fails: Option<usize>,
}

/// Storms with this seed, and judges what comes of it.
///
/// # Errors
///
/// [`Damage`], and where the file is that it is about.
///
/// # Panics
///
/// If a thread of the simulator does: whoever runs many storms catches that.
pub fn storm(seed: u64, size: Size, pulse: &Pulse, keep: &mut Keep) -> Result<Figures, Damage> {
    let mut rng = Rng::new(seed, 0x5707);
    let procs = 1 + rng.below(6);
    let setup = Setup {
        seed,
        procs: procs as u32,
        threads: procs + 1 + rng.below(3),
        boot: 1 + rng.below(60),
        live: 10 + rng.below(150),
    };
    let climate = Climate {
        every: rng.of(&[10, 40, 150, 600]),
        weights: [4, rng.of(&[1, 4, 16]), rng.of(&[1, 2, 4])],
        tight: rng.one_in(3),
        impatient: rng.one_in(4),
        reentrant: rng.one_in(3),
    };
    let catching = Catching {
        rests: rng.one_in(2).then(|| 1 + rng.below(8)),
        fails: rng.one_in(4).then(|| 1 + rng.below(4)),
    };
    let sim = &Sim::new(&setup, Some(Weather::new(climate)));
    let weather = sim.weather();
    let slices = size.slices;
    let caught = thread::scope(|scope| {
        let catching = scope.spawn(|| catch(sim, weather, rng, catching));
        let stormed = panic::catch_unwind(AssertUnwindSafe(|| {
            simulate_in(sim, |control| {
                control.boot();
                while control.slices() < slices && !catching.is_finished() {
                    control.strikes();
                    sim.wait();
                    pulse.see(control.slices());
                }
                weather.calms_down();
            });
            sim.ends_storm();
        }));
        // Also when it failed: the reader is to come to its end.
        weather.is_over.store(true, Ordering::Release);
        if let Err(panicked) = stormed {
            weather.has_failed.store(true, Ordering::Release);
            panic::resume_unwind(panicked);
        }
        match catching.join() {
            Ok(caught) => caught,
            Err(panicked) => panic::resume_unwind(panicked),
        }
    })?;
    judge(seed, sim, weather, &caught, pulse, keep)
}

/// Judges all files, and then whether all that was said is accounted for.
fn judge(
    seed: u64,
    sim: &Sim,
    weather: &Weather,
    caught: &[Caught],
    pulse: &Pulse,
    keep: &mut Keep,
) -> Result<Figures, Damage> {
    let mut figures = Figures {
        storms: 1,
        // Relaxed, both: figures.
        moves: weather
            .strikes()
            .done
            .each_ref()
            .map(|n| n.load(Ordering::Relaxed)),
        refused: weather.strikes().refused.load(Ordering::Relaxed),
        ..Figures::default()
    };
    let mut heard = Heard::new(sim.take_words());
    let name = |at: usize| format!("storm-tracer-{seed}-{at:03}");
    let blame = |at: usize, damage, keep: &Keep| Damage::In {
        place: keep.evidence(&name(at), &caught[at].bytes),
        about: caught[at].to_string(),
        damage: Box::new(damage),
    };
    let mut held = Vec::new();
    for (at, file) in caught.iter().enumerate() {
        pulse.beat();
        let it = heard.hold(file).map_err(|damage| blame(at, damage, keep))?;
        figures.files += 1;
        figures.bytes += file.bytes.len() as u64;
        figures.events += it.events;
        figures.exact += u64::from(it.exact);
        for (sum, cause) in figures.lost.iter_mut().zip(runtime_trace::Loss::ALL) {
            *sum += file.stats.losses.count(*cause);
        }
        let end = match file.ending {
            _ if file.failed => FileEnd::Cut,
            Ending::Whole => FileEnd::Whole,
            Ending::Early | Ending::Stuck => FileEnd::Early,
            Ending::Sink | Ending::Unfinished => FileEnd::Cut,
        };
        figures.early += u64::from(end == FileEnd::Early);
        figures.cut += u64::from(end == FileEnd::Cut);
        keep.file(&name(at), end, &file.bytes)?;
        held.push(it);
    }
    for (at, (file, held)) in caught.iter().zip(&held).enumerate() {
        heard
            .conserves(file, held)
            .map_err(|damage| blame(at, damage, keep))?;
    }
    Ok(figures)
}

/// Reads file after file until the storm is over.
fn catch(
    sim: &Sim,
    weather: &Weather,
    mut rng: Rng,
    catching: Catching,
) -> Result<Vec<Caught>, Damage> {
    let mut caught: Vec<Caught> = Vec::new();
    let mut first = 1;
    let mut reader = sim.tracer.reader().expect("there is one reader");
    loop {
        let head = match reader.next() {
            Chunk::Data(bytes) => bytes.to_vec(),
            // Acquire: pairs with the store in `storm`, which comes after the
            // last stop.
            Chunk::End if weather.is_over.load(Ordering::Acquire) => return Ok(caught),
            _ if weather.has_failed.load(Ordering::Acquire) => return Ok(caught),
            _ => {
                thread::sleep(NAP);
                continue;
            }
        };
        let fails = catching.fails.is_some_and(|n| rng.one_in(n));
        let mut file = Catch {
            sim,
            weather,
            reader: Some(reader),
            bytes: head,
            fails_at: fails.then(|| rng.below(8)),
            number: caught.len(),
        };
        let Some(done) = file.read(&mut rng, catching.rests, first)? else {
            return Ok(caught);
        };
        first += done.stats.generations;
        caught.push(done);
        // Another reader may read the next file.
        reader = match (file.reader.take(), rng.one_in(4)) {
            (Some(same), false) => same,
            (same, _) => {
                drop(same);
                sim.tracer.reader().expect("there is one reader")
            }
        };
    }
}

/// How long a reader with nothing to read waits.
const NAP: Duration = Duration::from_micros(50);

/// A file that is being read.
struct Catch<'s> {
    sim: &'s Sim,
    weather: &'s Weather,
    reader: Option<Reader<'s>>,
    bytes: Vec<u8>,
    /// The piece that cannot be written.
    fails_at: Option<usize>,
    number: usize,
}

impl Catch<'_> {
    /// Reads on until the file ends; nothing if the storm has failed.
    fn read(
        &mut self,
        rng: &mut Rng,
        rests: Option<usize>,
        first: u64,
    ) -> Result<Option<Caught>, Damage> {
        let mut gate = lock(&self.weather.gate);
        let Some(&config) = self.weather.begun().get(self.number) else {
            return Err(Damage::NeverStarted);
        };
        let mut failed = false;
        let mut pieces = 0;
        let mut whole = self.bytes.len();
        loop {
            let reader = self.reader.as_mut().expect("it is there between pieces");
            let mut rest = match reader.next() {
                Chunk::Data(_) if failed => return Err(Damage::DataAfterFailure),
                Chunk::Data(bytes) => {
                    pieces += 1;
                    failed = self.fails_at.is_some_and(|at| at < pieces);
                    // A short write.
                    let taken = match failed {
                        true => rng.below(bytes.len()),
                        false => bytes.len(),
                    };
                    self.bytes.extend_from_slice(&bytes[..taken]);
                    if failed {
                        reader.fail();
                    } else {
                        whole = self.bytes.len();
                    }
                    Duration::ZERO
                }
                Chunk::Pending => NAP,
                Chunk::End => break,
            };
            if rests.is_some_and(|n| rng.one_in(n)) {
                rest = Duration::from_micros(rng.below(2000) as u64);
            }
            if rest > Duration::ZERO {
                let (mapped, limit) = (self.sim.tracer.stats().mapped, config.memory_limit);
                if mapped > limit {
                    return Err(Damage::Limit { mapped, limit });
                }
                drop(gate);
                thread::sleep(rest);
                gate = lock(&self.weather.gate);
            }
            // Acquire: pairs with the store in `storm`.
            if self.weather.has_failed.load(Ordering::Acquire) {
                return Ok(None);
            }
        }
        // Who ended it will say so.
        let ending = loop {
            match self.weather.ended().get(self.number) {
                // What it does not take when the trace is over is lost as well.
                Some(Ending::Whole | Ending::Early) if failed => break Ending::Sink,
                Some(&ending) => break ending,
                None => {}
            }
            // Acquire: as above.
            if self.weather.has_failed.load(Ordering::Acquire) {
                return Ok(None);
            }
            thread::sleep(NAP);
        };
        let stats = self.sim.tracer.stats();
        drop(gate);
        Ok(Some(Caught {
            bytes: std::mem::take(&mut self.bytes),
            whole,
            config,
            ending,
            stats,
            first,
            failed,
        }))
    }
}

fn lock(gate: &RwLock<()>) -> RwLockWriteGuard<'_, ()> {
    // There is nothing behind it that a panic could have left half done.
    gate.write().unwrap_or_else(PoisonError::into_inner)
}
