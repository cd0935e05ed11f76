//! A trace as its batches, to be written again with some of them missing.

use std::collections::BTreeMap;

use trace_format::Version;
use trace_read::raw::{BatchHead, Item, Payload, RawReader, RawWriter, Section};

/// A trace in parts.
pub struct Torn {
    version: Version,
    parts: Vec<Part>,
}

#[derive(Clone)]
enum Part {
    Batch(BatchHead, Vec<u8>),
    Mark,
}

impl Torn {
    /// The parts of a trace, as far as they can be read.
    pub fn of(file: &[u8]) -> Option<Self> {
        let mut reader = RawReader::new(file).ok()?;
        let version = reader.version();
        let mut parts = Vec::new();
        while let Ok(Some(item)) = reader.next_item() {
            parts.push(match item {
                Item::EndOfGeneration(_) => Part::Mark,
                Item::Batch(batch) => Part::Batch(*batch.head(), batch.bytes().to_vec()),
            });
        }
        Some(Self { version, parts })
    }

    /// The last generation.
    pub fn last(&self) -> u64 {
        let mut parts = self.parts.iter().rev();
        parts.find_map(generation).unwrap_or(0)
    }

    /// Takes away what comes after this generation, its mark included.
    pub fn end_in(&mut self, last: u64) {
        let end = self
            .parts
            .iter()
            .rposition(|part| generation(part) == Some(last));
        self.parts.truncate(end.map_or(0, |end| end + 1));
    }

    /// How many events each thread has in the last generation.
    pub fn events(&self) -> BTreeMap<u64, u64> {
        let last = self.last();
        let mut events = BTreeMap::new();
        for part in &self.parts {
            if let Part::Batch(head, bytes) = part
                && is_of(head, last)
            {
                let there = head.with_bytes(bytes).events().take_while(Result::is_ok);
                *events.entry(head.header.thread).or_default() += there.count() as u64;
            }
        }
        events
    }

    /// Takes the last batches of threads away that they have in the last generation,
    /// each all but so many, and tables that are there but not in it.
    pub fn drop_batches(
        &mut self,
        mut keep: impl FnMut(u64, usize) -> usize,
        table: impl Fn(usize) -> bool,
    ) {
        let last = self.last();
        let mut batches: BTreeMap<u64, usize> = BTreeMap::new();
        for part in &self.parts {
            if let Part::Batch(head, _) = part
                && is_of(head, last)
            {
                *batches.entry(head.header.thread).or_default() += 1;
            }
        }
        for (&thread, count) in &mut batches {
            *count = keep(thread, *count);
        }
        let mut tables = 0;
        self.parts.retain(|part| match part {
            Part::Batch(head, _) if is_of(head, last) => {
                let left = batches.entry(head.header.thread).or_default();
                let stays = *left > 0;
                *left = left.saturating_sub(1);
                stays
            }
            Part::Batch(head, _)
                if head.header.generation == last && head.section != Section::Sync =>
            {
                tables += 1;
                table(tables)
            }
            _ => true,
        });
    }

    /// The file, of whose last generation threads have so many events and no more.
    pub fn written(&self, mut events: BTreeMap<u64, u64>) -> Vec<u8> {
        let last = self.last();
        let mut writer = RawWriter::new(Vec::new(), self.version).expect("memory takes it");
        for part in &self.parts {
            let Part::Batch(head, bytes) = part else {
                writer.end_of_generation().expect("memory takes it");
                continue;
            };
            let batch = head.with_bytes(bytes);
            if head.section == Section::Experiment {
                if head.missing == 0 {
                    writer.item(&Item::Batch(batch)).expect("memory takes it");
                }
                continue;
            }
            let most = match is_of(head, last) {
                true => events.entry(head.header.thread).or_default(),
                false => &mut u64::MAX.clone(),
            };
            let mut payload = Payload::new();
            for event in batch.events().map_while(Result::ok) {
                if *most == 0 {
                    break;
                }
                *most -= 1;
                payload.copy(&event);
            }
            if !payload.bytes().is_empty() {
                writer
                    .batch(&head.header, &payload)
                    .expect("memory takes it");
            }
        }
        writer.into_inner()
    }

    /// The file as it is.
    pub fn whole(&self) -> Vec<u8> {
        self.written(self.events())
    }
}

fn generation(part: &Part) -> Option<u64> {
    match part {
        Part::Batch(head, _) => Some(head.header.generation),
        Part::Mark => None,
    }
}

fn is_of(head: &BatchHead, generation: u64) -> bool {
    head.section == Section::Events && head.header.generation == generation
}
