//! The Rust peers: `tracing` with its Chrome layer, and measureme.
//!
//! Both are given what corresponds to a region, two events, and to a message.
//! Neither takes stacks. The Chrome layer hands what it is told to a thread of
//! its own, which makes JSON of it; that thread's work is in no figure here.

use std::io;
use std::time::Duration;

use measureme::{EventId, Profiler, StringId};
use tracing_subscriber::layer::SubscriberExt;

use crate::case::{BenchError, Case, Ran};
use crate::threads::timed_here;

/// Operations between two pauses in which the Chrome layer's thread catches up.
const STRETCH: u64 = 2_000;

/// Prepares `peer` for what `what` names, if it knows that.
pub(super) fn open(peer: &str, what: &str) -> Option<Box<dyn Case>> {
    let what = match what {
        "off" => What::Off,
        "region" => What::Region,
        "log-stack" => What::Message,
        _ => return None,
    };
    match peer {
        "tracing" => Some(Box::new(Chrome(what))),
        "measureme" if !matches!(what, What::Off) => Some(Box::new(Measureme(what))),
        _ => None,
    }
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// A region, with nobody listening.
    Off,
    Region,
    Message,
}

impl What {
    /// Events that an operation writes; a region without a listener counts once.
    fn events(self) -> u64 {
        match self {
            Self::Region => 2,
            Self::Off | Self::Message => 1,
        }
    }
}

struct Chrome(What);

impl Case for Chrome {
    fn run(&mut self, operations: u64) -> Result<Ran, BenchError> {
        let mut ran = Ran {
            operations: 0,
            time: Duration::ZERO,
        };
        let mut stretch = || {
            ran.time += timed_here(|| {
                for _ in 0..STRETCH {
                    match self.0 {
                        What::Off | What::Region => tracing::info_span!("region").in_scope(|| {}),
                        What::Message => tracing::info!("a message"),
                    }
                }
            });
            ran.operations += STRETCH * self.0.events();
            ran.operations < operations
        };
        if let What::Off = self.0 {
            while stretch() {}
            return Ok(ran);
        }
        let (layer, guard) = tracing_chrome::ChromeLayerBuilder::new()
            .writer(io::sink())
            .build();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            while stretch() {
                guard.flush();
            }
        });
        Ok(ran)
    }
}

struct Measureme(What);

impl Case for Measureme {
    fn run(&mut self, operations: u64) -> Result<Ran, BenchError> {
        let stem = std::env::temp_dir().join(format!("bench-measureme-{}", std::process::id()));
        let profiler =
            Profiler::new(&stem).map_err(|_| BenchError::Refused("measureme: its file"))?;
        let kind: StringId = profiler.alloc_string("Region");
        let label = EventId::from_label(profiler.alloc_string("region"));
        let mut done = 0;
        let time = timed_here(|| {
            while done < operations {
                match self.0 {
                    What::Message => profiler.record_instant_event(kind, label, 1),
                    What::Off | What::Region => {
                        drop(profiler.start_recording_interval_event(kind, label, 1));
                    }
                }
                done += self.0.events();
            }
        });
        drop(profiler);
        let mut file = stem;
        file.set_extension("mm_profdata");
        // If it stays, it is one file in the folder for such files.
        let _ = std::fs::remove_file(file);
        Ok(Ran {
            operations: done,
            time,
        })
    }
}
