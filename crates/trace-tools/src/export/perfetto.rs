//! Perfetto's own format, a stream of protobuf packets: tracks under tracks,
//! names and stacks written once, arrows, exact times.
//!
//! Text is interned: a packet brings those that it is the first to use. What has
//! been interned is forgotten, by the reader too, when it has become much, so
//! that memory does not grow with the number of tasks, each of which has a name.
//!
//! A trace that says how its clock relates to the system's (1.25 and later) has
//! its times converted by the reader to those of the monotonic clock, so that it
//! can be laid beside others. Only one such snapshot is passed on: with several
//! the reader would bend time a little at each, and slices that touch there
//! would overlap.

#[allow(missing_docs, reason = "Perfetto documents its fields")]
pub mod message;

use std::io::{self, Write};
use std::mem;

use hashbrown::HashMap;

use crate::export::perfetto::message::{
    BuiltinClock, ChildTracksOrdering, Clock, ClockSnapshot, CounterDescriptor, DebugAnnotation,
    Interned, InternedData, PACKET, SEQ_INCREMENTAL_STATE_CLEARED, SEQ_NEEDS_INCREMENTAL_STATE,
    TracePacket, TracePacketDefaults, TrackDescriptor, TrackEvent, Type, Unit,
};
use crate::export::{Flow, Group, Head, Holds, Mark, Place, Sink, Track, Value};
use crate::stacks::StackKey;

/// All packets are of one sequence.
const SEQUENCE: u32 = 1;

/// The number of the trace's clock. A sequence may name clocks from 64 on.
const CLOCK: u32 = 64;

/// After how many bytes of text what was interned is forgotten.
const FORGET: usize = 4 << 20;

/// Writes Perfetto's format.
#[derive(Debug)]
pub struct Perfetto<W> {
    out: W,
    buffer: Vec<u8>,
    clock: Option<u32>,
    known: Known,
    /// What the next packet has to bring.
    new: InternedData,
}

/// What has been interned.
#[derive(Debug, Default)]
struct Known {
    bytes: usize,
    categories: Texts<&'static str>,
    names: Texts<Box<str>>,
    args: Texts<&'static str>,
    values: Texts<Box<str>>,
    stacks: HashMap<StackKey, u64>,
}

type Texts<K> = HashMap<K, u64>;

impl<W: Write> Perfetto<W> {
    /// Writes to `out`, in many small pieces.
    pub fn new(out: W) -> Self {
        Perfetto {
            out,
            buffer: Vec::new(),
            clock: None,
            known: Known::default(),
            new: InternedData::default(),
        }
    }

    /// Writes a packet.
    fn packet(&mut self, mut packet: TracePacket) -> io::Result<()> {
        packet.trusted_packet_sequence_id = Some(SEQUENCE);
        packet
            .sequence_flags
            .get_or_insert(SEQ_NEEDS_INCREMENTAL_STATE);
        if self.new != InternedData::default() {
            packet.interned_data = Some(mem::take(&mut self.new));
        }
        self.buffer.clear();
        prost::encoding::message::encode(PACKET, &packet, &mut self.buffer);
        self.out.write_all(&self.buffer)
    }

    /// Makes the reader forget, and says again what all packets need.
    fn clear(&mut self, first: bool) -> io::Result<()> {
        self.known = Known::default();
        self.packet(TracePacket {
            sequence_flags: Some(SEQ_INCREMENTAL_STATE_CLEARED),
            first_packet_on_sequence: first.then_some(true),
            trace_packet_defaults: Some(TracePacketDefaults {
                timestamp_clock_id: self.clock,
            }),
            ..TracePacket::default()
        })
    }

    fn descriptor(&mut self, descriptor: TrackDescriptor) -> io::Result<()> {
        self.packet(TracePacket {
            track_descriptor: Some(descriptor),
            ..TracePacket::default()
        })
    }

    fn event(&mut self, time: u64, event: TrackEvent) -> io::Result<()> {
        self.packet(TracePacket {
            timestamp: Some(time),
            track_event: Some(event),
            ..TracePacket::default()
        })
    }

