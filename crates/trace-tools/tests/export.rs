//! Timelines and tables: exactly what is told of a trace in which everything is
//! known, and what has to hold for every trace.

mod support;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Cursor};

use expect_test::{Expect, expect};
use prost::Message;
use serde_json::Value as Json;
use support::{input, known};
use trace_tools::escape::Cells;
use trace_tools::export::perfetto::message::{SEQ_INCREMENTAL_STATE_CLEARED, TracePacket, Type};
use trace_tools::export::{
    self, Chrome, Exported, Group, Head, Limit, Mark, Perfetto, Place, Sink, Track, TrackId, Value,
    csv,
};
use trace_tools::input::Bytes;

/// Recordings of Go programs.
const RECORDED: [&[u8]; 4] = [
    include_bytes!("../../trace-read/tests/traces/annotations.trace"),
    include_bytes!("../../trace-read/tests/traces/futile-wakeup.trace"),
    include_bytes!("../../trace-read/tests/traces/iter-pull.trace"),
    include_bytes!("../../trace-read/tests/traces/stacks.trace"),
];

fn of(bytes: &[u8]) -> Bytes {
    Box::new(Cursor::new(bytes.to_vec()))
}

/// A format for tests: a line for each thing told, sorted by track.
#[derive(Default)]
struct Lines {
    tracks: Vec<(TrackId, String)>,
    lines: HashMap<TrackId, String>,
}

impl Lines {
    fn mark(&mut self, place: Place, time: &str, mark: &Mark<'_>) {
        let line = self.lines.entry(place.track).or_default();
        let name = mark.name.escape_debug();
        let _ = write!(line, "    {time} {}: {name}", mark.category);
        for (name, value) in mark.args {
            let _ = match value {
                Value::Number(number) => write!(line, " {name}={number}"),
                Value::Text(text) => write!(line, " {name}={text:?}"),
                Value::Stack(frames) => {
                    let functions: Vec<_> = frames.functions().collect();
                    write!(line, " {name}={}", functions.join("<"))
                }
            };
        }
        if let Some(flow) = mark.flow {
            let _ = write!(line, " {flow:?}");
        }
        line.push('\n');
    }

    fn page(&self) -> String {
        let mut page = String::new();
        for (id, track) in &self.tracks {
            let _ = writeln!(page, "{track}");
            page.push_str(self.lines.get(id).map_or("", String::as_str));
        }
        page
    }
}

impl Sink for Lines {
    fn start(&mut self, _: &Head) -> io::Result<()> {
        Ok(())
    }

    fn track(&mut self, track: &Track<'_>) -> io::Result<()> {
        let mut name = format!("{} / ", track.group.name());
        if let Some(under) = track.under {
            let above = self.tracks.iter().find(|(id, _)| *id == under);
            let (_, above) = above.expect("a track that is under another comes after it");
            name = format!("{above} / ");
        }
        name.push_str(track.name);
        self.tracks.retain(|(id, _)| *id != track.id);
        self.tracks.push((track.id, name));
        Ok(())
    }

    fn slice(&mut self, place: Place, start: u64, end: u64, mark: &Mark<'_>) -> io::Result<()> {
        self.mark(place, &format!("{start}..{end}"), mark);
        Ok(())
    }

    fn instant(&mut self, place: Place, time: u64, mark: &Mark<'_>) -> io::Result<()> {
        self.mark(place, &time.to_string(), mark);
        Ok(())
    }

