//! Files made to take much memory or time for their size.

use trace_format::limits::NO_THREAD;
use trace_format::{BatchHeader, EventKind, Version};
use trace_read::raw::{Payload, RawWriter, StackFrame};

/// A trace under construction.
pub struct File {
    pub writer: RawWriter<Vec<u8>>,
    generation: u64,
    /// When batches begin.
    pub time: u64,
    open: Payload,
    /// Bytes so far, about.
    len: usize,
}

impl File {
    pub fn new() -> Self {
        let mut file = Self {
            writer: RawWriter::new(Vec::new(), Version::Go126).unwrap(),
            generation: 1,
            time: 1,
            open: Payload::new(),
            len: 0,
        };
        file.clock();
        file
    }

    pub fn batch(&mut self, thread: u64, payload: &Payload) {
        let header = BatchHeader {
            generation: self.generation,
            thread,
            time: self.time,
        };
        self.writer.batch(&header, payload).unwrap();
        self.len += 5 + payload.bytes().len();
    }

    pub fn clock(&mut self) {
        let mut payload = Payload::new();
        payload
            .event(EventKind::Sync, &[])
            .event(EventKind::Frequency, &[1_000_000_000])
            .event(EventKind::ClockSnapshot, &[0, 0, 0, 0]);
        self.batch(NO_THREAD, &payload);
    }

    pub fn end(&mut self) {
        self.writer.end_of_generation().unwrap();
        self.generation += 1;
    }

    /// Adds to a batch of `thread`, which starts with a section's marker if it has
    /// one, and starts the next one when this one is large.
    pub fn add(&mut self, thread: u64, marker: Option<EventKind>, add: impl Fn(&mut Payload)) {
        if self.open.bytes().is_empty()
            && let Some(marker) = marker
        {
            self.open.event(marker, &[]);
        }
        add(&mut self.open);
        if self.open.bytes().len() > 60_000 {
            self.flush(thread);
        }
    }

    pub fn flush(&mut self, thread: u64) {
        let payload = std::mem::take(&mut self.open);
        if !payload.bytes().is_empty() {
            self.batch(thread, &payload);
        }
    }

    /// Bytes so far, about.
    pub fn len(&self) -> usize {
        self.len + self.open.bytes().len()
    }

    /// The file, its generation ended.
    pub fn ended(mut self) -> Vec<u8> {
        self.end();
        self.writer.into_inner()
    }
}

/// IDs that are far apart and still short: no two of them are less than 7 apart.
pub fn sparse(n: usize) -> u64 {
    n as u64 * 7 + 2_000
}

/// A file of about `size` bytes, made by adding things until it is that large.
fn filled(size: usize, mut add: impl FnMut(&mut File, usize), thread: u64) -> Vec<u8> {
    let mut file = File::new();
    let mut n = 0;
    while file.len() < size {
        add(&mut file, n);
        n += 1;
    }
    file.flush(thread);
    file.ended()
}

/// A worker that holds proc 0 and runs task 1, and whatever `add` adds.
fn on_task(size: usize, add: impl Fn(&mut Payload, u64)) -> Vec<u8> {
    filled(
        size,
        |file, n| {
            if n == 0 {
                file.open
                    .event(EventKind::ProcStatus, &[0, 0, 1])
                    .event(EventKind::GoStatus, &[0, 1, 1, 2]);
            }
            file.add(1, None, |payload| add(payload, sparse(n)));
        },
        1,
    )
}

fn table(size: usize, marker: EventKind, add: impl Fn(&mut Payload, u64)) -> Vec<u8> {
    filled(
        size,
        |file, n| file.add(NO_THREAD, Some(marker), |payload| add(payload, sparse(n))),
        NO_THREAD,
    )
}

pub fn frames(from: u64, count: u64) -> Vec<StackFrame> {
    let frame = |pc| StackFrame {
        pc,
        function: 0,
        file: 0,
        line: 0,
    };
    (from..from + count).map(frame).collect()
}

