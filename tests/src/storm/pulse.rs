//! Whether something still moves.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Signs of life, and whose they are. All accesses are Relaxed: figures for a
/// thread that does nothing but look.
#[derive(Debug, Default)]
pub struct Pulse {
    beats: AtomicU64,
    seen: AtomicU64,
    seed: AtomicU64,
}

impl Pulse {
    /// Another storm begins.
    pub fn begin(&self, seed: u64) {
        self.seed.store(seed, Ordering::Relaxed);
        self.beat();
    }

    /// Something was done.
    pub fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Something was done if this figure is another than last time.
    pub fn see(&self, figure: u64) {
        if self.seen.swap(figure, Ordering::Relaxed) != figure {
            self.beat();
        }
    }

    /// Watches until nothing has been done for so long: the seed of that storm.
    pub fn watch(&self, patience: Duration) -> u64 {
        let mut beats = 0;
        let mut since = Instant::now();
        loop {
            thread::sleep(Duration::from_millis(200));
            let now = self.beats.load(Ordering::Relaxed);
            if now != beats {
                (beats, since) = (now, Instant::now());
            } else if since.elapsed() > patience {
                return self.seed.load(Ordering::Relaxed);
            }
        }
    }
}