    /// What a slice or an instant starts with.
    fn mark(&mut self, place: Place, r#type: Type, mark: &Mark<'_>) -> io::Result<TrackEvent> {
        if self.known.bytes > FORGET {
            self.clear(false)?;
        }
        let (known, new) = (&mut self.known, &mut self.new);
        let mut event = TrackEvent {
            r#type: Some(r#type.into()),
            track_uuid: Some(place.track.0),
            category_iids: vec![intern(
                &mut known.categories,
                &mut known.bytes,
                &mut new.event_categories,
                mark.category,
            )],
            name_iid: Some(intern(
                &mut known.names,
                &mut known.bytes,
                &mut new.event_names,
                mark.name,
            )),
            debug_annotations: Vec::with_capacity(mark.args.len()),
            ..TrackEvent::default()
        };
        for &(name, value) in mark.args {
            let name = intern(
                &mut known.args,
                &mut known.bytes,
                &mut new.debug_annotation_names,
                name,
            );
            let values = &mut new.debug_annotation_string_values;
            let mut text = |text: &str| intern(&mut known.values, &mut known.bytes, values, text);
            let (number, text) = match value {
                Value::Number(number) => (Some(number), None),
                Value::Text(value) => (None, Some(text(value))),
                Value::Stack(frames) => {
                    let seen = known.stacks.get(&frames.key()).copied();
                    let iid = seen.unwrap_or_else(|| text(&frames.to_string()));
                    known.stacks.insert(frames.key(), iid);
                    (None, Some(iid))
                }
            };
            event.debug_annotations.push(DebugAnnotation {
                name_iid: Some(name),
                uint_value: number,
                string_value_iid: text,
            });
        }
        let starts = mark.flow.and_then(Flow::starts);
        event.flow_ids.extend(starts.into_iter().flatten());
        event
            .terminating_flow_ids
            .extend(mark.flow.and_then(Flow::ends));
        Ok(event)
    }
}

/// The number of a text, which the reader is told with its first use.
fn intern<'a, K>(
    known: &mut Texts<K>,
    bytes: &mut usize,
    new: &mut Vec<Interned>,
    text: &'a str,
) -> u64
where
    K: std::borrow::Borrow<str> + std::hash::Hash + Eq + From<&'a str>,
{
    if let Some(&iid) = known.get(text) {
        return iid;
    }
    let iid = known.len() as u64 + 1;
    // A text is kept here and by the reader, and takes more than its bytes.
    *bytes += text.len() + 64;
    known.insert(text.into(), iid);
    new.push(Interned {
        iid: Some(iid),
        text: Some(text.to_owned()),
    });
    iid
}

/// The number of a group's track, below those of all others and never 0.
fn uuid(group: Group) -> u64 {
    group as u64 + 1
}

impl<W: Write> Sink for Perfetto<W> {
    fn start(&mut self, head: &Head) -> io::Result<()> {
        self.clock = head.clock.map(|_| CLOCK);
        self.clear(true)?;
        if let Some(clock) = head.clock {
            let wall = clock.wall_seconds.saturating_mul(1_000_000_000);
            let clocks = [
                (CLOCK, clock.trace),
                (BuiltinClock::Monotonic as u32, clock.mono),
                (
                    BuiltinClock::Realtime as u32,
                    wall.saturating_add(clock.wall_nanos),
                ),
            ];
            self.packet(TracePacket {
                clock_snapshot: Some(ClockSnapshot {
                    clocks: clocks
                        .map(|(id, time)| Clock {
                            clock_id: Some(id),
                            timestamp: Some(time),
                        })
                        .to_vec(),
                    primary_trace_clock: Some(BuiltinClock::Monotonic.into()),
                }),
                ..TracePacket::default()
            })?;
        }
        for group in Group::ALL {
            self.descriptor(TrackDescriptor {
                uuid: Some(uuid(group)),
                name: Some(group.name().to_owned()),
                child_ordering: Some(ChildTracksOrdering::Explicit.into()),
                sibling_order_rank: Some(group as i32),
                ..TrackDescriptor::default()
            })?;
        }
        Ok(())
    }

    fn track(&mut self, track: &Track<'_>) -> io::Result<()> {
        let unit = match track.holds {
            Holds::Tracks | Holds::Slices => None,
            Holds::Count => Some(Unit::Count),
            Holds::Bytes => Some(Unit::SizeBytes),
        };
        self.descriptor(TrackDescriptor {
            uuid: Some(track.id.0),
            name: Some(track.name.to_owned()),
            parent_uuid: Some(track.under.map_or(uuid(track.group), |under| under.0)),
            counter: unit.map(|unit| CounterDescriptor {
                unit: Some(unit.into()),
            }),
            child_ordering: unit
                .is_none()
                .then_some(ChildTracksOrdering::Explicit.into()),
            sibling_order_rank: Some(i32::try_from(track.rank).unwrap_or(i32::MAX)),
        })
    }

    fn slice(&mut self, place: Place, start: u64, end: u64, mark: &Mark<'_>) -> io::Result<()> {
        let begin = self.mark(place, Type::SliceBegin, mark)?;
        self.event(start, begin)?;
        self.event(
            end,
            TrackEvent {
                r#type: Some(Type::SliceEnd.into()),
                track_uuid: Some(place.track.0),
                ..TrackEvent::default()
            },
        )
    }

    fn instant(&mut self, place: Place, time: u64, mark: &Mark<'_>) -> io::Result<()> {
        let event = self.mark(place, Type::Instant, mark)?;
        self.event(time, event)
    }

    fn count(&mut self, place: Place, _: &str, time: u64, value: u64) -> io::Result<()> {
        self.event(
            time,
            TrackEvent {
                r#type: Some(Type::Counter.into()),
                track_uuid: Some(place.track.0),
                counter_value: Some(i64::try_from(value).unwrap_or(i64::MAX)),
                ..TrackEvent::default()
            },
        )
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