/// Files that take much memory, by what there is much of.
pub fn files(size: usize) -> Vec<(&'static str, Vec<u8>)> {
    use EventKind::*;
    let empty = Payload::new();
    let mut one = Payload::new();
    one.event(HeapAlloc, &[0, 0]);
    let mut cut = Payload::new();
    cut.event(Frequency, &[0]);
    let mut proc = Payload::new();
    proc.event(ProcStatus, &[0, 0, 2]);
    let mut claims = File::new().writer.into_inner();
    // A batch of the largest size there may be, and the file ends.
    claims.extend([EventBatch as u8, 1, 1, 1, 0x80, 0x80, 0x04]);
    vec![
        (
            "strings",
            table(size, Strings, |p, id| {
                p.string(id, b"");
            }),
        ),
        (
            "strings of a byte",
            table(size, Strings, |p, id| {
                p.string(id, b"x");
            }),
        ),
        (
            "strings that are no UTF-8",
            table(size, Strings, |p, id| {
                p.string(id, &[0xff; 1024]);
            }),
        ),
        (
            "stacks",
            table(size, Stacks, |p, id| {
                p.stack(id, &[]);
            }),
        ),
        (
            "stacks of a frame",
            table(size, Stacks, |p, id| {
                p.stack(id, &frames(id, 1));
            }),
        ),
        (
            "deep stacks",
            table(size, Stacks, |p, id| {
                p.stack(id, &frames(id * 128, 128));
            }),
        ),
        (
            "samples",
            table(size, CPUSamples, |p, _| {
                p.event(CPUSample, &[0, 0, 0, 0, 0]);
            }),
        ),
        (
            "workers",
            filled(size, |file, n| file.batch(sparse(n), &one), 0),
        ),
        (
            "workers that start",
            filled(size, |file, n| file.batch(sparse(n), &proc), 0),
        ),
        (
            "workers with an event out of place",
            filled(size, |file, n| file.batch(sparse(n), &cut), 0),
        ),
        (
            "workers without events",
            filled(size, |file, n| file.batch(sparse(n), &empty), 0),
        ),
        (
            "empty batches",
            filled(size, |file, _| file.batch(1, &empty), 0),
        ),
        (
            "batches of an experiment",
            filled(
                size,
                |file, _| {
                    let header = BatchHeader {
                        generation: 1,
                        thread: 1,
                        time: 1,
                    };
                    file.writer.experiment(1, &header, b"").unwrap();
                    file.len += 6;
                },
                0,
            ),
        ),
        (
            "generations",
            filled(
                size,
                |file, _| {
                    file.batch(1, &proc);
                    file.end();
                    file.clock();
                },
                0,
            ),
        ),
        (
            "tasks",
            on_task(size, |p, id| {
                p.event(GoStatus, &[0, id, 1, 4]);
            }),
        ),
        (
            "new tasks",
            on_task(size, |p, id| {
                p.event(GoCreate, &[0, id, 0, 0]);
            }),
        ),
        (
            "tasks in a range",
            on_task(size, |p, id| {
                p.event(GoStatus, &[0, id, 1, 4])
                    .event(GCMarkAssistActive, &[0, id]);
            }),
        ),
        (
            "procs",
            on_task(size, |p, id| {
                p.event(ProcStatus, &[0, id, 2]);
            }),
        ),
        (
            "procs in a range",
            on_task(size, |p, id| {
                p.event(ProcStatus, &[0, id, 2])
                    .event(GCSweepActive, &[0, id]);
            }),
        ),
        (
            "tasks in system calls of workers without events",
            on_task(size, |p, id| {
                p.event(GoStatus, &[0, id, id, 3]);
            }),
        ),
        (
            "user tasks",
            on_task(size, |p, id| {
                p.event(UserTaskBegin, &[0, id, 0, 0, 0]);
            }),
        ),
        (
            "regions",
            on_task(size, |p, _| {
                p.event(UserRegionBegin, &[0, 0, 0, 0]);
            }),
        ),
        (
            "events",
            on_task(size, |p, _| {
                p.event(HeapAlloc, &[0, 0]);
            }),
        ),
        ("a size claimed", claims),
        (
            "workers that wait in a file that is cut off",
            cut_off(filled(
                size,
                |file, n| {
                    let mut waits = Payload::new();
                    waits.event(GoStart, &[0, sparse(n), 9]);
                    file.batch(sparse(n), &waits);
                },
                1,
            )),
        ),
        (
            "strings and stacks that are missing",
            cut_off(on_task(size, |p, id| {
                p.event(UserLog, &[0, 0, id, id + 1, id]);
            })),
        ),
    ]
}

/// The file without the mark at its end.
fn cut_off(mut file: Vec<u8>) -> Vec<u8> {
    file.pop();
    file
}
