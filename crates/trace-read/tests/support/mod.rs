//! Builds small traces for tests, from `trace-format`'s encoders alone.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod found;
pub mod kept;
pub mod lines;

pub use kept::Random;

use trace_format::limits::NO_THREAD;
use trace_format::version::HEADER_LEN;
use trace_format::{BatchHeader, EventKind, Version, varint};

/// A trace under construction.
pub struct Trace {
    pub bytes: Vec<u8>,
}

impl Trace {
    pub fn new(version: Version) -> Self {
        Self {
            bytes: version.header().to_vec(),
        }
    }

    /// Adds a batch with its size in a padded number, as a writer does.
    pub fn batch(&mut self, generation: u64, thread: u64, time: u64, payload: &Payload) {
        let header = BatchHeader {
            generation,
            thread,
            time,
        };
        let mut out = [0; BatchHeader::MAX_LEN];
        let (len, size_at) = header.encode(&mut out);
        out[size_at..size_at + varint::MAX_LEN]
            .copy_from_slice(&varint::encode_padded(payload.0.len() as u64));
        self.bytes.extend_from_slice(&out[..len]);
        self.bytes.extend_from_slice(&payload.0);
    }

    /// Adds a batch of an experiment.
    pub fn experiment(&mut self, id: u8, generation: u64, thread: u64, time: u64, data: &[u8]) {
        self.bytes.extend([EventKind::ExperimentalBatch as u8, id]);
        for number in [generation, thread, time, data.len() as u64] {
            push(&mut self.bytes, number);
        }
        self.bytes.extend_from_slice(data);
    }

    /// Ends a generation, in versions that mark its end.
    pub fn end(&mut self, version: Version) {
        if version.has_end_of_generation() {
            self.bytes.push(EventKind::EndOfGeneration as u8);
        }
    }
}

/// What a batch holds.
#[derive(Default)]
pub struct Payload(pub Vec<u8>);

impl Payload {
    pub fn new() -> Self {
        Self::default()
    }

    /// An event; a timed one's difference comes first among the numbers.
    pub fn event(mut self, kind: EventKind, numbers: &[u64]) -> Self {
        self.0.push(kind as u8);
        for &number in numbers {
            push(&mut self.0, number);
        }
        self
    }

    pub fn string(self, id: u64, text: &str) -> Self {
        let mut with = self.event(EventKind::String, &[id, text.len() as u64]);
        with.0.extend_from_slice(text.as_bytes());
        with
    }

    pub fn stack(self, id: u64, frames: &[[u64; 4]]) -> Self {
        let mut with = self.event(EventKind::Stack, &[id, frames.len() as u64]);
        for number in frames.as_flattened() {
            push(&mut with.0, *number);
        }
        with
    }
}

pub fn push(out: &mut Vec<u8>, number: u64) {
    let mut encoded = [0; varint::MAX_LEN];
    let used = varint::encode(number, &mut encoded);
    out.extend_from_slice(&encoded[..used]);
}

/// Thread whose events [`sample`] records.
pub const THREAD: u64 = 7;

/// Clock units per second in [`sample`].
pub const FREQUENCY: u64 = 1_000_000;

/// Two generations with every kind of batch that the version has.
///
/// Task 1 creates task 2, logs a loss and blocks; task 2 runs and ends. All that
/// a second: generation `n` starts at `n` seconds and its last event is half a
/// second later.
pub fn sample(version: Version) -> Vec<u8> {
    let mut trace = Trace::new(version);
    for generation in 1..=2 {
        let time = generation * FREQUENCY;
        let sync = match version.has_sync_batch() {
            true => Payload::new()
                .event(EventKind::Sync, &[])
                .event(EventKind::Frequency, &[FREQUENCY])
                .event(EventKind::ClockSnapshot, &[1, 5_000, 1_700_000_000, 17]),
            false => Payload::new().event(EventKind::Frequency, &[FREQUENCY]),
        };
        trace.batch(generation, NO_THREAD, time, &sync);
        trace.batch(generation, THREAD, time, &events());
        trace.batch(generation, THREAD, time, &Payload::new());
        let strings = Payload::new()
            .event(EventKind::Strings, &[])
            .string(1, "main")
            .string(2, "main.weft")
            .string(3, "chan receive")
            .string(4, "runtime-trace")
            .string(5, "3 events lost\n\"quoted\" é");
        trace.batch(generation, NO_THREAD, time, &strings);
        let stacks = Payload::new()
            .event(EventKind::Stacks, &[])
            .stack(1, &[[0x10, 1, 2, 3], [0x2000, 1, 2, 300]])
            .stack(2, &[]);
        trace.batch(generation, NO_THREAD, time, &stacks);
        let samples = Payload::new()
            .event(EventKind::CPUSamples, &[])
            .event(EventKind::CPUSample, &[time + 10, THREAD, 0, 1, 1]);
        trace.batch(generation, NO_THREAD, time, &samples);
        if version >= Version::Go123 {
            trace.experiment(1, generation, THREAD, time, b"not \x00 events");
        }
        trace.end(version);
    }
    trace.bytes
}

