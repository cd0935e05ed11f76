//! Reads a file to its end and notes what was found.

use std::io::Read;

use trace_format::EventKind;
use trace_read::ReadError;
use trace_read::raw::{Item, RawReader};

/// What one reading of a file found.
#[derive(Default)]
pub struct Found {
    /// Each batch and mark: offset and end.
    pub items: Vec<(u64, u64)>,
    /// Each event: offset, end and kind.
    pub events: Vec<(u64, u64, EventKind)>,
    pub errors: Vec<ReadError>,
}

/// Reads everything there is, also past errors within batches.
pub fn read(input: impl Read) -> Found {
    let mut found = Found::default();
    let mut reader = match RawReader::new(input) {
        Ok(reader) => reader,
        Err(error) => {
            found.errors.push(error);
            return found;
        }
    };
    loop {
        match reader.next_item() {
            Ok(None) => return found,
            Ok(Some(Item::EndOfGeneration(mark))) => {
                found.items.push((mark.offset, mark.offset + 1));
            }
            Ok(Some(Item::Batch(batch))) => {
                let head = batch.head();
                if head.missing == 0 {
                    let end = head.offset + head.len() as u64;
                    found.items.push((head.offset, end));
                }
                for event in batch.events() {
                    match event {
                        Ok(event) => found.events.push((
                            event.offset,
                            event.offset + event.bytes.len() as u64,
                            event.kind,
                        )),
                        Err(error) => found.errors.push(error),
                    }
                }
            }
            Err(error) => found.errors.push(error),
        }
    }
}
