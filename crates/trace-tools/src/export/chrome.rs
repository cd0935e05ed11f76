//! Chrome's trace event format: one JSON object, read by more viewers than any
//! other format.
//!
//! It knows processes and threads, and no more. So each group of tracks is a
//! process and each track a thread of it, sorted such that what belongs together
//! stays together. Slices are written as pairs of B and E and not as X: a start
//! and a duration are both rounded by viewers, and slices that touch would
//! overlap by a nanosecond.
//!
//! Times are microseconds with three digits, since the trace began: those of the
//! trace's clock would not fit into the numbers of JavaScript.

use std::io::{self, Write};

use serde_json::json;

use crate::escape::Json;
use crate::export::{Flow, Group, Head, Holds, Mark, Place, Sink, Track, Value};

/// Writes Chrome's format.
#[derive(Debug)]
pub struct Chrome<W> {
    out: W,
    /// When the trace begins.
    start: u64,
    any: bool,
}

impl<W: Write> Chrome<W> {
    /// Writes to `out`, in many small pieces.
    pub fn new(out: W) -> Self {
        Chrome {
            out,
            start: 0,
            any: false,
        }
    }

    /// Starts an event; its `}` is still to come.
    fn event(&mut self, phase: char, place: Place, time: u64) -> io::Result<()> {
        let time = time.saturating_sub(self.start);
        let (micros, nanos) = (time / 1000, time % 1000);
        let (process, thread) = (process(place.group), place.track.0);
        self.next()?;
        write!(
            self.out,
            r#"{{"ph":"{phase}","pid":{process},"tid":{thread},"ts":{micros}.{nanos:03}"#
        )
    }

    fn next(&mut self) -> io::Result<()> {
        let separator: &[u8] = if self.any { b",\n" } else { b"\n" };
        self.any = true;
        self.out.write_all(separator)
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        let json = serde_json::to_string(text)?;
        write!(self.out, "{}", Json(&json))
    }

    /// Adds name, category and what more is known.
    fn mark(&mut self, mark: &Mark<'_>) -> io::Result<()> {
        write!(self.out, r#","cat":"{}","name":"#, mark.category)?;
        self.text(mark.name)?;
        for (n, &(name, value)) in mark.args.iter().enumerate() {
            let open = if n == 0 { r#","args":{"# } else { "," };
            write!(self.out, r#"{open}"{name}":"#)?;
            match value {
                Value::Number(number) => write!(self.out, "{number}")?,
                Value::Text(text) => self.text(text)?,
                Value::Stack(frames) => self.text(&frames.to_string())?,
            }
        }
        if !mark.args.is_empty() {
            self.out.write_all(b"}")?;
        }
        Ok(())
    }

    /// Adds the ends of arrows. They belong to the slice around them or to the one
    /// that has just begun.
    fn flow(&mut self, place: Place, time: u64, flow: Option<Flow>) -> io::Result<()> {
        let starts = flow.and_then(Flow::starts).into_iter().flatten();
        for id in starts {
            self.event('s', place, time)?;
            write!(self.out, r#","cat":"wake","name":"wake","id":{id}}}"#)?;
        }
        if let Some(id) = flow.and_then(Flow::ends) {
            self.event('f', place, time)?;
            write!(
                self.out,
                r#","cat":"wake","name":"wake","id":{id},"bp":"e"}}"#
            )?;
        }
        Ok(())
    }

    fn metadata(&mut self, what: &str, ids: &str, key: &str, value: &str) -> io::Result<()> {
        self.next()?;
        write!(
            self.out,
            r#"{{"ph":"M",{ids},"name":"{what}","args":{{"{key}":"#
        )?;
        self.out.write_all(value.as_bytes())?;
        self.out.write_all(b"}}")
    }
}

/// The process that stands for a group. No track has its number, else viewers
/// would take that for the process's main thread.
fn process(group: Group) -> u64 {
    group as u64 + 1
}

impl<W: Write> Sink for Chrome<W> {
    fn start(&mut self, head: &Head) -> io::Result<()> {
        self.start = head.start;
        let mut other = json!({
            "source": "rtrace",
            "start of the trace, ns of its clock": head.start,
        });
        if let Some(clock) = head.clock {
            other["clocks at one moment"] = json!({
                "trace, ns": clock.trace,
                "monotonic, ns": clock.mono,
                "wall, s since 1970": clock.wall_seconds,
                "wall, ns": clock.wall_nanos,
            });
        }
        write!(
            self.out,
            r#"{{"displayTimeUnit":"ns","otherData":{other},"traceEvents":["#
        )?;
        for group in Group::ALL {
            let ids = format!(r#""pid":{}"#, process(group));
            let name = json!(group.name()).to_string();
            self.metadata("process_name", &ids, "name", &name)?;
            let place = process(group).to_string();
            self.metadata("process_sort_index", &ids, "sort_index", &place)?;
        }
        Ok(())
    }

    fn track(&mut self, track: &Track<'_>) -> io::Result<()> {
        if track.holds != Holds::Slices {
            return Ok(());
        }
        let ids = format!(r#""pid":{},"tid":{}"#, process(track.group), track.id.0);
        let name = json!(track.name).to_string();
        let name = Json(&name).to_string();
        self.metadata("thread_name", &ids, "name", &name)?;
        // Viewers take 32 bits.
        let rank = track.rank.min(i32::MAX as u64).to_string();
        self.metadata("thread_sort_index", &ids, "sort_index", &rank)
    }

    fn slice(&mut self, place: Place, start: u64, end: u64, mark: &Mark<'_>) -> io::Result<()> {
        self.event('B', place, start)?;
        self.mark(mark)?;
        self.out.write_all(b"}")?;
        self.flow(place, start, mark.flow)?;
        self.event('E', place, end)?;
        self.out.write_all(b"}")
    }

    fn instant(&mut self, place: Place, time: u64, mark: &Mark<'_>) -> io::Result<()> {
        self.event('i', place, time)?;
        self.out.write_all(br#","s":"t""#)?;
        self.mark(mark)?;
        self.out.write_all(b"}")?;
        self.flow(place, time, mark.flow)
    }

    fn count(&mut self, place: Place, name: &str, time: u64, value: u64) -> io::Result<()> {
        self.event('C', place, time)?;
        self.out.write_all(br#","name":"#)?;
        self.text(name)?;
        write!(self.out, r#","args":{{"value":{value}}}}}"#)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.write_all(b"\n]}\n")?;
        self.out.flush()
    }
}