fn events() -> Payload {
    Payload::new()
        .event(EventKind::ProcStatus, &[10, 0, 1])
        .event(EventKind::GoStatus, &[1, 1, THREAD, 2])
        .event(EventKind::GoCreate, &[5, 2, 1, 1])
        .event(EventKind::UserLog, &[300, 0, 4, 5, 1])
        .event(EventKind::GoBlock, &[0, 3, 1])
        .event(EventKind::GoStart, &[FREQUENCY / 2 - 316, 2, 1])
        .event(EventKind::GoDestroy, &[0])
}

/// Two generations, seven events each, of the one task that [`THREAD`] runs: six
/// of the worker's and a CPU sample. Unlike [`sample`], it can have happened.
pub fn orderly(version: Version) -> Vec<u8> {
    use EventKind::*;
    let mut trace = Trace::new(version);
    for generation in 1..=2 {
        let time = generation * FREQUENCY;
        let sync = match version.has_sync_batch() {
            true => Payload::new()
                .event(Sync, &[])
                .event(Frequency, &[FREQUENCY])
                .event(ClockSnapshot, &[1, 5_000, 1_700_000_000, 17]),
            false => Payload::new().event(Frequency, &[FREQUENCY]),
        };
        trace.batch(generation, NO_THREAD, time, &sync);
        let status = Payload::new().event(ProcStatus, &[10, 0, 1]);
        let first = match generation {
            1 => status
                .event(GoStatus, &[1, 1, THREAD, 2])
                .event(GoBlock, &[5, 2, 1]),
            _ => status
                .event(HeapAlloc, &[1, 4_096])
                .event(GoStatus, &[5, 1, THREAD, 4]),
        };
        trace.batch(generation, THREAD, time, &first);
        let second = Payload::new()
            .event(GoUnblock, &[20, 1, 1, 0])
            .event(GoStart, &[1, 1, 2])
            .event(GoBlock, &[300, 2, 1]);
        trace.batch(generation, THREAD, time, &second);
        let samples = Payload::new()
            .event(CPUSamples, &[])
            .event(CPUSample, &[time + 100, THREAD, 0, 1, 1]);
        trace.batch(generation, NO_THREAD, time, &samples);
        let strings = Payload::new()
            .event(Strings, &[])
            .string(1, "main")
            .string(2, "chan receive");
        trace.batch(generation, NO_THREAD, time, &strings);
        let stacks = Payload::new()
            .event(Stacks, &[])
            .stack(1, &[[0x10, 1, 0, 3]]);
        trace.batch(generation, NO_THREAD, time, &stacks);
        trace.end(version);
    }
    trace.bytes
}

/// One batch of `payload` in a trace of its own; its payload starts at the
/// offset returned.
pub fn one_batch(version: Version, payload: Payload) -> (Vec<u8>, u64) {
    let mut trace = Trace::new(version);
    trace.batch(1, THREAD, 0, &payload);
    let start = trace.bytes.len() - payload.0.len();
    trace.end(version);
    (trace.bytes, start as u64)
}

/// The file with up to eight of its bytes changed, the header mostly spared.
pub fn damaged(file: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut bytes = file.to_vec();
    for _ in 0..=random.below(8) {
        let first = if random.below(50) == 0 { 0 } else { HEADER_LEN };
        let at = first + random.below(bytes.len() - first);
        bytes[at] = match random.below(3) {
            0 => bytes[at] ^ 1 << random.below(8),
            1 => random.below(256) as u8,
            _ => 0xff,
        };
    }
    bytes
}
