//! From bytes to text.

use std::fmt::Write;

use trace_format::{EventKind, Shape, Version, varint};

use crate::error::ReadError;
use crate::raw::{Batch, Item, RawEvent, RawReader, StackFrame};
use crate::text::names::{FRAME, suffix};
use crate::text::quote::quote;

/// The text of a whole file.
///
/// For a file that should not be in memory as a whole there are
/// [`write_header`] and [`write_item`].
///
/// # Errors
///
/// Whatever is wrong with the file.
pub fn from_bytes(bytes: &[u8]) -> Result<String, ReadError> {
    let mut reader = RawReader::new(bytes)?;
    let mut text = String::new();
    write_header(reader.version(), &mut text);
    while let Some(item) = reader.next_item()? {
        write_item(&item, &mut text)?;
    }
    Ok(text)
}

/// Appends the line that a text starts with.
pub fn write_header(version: Version, out: &mut String) {
    // Writing to a string does not fail, here and below.
    let _ = writeln!(out, "Trace Go1.{}", version as u8);
}

/// Appends the lines of a batch, or the one of a mark.
///
/// # Errors
///
/// Whatever is wrong with the batch. The events before that have been appended.
pub fn write_item(item: &Item<'_>, out: &mut String) -> Result<(), ReadError> {
    match item {
        Item::Batch(batch) => write_batch(batch, out),
        Item::EndOfGeneration(_) => {
            let _ = writeln!(out, "{}", EventKind::EndOfGeneration.name());
            Ok(())
        }
    }
}

fn write_batch(batch: &Batch<'_>, out: &mut String) -> Result<(), ReadError> {
    let head = batch.head();
    let kind = match head.experiment {
        Some(_) => EventKind::ExperimentalBatch,
        None => EventKind::EventBatch,
    };
    let experiment = head.experiment.map(u64::from);
    let numbers = [head.header.generation, head.header.thread, head.header.time];
    out.push_str(kind.name());
    for (arg, number) in kind
        .args()
        .iter()
        .zip(experiment.into_iter().chain(numbers))
    {
        argument(out, arg.name, suffix(arg), number);
    }
    if head.experiment.is_some() {
        data(out, batch.payload());
        return Ok(());
    }
    argument(out, "size", "", size(batch));
    out.push('\n');
    for event in batch.events() {
        write_event(&event?, out);
    }
    Ok(())
}

/// The size of the batch once its numbers are as short as they can be.
fn size(batch: &Batch<'_>) -> u64 {
    let spared: usize = batch
        .events()
        .map_while(Result::ok)
        .map(|event| event.bytes.len() - shortest(&event))
        .sum();
    (batch.payload().len() - spared) as u64 + u64::from(batch.head().missing)
}

/// The length of the event with all its numbers as short as they can be.
fn shortest(event: &RawEvent<'_>) -> usize {
    let text = event.text().len();
    let text = match event.kind.shape() {
        Shape::Data => varint::len(text as u64) + text,
        _ => 0,
    };
    let frames = event.frames().flat_map(|frame| frame.numbers());
    let numbers = event.dt().into_iter().chain(event.args().iter().copied());
    1 + text + numbers.chain(frames).map(varint::len).sum::<usize>()
}

fn write_event(event: &RawEvent<'_>, out: &mut String) {
    out.push_str(event.kind.name());
    if let Some(dt) = event.dt() {
        argument(out, "dt", "", dt);
    }
    for (arg, value) in event.named_args() {
        argument(out, arg.name, suffix(&arg), value);
    }
    for frame in event.frames() {
        write_frame(&frame, out);
    }
    match event.kind.shape() {
        Shape::Data => data(out, event.text()),
        _ => out.push('\n'),
    }
}

fn write_frame(frame: &StackFrame, out: &mut String) {
    out.push_str("\n\t");
    for (at, (name, value)) in FRAME.iter().zip(frame.numbers()).enumerate() {
        let space = if at > 0 { " " } else { "" };
        let _ = write!(out, "{space}{name}={value}");
    }
}

fn argument(out: &mut String, name: &str, suffix: &str, value: u64) {
    let _ = write!(out, " {name}{suffix}={value}");
}

/// Ends the line and adds one with the bytes.
fn data(out: &mut String, bytes: &[u8]) {
    out.push_str("\n\tdata=");
    quote(bytes, out);
    out.push('\n');
}
