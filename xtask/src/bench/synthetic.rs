//! A trace of any size, made up: for what takes too long to record.
//!
//! Two workers each run one task that, over and over, creates another, waits for
//! it and is woken by it as the other ends. So tasks come and go, six events for
//! each, and nothing else grows.

use std::io::{self, Write};

use trace_format::limits::{MAX_BATCH_SIZE, NO_THREAD};
use trace_format::{BatchHeader, EventKind, ProcStatus, TaskStatus, Version};
use trace_read::raw::{Payload, RawWriter, StackFrame};

/// About how many bytes a generation has, as the tracer makes them.
pub(super) const GENERATION: u64 = 16 << 20;

/// Most bytes that the events of a round take, with much to spare.
const ROUND: usize = 256;

/// How many workers there are, and as many tasks that live all the time.
const WORKERS: u64 = 2;

/// Clock units between two events.
const STEP: u64 = 2;

/// What a worker is at.
struct Worker {
    id: u64,
    /// Its clock.
    time: u64,
    /// The last task it has created. Each worker has a series of its own.
    task: u64,
    /// The last sequence number of the task that lives all the time.
    sequence: u64,
}

/// Writes a trace of about so many bytes, in generations of about so many.
pub(super) fn write(out: impl Write, bytes: u64, generation_bytes: u64) -> io::Result<()> {
    let mut trace = RawWriter::new(out, Version::Go126)?;
    let mut workers: Vec<Worker> = (1..=WORKERS)
        .map(|id| Worker {
            id,
            time: id,
            task: id,
            sequence: 0,
        })
        .collect();
    for generation in 1..=bytes.div_ceil(generation_bytes) {
        tables(&mut trace, generation, workers[0].time)?;
        let mut written = 0;
        for worker in &mut workers {
            worker.sequence = 0;
        }
        let mut first = true;
        while written < generation_bytes {
            for worker in &mut workers {
                written += batch(&mut trace, generation, worker, first)?;
            }
            first = false;
        }
        trace.end_of_generation()?;
    }
    trace.into_inner().flush()
}

/// Writes what a generation's events refer to.
fn tables<W: Write>(trace: &mut RawWriter<W>, generation: u64, time: u64) -> io::Result<()> {
    let header = BatchHeader {
        generation,
        thread: NO_THREAD,
        time,
    };
    let mut sync = Payload::new();
    sync.event(EventKind::Sync, &[])
        .event(EventKind::Frequency, &[1_000_000_000])
        .event(EventKind::ClockSnapshot, &[0, time, 1_700_000_000, 0]);
    trace.batch(&header, &sync)?;
    let mut strings = Payload::new();
    strings.event(EventKind::Strings, &[]);
    let texts = ["main.parent", "main.child", "main.go", "sync"];
    for (id, text) in (1..).zip(texts) {
        strings.string(id, text.as_bytes());
    }
    trace.batch(&header, &strings)?;
    let mut stacks = Payload::new();
    stacks.event(EventKind::Stacks, &[]);
    for (id, function) in [(1, 1), (2, 2)] {
        let frame = StackFrame {
            pc: 0x1000 * id,
            function,
            file: 3,
            line: 10 * id,
        };
        stacks.stack(id, &[frame]);
    }
    trace.batch(&header, &stacks)
}

/// Writes a full batch of a worker's rounds, and gives its size.
fn batch<W: Write>(
    trace: &mut RawWriter<W>,
    generation: u64,
    worker: &mut Worker,
    first: bool,
) -> io::Result<u64> {
    let header = BatchHeader {
        generation,
        thread: worker.id,
        time: worker.time,
    };
    let mut events = Payload::new();
    let (proc, parent) = (worker.id - 1, worker.id);
    if first {
        let (running, runs) = (ProcStatus::Running as u64, TaskStatus::Running as u64);
        events
            .event(EventKind::ProcStatus, &[0, proc, running])
            .event(EventKind::GoStatus, &[0, parent, worker.id, runs]);
    }
    while events.bytes().len() + ROUND < MAX_BATCH_SIZE {
        worker.task += WORKERS;
        let child = worker.task;
        events
            .event(EventKind::GoCreate, &[STEP, child, 2, 1])
            .event(EventKind::GoBlock, &[STEP, 4, 1])
            .event(EventKind::GoStart, &[STEP, child, 1])
            .event(
                EventKind::GoUnblock,
                &[STEP, parent, worker.sequence + 1, 2],
            )
            .event(EventKind::GoDestroy, &[STEP])
            .event(EventKind::GoStart, &[STEP, parent, worker.sequence + 2]);
        worker.sequence += 2;
        worker.time += 6 * STEP;
    }
    trace.batch(&header, &events)?;
    Ok(events.bytes().len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use trace_read::Reader;

    #[test]
    fn what_is_made_up_is_in_order() {
        let mut bytes = Vec::new();
        write(&mut bytes, 300_000, 200_000).unwrap();
        let mut reader = Reader::new(bytes.as_slice()).unwrap();
        let mut events = 0_u64;
        while reader.next_event().unwrap().is_some() {
            events += 1;
        }
        assert_eq!(reader.generations(), 2);
        assert!(events > bytes.len() as u64 / 10, "{events}");
    }
}
