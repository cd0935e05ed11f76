//! The same thing on several threads at once.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// Runs `work` on the calling thread and gives the time that it took.
///
/// Instructions are counted within the function of this name, so it is never
/// inlined.
#[inline(never)]
pub(crate) fn timed_here(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// Runs `work` with the numbers from 0 to `threads` − 1 on as many threads and
/// gives the time from the first one's start to the last one's end. One alone
/// runs on the calling thread.
pub(crate) fn timed(threads: usize, work: impl Fn(usize) + Sync) -> Duration {
    if threads == 1 {
        return timed_here(|| work(0));
    }
    let ready = Barrier::new(threads);
    let times: Vec<(Instant, Instant)> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|number| {
                let (ready, work) = (&ready, &work);
                scope.spawn(move || {
                    ready.wait();
                    let start = Instant::now();
                    work(number);
                    (start, Instant::now())
                })
            })
            .collect();
        running
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .collect()
    });
    let start = times.iter().map(|(start, _)| *start).min();
    let end = times.iter().map(|(_, end)| *end).max();
    match (start, end) {
        (Some(start), Some(end)) => end - start,
        _ => Duration::ZERO,
    }
}