    fn count(&mut self, place: Place, _: &str, time: u64, value: u64) -> io::Result<()> {
        let line = self.lines.entry(place.track).or_default();
        let _ = writeln!(line, "    {time} {value}");
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn check(text: &str, limit: Limit, expected: Expect) -> Exported {
    let mut lines = Lines::default();
    let exported = export::export(input(text), limit, &mut lines).unwrap();
    expected.assert_eq(&lines.page());
    exported
}

#[test]
fn a_timeline_has_everything() {
    let exported = check(
        &known(0),
        Limit::All,
        expect![[r#"
        Procs / Proc 0
            1030 wake: starts main.worker 2 task=2 stack=main.spawn<main.main From(1)
            1000..1200 running: main.main 1 task=1 worker=7 then="waiting: chan receive" stack=main.receive<main.main
            1300..1400 running: main.worker 2 task=2 worker=7 then="syscall" stack=main.read<main.worker ToRun(1)
            1400..1450 syscall: syscall: main.worker 2 task=2 worker=7 then="running" stack=main.read<main.worker
            1500 wake: wakes main.main 1 task=1 stack=main.send<main.worker From(2)
            1450..1600 running: main.worker 2 task=2 worker=7 then="end"
            1700..1800 running: main.main 1 task=1 worker=7 then="syscall" stack=main.receive<main.main ToRun(2)
            1800..1850 syscall: syscall: main.main 1 task=1 worker=7 then="the proc was taken away" stack=main.receive<main.main
        User tasks / request
            1040..1550 user task: request 5 user task=5 begun by task=1
        Tasks / main.main
        Tasks / main.main / main.main 1
            1110 log: 3 events lost category="runtime-trace"
            1000..1200 state: running proc=0 worker=7 stack=main.main began="before the trace"
            1200..1500 state: waiting: chan receive reason="chan receive" stack=main.receive<main.main
            1500..1700 state: runnable by="main.worker 2" stack of by=main.send<main.worker ToReady(2)
            1700..1800 state: running proc=0 worker=7
            1800..2000 state: syscall proc=0 worker=7 stack=main.receive<main.main
            2000..2001 state: runnable ended="after the trace"
        Tasks / main.main / main.main 1 / regions
            1050..1100 region: a \u{1b}[31mregion user task=5
            1120..2001 region: a \u{1b}[31mregion ended="with the task or the trace" user task=5
        Tasks / main.worker
        Tasks / main.worker / main.worker 2
            1030..1300 state: runnable by="main.main 1" stack=main.worker stack of by=main.spawn<main.main ToReady(1)
            1300..1400 state: running proc=0 worker=7
            1400..1450 state: syscall proc=0 worker=7 stack=main.read<main.worker
            1450..1600 state: running proc=0 worker=7
        Procs / Proc 0 / GC sweep
            1560..1580 range: GC incremental sweep swept bytes=100 reclaimed bytes=40
        Program / Tasks running
            1000 1
            2000 0
        Program / Tasks runnable
            1000 0
            2000 1
        Program / Tasks waiting
            1000 0
        Program / Tasks in system calls
            1000 1
        Tasks / main.main / main.main 3
            1000..2001 state: syscall worker=9 stack=main.receive<main.main began="before the trace" ended="after the trace"
    "#]],
    );
    assert_eq!((exported.tasks, exported.left_out), (3, 0));
}

#[test]
fn tasks_beyond_the_limit_are_on_procs_only() {
    let exported = check(
        &known(0),
        Limit::First(1),
        expect![[r#"
        Procs / Proc 0
            1030 wake: starts main.worker 2 task=2 stack=main.spawn<main.main From(1)
            1000..1200 running: main.main 1 task=1 worker=7 then="waiting: chan receive" stack=main.receive<main.main
            1300..1400 running: main.worker 2 task=2 worker=7 then="syscall" stack=main.read<main.worker ToRun(1)
            1400..1450 syscall: syscall: main.worker 2 task=2 worker=7 then="running" stack=main.read<main.worker
            1500 wake: wakes main.main 1 task=1 stack=main.send<main.worker From(2)
            1450..1600 running: main.worker 2 task=2 worker=7 then="end"
            1700..1800 running: main.main 1 task=1 worker=7 then="syscall" stack=main.receive<main.main ToRun(2)
            1800..1850 syscall: syscall: main.main 1 task=1 worker=7 then="the proc was taken away" stack=main.receive<main.main
        User tasks / request
            1040..1550 user task: request 5 user task=5 begun by task=1
        Tasks / main.main
        Tasks / main.main / main.main 1
            1110 log: 3 events lost category="runtime-trace"
            1000..1200 state: running proc=0 worker=7 stack=main.main began="before the trace"
            1200..1500 state: waiting: chan receive reason="chan receive" stack=main.receive<main.main
            1500..1700 state: runnable by="main.worker 2" stack of by=main.send<main.worker ToReady(2)
            1700..1800 state: running proc=0 worker=7
            1800..2000 state: syscall proc=0 worker=7 stack=main.receive<main.main
            2000..2001 state: runnable ended="after the trace"
        Tasks / main.main / main.main 1 / regions
            1050..1100 region: a \u{1b}[31mregion user task=5
            1120..2001 region: a \u{1b}[31mregion ended="with the task or the trace" user task=5
        Procs / Proc 0 / GC sweep
            1560..1580 range: GC incremental sweep swept bytes=100 reclaimed bytes=40
        Program / Tasks running
            1000 1
            2000 0
        Program / Tasks runnable
            1000 0
            2000 1
        Program / Tasks waiting
            1000 0
        Program / Tasks in system calls
            1000 1
    "#]],
    );
    assert_eq!((exported.tasks, exported.left_out), (1, 2));
}

#[test]
fn a_table_has_a_row_for_each_interval() {
    let mut out = Vec::new();
    csv::export(input(&known(0)), Cells::Exact, &mut out).unwrap();
    expect![[r#"
        task,function,state,reason,start,end,duration,open,proc,worker,by,stack
        1,main.main,Running,,1000,1200,200,0,0,7,,main.main
        2,main.worker,Runnable,,1030,1300,270,0,,,1,main.worker
        2,main.worker,Running,,1300,1400,100,0,0,7,,
        2,main.worker,Syscall,,1400,1450,50,0,0,7,,main.worker;main.read
        1,main.main,Waiting,chan receive,1200,1500,300,0,,,,main.main;main.receive
        2,main.worker,Running,,1450,1600,150,0,0,7,,
        1,main.main,Runnable,,1500,1700,200,0,,,2,
        1,main.main,Running,,1700,1800,100,0,0,7,,
        1,main.main,Syscall,,1800,2000,200,0,0,7,,main.main;main.receive
        1,main.main,Runnable,,2000,2001,1,1,,,,
        3,main.main,Syscall,,1000,2001,1001,1,,9,,main.main;main.receive
    "#]]
    .assert_eq(&String::from_utf8(out).unwrap());
}

#[test]
fn what_began_before_the_trace_gets_tracks_of_its_own() {
    let text = "
Trace Go1.26
EventBatch gen=1 m=18446744073709551615 time=1000
Sync
Frequency freq=1000000000
ClockSnapshot dt=0 mono=5000 sec=1700000000 nsec=17
EventBatch gen=1 m=7 time=1000
ProcStatus dt=10 p=0 pstatus=1
GoStatus dt=10 g=1 m=7 gstatus=2
UserRegionBegin dt=10 task=0 name_string=1 stack=0
UserRegionEnd dt=10 task=0 name_string=1 stack=0
UserRegionEnd dt=10 task=0 name_string=2 stack=0
UserRegionEnd dt=10 task=0 name_string=3 stack=0
UserTaskEnd dt=10 task=9 stack=0
EventBatch gen=1 m=18446744073709551615 time=1000
Strings
String id=1
\tdata=\"within\"
String id=2
\tdata=\"inner\"
String id=3
\tdata=\"outer\"
EndOfGeneration
";
    check(
        text,
        Limit::All,
        expect![[r#"
        Procs / Proc 0
            1000..1071 running: task 1 task=1 worker=7
        Tasks / task 1
            1000..1071 state: running proc=0 worker=7 began="before the trace" ended="after the trace"
        Tasks / task 1 / regions
            1030..1040 region: within
        Tasks / task 1 / regions
            1000..1050 region: inner began="before the trace"
        Tasks / task 1 / regions
            1000..1060 region: outer began="before the trace"
        User tasks / (without a name)
            1000..1070 user task: user task 9 user task=9 began="before the trace"
        Program / Tasks running
            1000 1
        Program / Tasks runnable
            1000 0
        Program / Tasks waiting
            1000 0
        Program / Tasks in system calls
            1000 0
    "#]],
    );
    nests(|| input(text));
}

/// A slice as it is written: track, start, end.
type Slices = Vec<(u64, u64, u64)>;

/// Plays begins and ends back as readers do, sorted by time alone: each end must
/// end the slice that it was written with.
fn play(mut events: Vec<(u64, u64, bool, usize)>) -> Slices {
    events.sort_by_key(|&(time, ..)| time);
    let mut open: HashMap<u64, Vec<(usize, u64)>> = HashMap::new();
    let mut slices = Vec::new();
    for (time, track, begins, slice) in events {
        let open = open.entry(track).or_default();
        if begins {
            open.push((slice, time));
        } else {
            let (innermost, start) = open.pop().expect("an end has a beginning");
            assert_eq!(innermost, slice, "slices cross on track {track} at {time}");
            slices.push((track, start, time));
        }
    }
    assert!(open.values().all(Vec::is_empty), "every slice ends");
    slices
}

/// What a Chrome file says, as readers understand it.
fn chrome(input: Bytes) -> (Slices, [usize; 4], Json) {
    let mut out = Vec::new();
    export::export(input, Limit::All, &mut Chrome::new(&mut out)).unwrap();
    let file: Json = serde_json::from_slice(&out).unwrap();
    let mut events = Vec::new();
    let mut counts = [0; 4];
    let mut named = Vec::new();
    for event in file["traceEvents"].as_array().unwrap() {
        let phase = event["ph"].as_str().unwrap();
        if phase == "M" {
            named.extend(event["tid"].as_u64());
            continue;
        }
        let track = event["tid"].as_u64().unwrap();
        let time = (event["ts"].as_f64().unwrap() * 1000.0).round() as u64;
        assert!(
            phase == "C" || named.contains(&track),
            "{event} has no thread"
        );
        match phase {
            "B" => events.push((time, track, true, events.len() / 2)),
            "E" => events.push((time, track, false, events.len() / 2)),
            "i" => counts[0] += 1,
            "s" => counts[1] += 1,
            "f" => counts[2] += 1,
            "C" => counts[3] += 1,
            other => panic!("nobody writes {other}"),
        }
    }
    (play(events), counts, file)
}

/// The packets of a Perfetto file.
fn packets(mut file: &[u8]) -> Vec<TracePacket> {
    let mut packets = Vec::new();
    while !file.is_empty() {
        let (key, len) = (file[0], &mut &file[1..]);
        assert_eq!(key, 0x0a);
        let packet = TracePacket::decode_length_delimited(&mut *len).unwrap();
        file = len;
        packets.push(packet);
    }
    packets
}

/// What a Perfetto file says, as readers understand it.
fn perfetto(input: Bytes) -> (Slices, [usize; 4]) {
    let mut out = Vec::new();
    export::export(input, Limit::All, &mut Perfetto::new(&mut out)).unwrap();
    let mut events = Vec::new();
    let mut counts = [0; 4];
    let mut described = Vec::new();
    let mut start = None;
    for packet in packets(&out) {
        described.extend(packet.track_descriptor.and_then(|track| track.uuid));
        if let Some(snapshot) = packet.clock_snapshot {
            start = snapshot.clocks[0].timestamp;
        }
        let Some(event) = packet.track_event else {
            continue;
        };
        let (time, track) = (packet.timestamp.unwrap(), event.track_uuid.unwrap());
        assert!(described.contains(&track), "{event:?} has no track");
        counts[1] += event.flow_ids.len();
        counts[2] += event.terminating_flow_ids.len();
        match event.r#type() {
            Type::SliceBegin => events.push((time, track, true, events.len() / 2)),
            Type::SliceEnd => events.push((time, track, false, events.len() / 2)),
            Type::Instant => counts[0] += 1,
            Type::Counter => counts[3] += 1,
            Type::Unspecified => panic!("{event:?} has no type"),
        }
    }
    assert!(start.is_some());
    (play(events), counts)
}

/// Slices nest, and both formats say the same.
fn nests(bytes: impl Fn() -> Bytes) {
    let (in_chrome, chrome_counts, file) = chrome(bytes());
    let (in_perfetto, perfetto_counts) = perfetto(bytes());
    assert!(!in_chrome.is_empty());
    assert_eq!(chrome_counts, perfetto_counts);
    let start = file["otherData"]["start of the trace, ns of its clock"]
        .as_u64()
        .unwrap();
    let in_chrome: Slices = in_chrome
        .into_iter()
        .map(|(track, from, to)| (track, from + start, to + start))
        .collect();
    assert_eq!(in_chrome, in_perfetto);
}

#[test]
fn slices_nest_on_every_track() {
    nests(|| input(&known(0)));
    for recorded in RECORDED {
        nests(|| of(recorded));
    }
}

#[test]
fn a_damaged_trace_is_exported_whole() {
    let recorded = RECORDED[3];
    for percent in [10, 50, 90, 99] {
        let cut = &recorded[..recorded.len() * percent / 100];
        nests(|| of(cut));
        let (.., file) = chrome(of(cut));
        let events = file["traceEvents"].as_array().unwrap();
        let notes = events
            .iter()
            .filter(|event| event["cat"] == "damage")
            .count();
        assert_eq!(notes, 1, "cut at {percent} %");
    }
    let (.., file) = chrome(of(recorded));
    assert!(!file.to_string().contains("damage"));
}

#[test]
fn what_perfetto_has_forgotten_is_told_again() {
    let mut out = Vec::new();
    let mut sink = Perfetto::new(&mut out);
    let head = Head {
        start: 0,
        clock: None,
    };
    sink.start(&head).unwrap();
    let name = |n: u64| format!("{:0>2000}", n % 3000);
    let place = Place {
        track: TrackId(export::FIRST_TRACK),
        group: Group::Procs,
    };
    for n in 0..6000 {
        let mark = Mark {
            category: "state",
            name: &name(n),
            args: &[("number", Value::Text("the same"))],
            flow: None,
        };
        sink.instant(place, n, &mark).unwrap();
    }
    sink.finish().unwrap();
    let mut names = HashMap::new();
    let mut values = HashMap::new();
    let mut cleared = 0;
    let mut read = 0;
    for packet in packets(&out) {
        if packet.sequence_flags == Some(SEQ_INCREMENTAL_STATE_CLEARED) {
            assert!(packet.trace_packet_defaults.is_some());
            names.clear();
            values.clear();
            cleared += 1;
        }
        let new = packet.interned_data.unwrap_or_default();
        names.extend(new.event_names.into_iter().map(|new| (new.iid, new.text)));
        let new = new.debug_annotation_string_values;
        values.extend(new.into_iter().map(|new| (new.iid, new.text)));
        if let Some(event) = packet.track_event {
            assert_eq!(names[&event.name_iid], Some(name(read)));
            let value = &values[&event.debug_annotations[0].string_value_iid];
            assert_eq!(value.as_deref(), Some("the same"));
            read += 1;
        }
    }
    assert_eq!(read, 6000);
    // 6,000 names of 2,000 bytes are more than twice what is kept.
    assert_eq!(cleared, 3);
}
