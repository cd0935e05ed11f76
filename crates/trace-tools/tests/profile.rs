//! Profiles of a trace whose times are known, in every format.

#[path = "../../trace-read/tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use expect_test::{Expect, expect};
use flate2::read::GzDecoder;
use prost::Message as _;
use support::{Payload, THREAD, Trace, damaged};
use trace_format::EventKind::{
    self, CPUSample, CPUSamples, ClockSnapshot, Frequency, GoBlock, GoCreate, GoDestroy, GoStart,
    GoStatus, GoStop, GoSyscallBegin, GoSyscallEnd, GoUnblock, ProcStatus, Stacks, Strings, Sync,
};
use trace_format::limits::NO_THREAD;
use trace_format::{Version, varint};
use trace_tools::profile::pprof::{Message, REASON};
use trace_tools::profile::{Options, Profile, What, folded, pprof, svg, text};

// Strings.
const MAIN: u64 = 1;
const WORKER: u64 = 2;
const ODD: u64 = 3;
const FILE: u64 = 4;
const CHAN: u64 = 5;
const SLEEP: u64 = 6;
const NETWORK: u64 = 7;
const PREEMPTED: u64 = 8;

// Stacks.
const START: u64 = 1;
const MAKE: u64 = 2;
const CALL: u64 = 3;
const RECEIVE: u64 = 4;
const SEND: u64 = 5;
const REST: u64 = 6;

/// Where the clock is when the trace begins.
const BEGIN: u64 = 1000;

/// Task 1 creates task 2, and both do a bit of everything. The number behind an
/// event's kind is the time since the event before, nanoseconds.
const EVENTS: &[(EventKind, &[u64])] = &[
    // 1010
    (ProcStatus, &[10, 0, 1]),
    (GoStatus, &[1, 1, THREAD, 2]),
    // 1020: task 2 is ready.
    (GoCreate, &[9, 2, START, MAKE]),
    // 1030 to 1070: a system call of task 1.
    (GoSyscallBegin, &[10, 1, CALL]),
    (GoSyscallEnd, &[40]),
    // 1100: task 1 blocks.
    (GoBlock, &[30, CHAN, RECEIVE]),
    // 1150: task 2 runs for the first time.
    (GoStart, &[50, 2, 1]),
    // 1200: task 1 is ready.
    (GoUnblock, &[50, 1, 1, SEND]),
    // 1230
    (GoBlock, &[30, SLEEP, REST]),
    // 1250
    (GoStart, &[20, 1, 2]),
    // 1260: task 2 is ready.
    (GoUnblock, &[10, 2, 2, MAKE]),
    // 1300
    (GoStop, &[40, PREEMPTED, MAKE]),
    // 1320 to 1400: task 2 runs and ends.
    (GoStart, &[20, 2, 3]),
    (GoDestroy, &[80]),
    // 1410
    (GoStart, &[10, 1, 3]),
    // 1450 to 1457: task 1 waits for the network.
    (GoBlock, &[40, NETWORK, CALL]),
    (GoUnblock, &[7, 1, 4, 0]),
    (GoStart, &[1, 1, 5]),
    // 1468: task 1 blocks for good.
    (GoBlock, &[10, CHAN, RECEIVE]),
];

fn trace(events: &[(EventKind, &[u64])]) -> Vec<u8> {
    let version = Version::Go126;
    let mut trace = Trace::new(version);
    let sync = Payload::new()
        .event(Sync, &[])
        .event(Frequency, &[1_000_000_000])
        // The clock reads 1005 where the wall clock reads 100 s and 25 ns.
        .event(ClockSnapshot, &[5, 1, 100, 25]);
    trace.batch(1, NO_THREAD, BEGIN, &sync);
    let payload = events
        .iter()
        .fold(Payload::new(), |payload, (kind, numbers)| {
            payload.event(*kind, numbers)
        });
    trace.batch(1, THREAD, BEGIN, &payload);
    let texts = [
        (MAIN, "main.main"),
        (WORKER, "main.worker[struct { a; b int }]"),
        (ODD, "odd\n7"),
        (FILE, "main.weft"),
        (CHAN, "chan receive"),
        (SLEEP, "sleep"),
        (NETWORK, "network"),
        (PREEMPTED, "preempted"),
    ];
    let strings = texts
        .iter()
        .fold(Payload::new().event(Strings, &[]), |payload, (id, text)| {
            payload.string(*id, text)
        });
    trace.batch(1, NO_THREAD, BEGIN, &strings);
    let stacks = Payload::new()
        .event(Stacks, &[])
        .stack(START, &[[0x200, WORKER, FILE, 20]])
        .stack(MAKE, &[[0x101, MAIN, FILE, 11]])
        .stack(CALL, &[[0x310, ODD, FILE, 31], [0x102, MAIN, FILE, 12]])
        .stack(RECEIVE, &[[0x103, MAIN, FILE, 13]])
        // It calls itself.
        .stack(
            SEND,
            &[
                [0x201, WORKER, FILE, 21],
                [0x202, WORKER, FILE, 22],
                [0x202, WORKER, FILE, 22],
            ],
        )
        .stack(REST, &[[0x203, WORKER, FILE, 23]]);
    trace.batch(1, NO_THREAD, BEGIN, &stacks);
    let samples = Payload::new()
        .event(CPUSamples, &[])
        .event(CPUSample, &[1040, THREAD, 0, 1, CALL])
        .event(CPUSample, &[1160, THREAD, 0, 2, REST])
        .event(CPUSample, &[1330, THREAD, 0, 2, REST]);
    trace.batch(1, NO_THREAD, BEGIN, &samples);
    trace.end(version);
    trace.bytes
}

const PLAIN: fn(What) -> Options = |what| Options {
    what,
    all_reasons: false,
    from_creation: false,
};

const ALL_REASONS: Options = Options {
    what: What::Block,
    all_reasons: true,
    from_creation: false,
};

const FROM_CREATION: Options = Options {
    what: What::Sched,
    all_reasons: false,
    from_creation: true,
};

fn profile(options: Options) -> Profile {
    let file = Cursor::new(trace(EVENTS));
    let (profile, outcome) = Profile::of(Box::new(file), options).expect("it is a trace");
    outcome.whole().expect("and a whole one");
    profile
}

fn written(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).expect("a vector takes everything");
    String::from_utf8(out).expect("text")
}

#[test]
fn folded_stacks() {
    let check = |options: Options, expected: Expect| {
        let profile = profile(options);
        expected.assert_eq(&written(|out| folded::write(&profile, out)));
    };
    check(
        PLAIN(What::Sched),
        expect![[r#"
        (no_stack) 1
        main.main 170
        main.worker[struct_{_a,_b_int_}];main.worker[struct_{_a,_b_int_}];main.worker[struct_{_a,_b_int_}] 50
    "#]],
    );
    check(
        FROM_CREATION,
        expect![[r#"
        (no_stack) 1
        main.main 300
        main.worker[struct_{_a,_b_int_}];main.worker[struct_{_a,_b_int_}];main.worker[struct_{_a,_b_int_}] 50
    "#]],
    );
    check(
        PLAIN(What::Block),
        expect![[r#"
        main.main 100
    "#]],
    );
    check(
        ALL_REASONS,
        expect![[r#"
        main.main;[chan_receive] 100
        main.main;odd_7;[network] 7
        main.worker[struct_{_a,_b_int_}];[sleep] 30
    "#]],
    );
    check(
        PLAIN(What::Net),
        expect![[r#"
        main.main;odd_7 7
    "#]],
    );
    check(
        PLAIN(What::Syscall),
        expect![[r#"
        main.main;odd_7 40
    "#]],
    );
    check(
        PLAIN(What::Running),
        expect![[r#"
        main.main 90
        main.main;odd_7 70
        main.worker[struct_{_a,_b_int_}] 160
    "#]],
    );
    check(
        PLAIN(What::Cpu),
        expect![[r#"
        main.main;odd_7 1
        main.worker[struct_{_a,_b_int_}] 2
    "#]],
    );
}

#[test]
fn tables() {
    let check = |options: Options, top, expected: Expect| {
        let profile = profile(options);
        expected.assert_eq(&written(|out| text::write(&profile, top, out)));
    };
    check(
        PLAIN(What::Sched),
        10,
        expect![[r#"
        Scheduling latency by where the task was made ready
        waits to be scheduled: 4, 221ns in all, in a trace of 469ns

              flat   flat%    sum%        cum    cum%     count  place
             170ns  76.92%  76.92%      170ns  76.92%         2  main.main main.weft:11
              50ns  22.62%  99.55%       50ns  22.62%         1  main.worker[struct { a; b int }] main.weft:21
               1ns   0.45% 100.00%        1ns   0.45%         1  (no stack)
               0ns   0.00% 100.00%       50ns  22.62%         0  main.worker[struct { a; b int }] main.weft:22
    "#]],
    );
    check(
        ALL_REASONS,
        10,
        expect![[r#"
        Blocked time by where the task blocked
        waits of blocked tasks: 3, 137ns in all, in a trace of 469ns
        not ended with the trace and left out: 1

              flat   flat%    sum%        cum    cum%     count  place
             100ns  72.99%  72.99%      100ns  72.99%         1  main.main main.weft:13 [chan receive]
              30ns  21.90%  94.89%       30ns  21.90%         1  main.worker[struct { a; b int }] main.weft:23 [sleep]
               7ns   5.11% 100.00%        7ns   5.11%         1  odd\n7 main.weft:31 [network]
               0ns   0.00% 100.00%        7ns   5.11%         0  main.main main.weft:12 [network]
    "#]],
    );
    check(
        PLAIN(What::Running),
        2,
        expect![[r#"
        Running time by where it ended
        stretches of running: 7, 320ns in all, in a trace of 469ns

              flat   flat%    sum%        cum    cum%     count  place
              80ns  25.00%  25.00%       80ns  25.00%         1  main.worker[struct { a; b int }] main.weft
              80ns  25.00%  50.00%       80ns  25.00%         1  main.worker[struct { a; b int }] main.weft:23
        and 4 more places
    "#]],
    );
    check(
        PLAIN(What::Cpu),
        10,
        expect![[r#"
        CPU samples by where they were taken
        CPU samples: 3, in a trace of 469ns

              flat   flat%    sum%        cum    cum%     count  place
                 2  66.67%  66.67%          2  66.67%         2  main.worker[struct { a; b int }] main.weft:23
                 1  33.33% 100.00%          1  33.33%         1  odd\n7 main.weft:31
                 0   0.00% 100.00%          1  33.33%         0  main.main main.weft:12
    "#]],
    );
}

/// What a task did before it first ran is left out, unless it never runs; and
/// nothing that was before the trace counts.
#[test]
fn before_the_first_run() {
    let events: &[(EventKind, &[u64])] = &[
        (ProcStatus, &[10, 0, 1]),
        (GoStatus, &[1, 1, THREAD, 2]),
        // 1012 and 1013: tasks that the trace finds blocked.
        (GoStatus, &[1, 2, NO_THREAD, 4]),
        (GoStatus, &[1, 3, NO_THREAD, 4]),
        // 1063 and 1064: both are ready.
        (GoUnblock, &[50, 2, 1, MAKE]),
        (GoUnblock, &[1, 3, 1, MAKE]),
        // 1070: only one of them ever runs.
        (GoBlock, &[6, CHAN, RECEIVE]),
        (GoStart, &[10, 2, 2]),
    ];
    let check = |options: Options, expected| {
        let input = Box::new(Cursor::new(trace(events)));
        let (profile, _) = Profile::of(input, options).expect("it is a trace");
        let folded = written(|out| folded::write(&profile, out));
        assert_eq!((&*folded, profile.left_out), expected);
    };
    check(ALL_REASONS, ("(no_stack);[unknown] 51\n", 1));
    let from_creation = Options {
        from_creation: true,
        ..ALL_REASONS
    };
    check(from_creation, ("(no_stack);[unknown] 102\n", 1));
    check(PLAIN(What::Block), ("", 1));
    check(PLAIN(What::Sched), ("", 1));
    check(FROM_CREATION, ("main.main 17\n", 1));
}

/// All that runs is accounted for: the whole trace but for the moments when
/// nothing ran.
#[test]
fn running_adds_up() {
    // 1000 (it ran before) to 1030, 1070 to 1100, 1150 to 1230, 1250 to 1300,
    // 1320 to 1400, 1410 to 1450, 1458 to 1468.
    assert_eq!(
        profile(PLAIN(What::Running)).total(),
        30 + 30 + 80 + 50 + 80 + 40 + 10
    );
}

fn encoded(profile: &Profile) -> Vec<u8> {
    let mut file = Vec::new();
    pprof::write(profile, &mut file).expect("a vector takes everything");
    let mut bytes = Vec::new();
    GzDecoder::new(&file[..])
        .read_to_end(&mut bytes)
        .expect("gzip");
    bytes
}

fn decoded(profile: &Profile) -> Message {
    Message::decode(&encoded(profile)[..]).expect("a profile")
}

/// What is decoded by the messages that encoded it says nothing about the
/// fields' numbers. These are the ones that pprof has.
#[test]
fn pprof_files_have_the_fields_of_pprof() {
    let bytes = encoded(&profile(PLAIN(What::Syscall)));
    let mut at = 0;
    let number = |at: &mut usize| {
        let (value, used) = varint::decode(&bytes[*at..]).expect("a number");
        *at += used;
        value
    };
    let mut fields = BTreeMap::new();
    while at < bytes.len() {
        let key = number(&mut at);
        let value = number(&mut at);
        match key & 7 {
            0 => {}
            2 => at += value as usize,
            other => panic!("wire type {other}"),
        }
        fields.entry(key >> 3).or_insert(value);
    }
    // Types, samples, mappings, locations, functions, strings, time, duration,
    // the type of the period, the period.
    let numbers: Vec<_> = fields.keys().copied().collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 9, 10, 11, 12]);
    assert_eq!((fields[&10], fields[&12]), (469, 1));
    assert!(fields[&9] > 100_000_000_000);
}

#[test]
fn pprof_files_refer_to_what_is_there() {
    let profile = profile(ALL_REASONS);
    let message = decoded(&profile);
    assert_eq!(message, pprof::message(&profile).unwrap());
    let string = |at: i64| &*message.strings[at as usize];
    assert_eq!(string(0), "");
    let types: Vec<_> = message
        .sample_types
        .iter()
        .map(|of| (string(of.name), string(of.unit)))
        .collect();
    assert_eq!(types, [("contentions", "count"), ("delay", "nanoseconds")]);

    let samples: Vec<_> = message
        .samples
        .iter()
        .map(|sample| {
            let frames: Vec<_> = sample
                .locations
                .iter()
                .map(|&id| {
                    let location = &message.locations[id as usize - 1];
                    let line = &location.lines[0];
                    let function = &message.functions[line.function as usize - 1];
                    assert_eq!((location.id, function.id), (id, line.function));
                    assert_eq!(location.mapping, message.mappings[0].id);
                    let names = (string(function.name), string(function.file));
                    (location.address, names.0, names.1, line.line)
                })
                .collect();
            let [label] = sample.labels[..] else {
                panic!("{:?}", sample.labels);
            };
            assert_eq!(string(label.key), REASON);
            (&sample.values[..], string(label.value), frames)
        })
        .collect();
    let worker = "main.worker[struct { a; b int }]";
    let file = "main.weft";
    assert_eq!(
        samples,
        [
            (
                &[1, 100][..],
                "chan receive",
                vec![(0x103, "main.main", file, 13)]
            ),
            (&[1, 30], "sleep", vec![(0x203, worker, file, 23)]),
            (
                &[1, 7],
                "network",
                vec![(0x310, "odd\n7", file, 31), (0x102, "main.main", file, 12)]
            ),
        ]
    );
    // The trace begins with its first event, which is the clock's reading less
    // what has passed until then.
    let (start, end) = profile.span;
    // One more than its last event: a Sync comes behind it.
    assert_eq!(end, 1469);
    assert_eq!(message.duration_nanos as u64, end - start);
    assert_eq!(message.time_nanos as u64, 100_000_000_025 + start - 1005);
}

#[test]
fn flame_graphs() {
    for options in [
        ALL_REASONS,
        FROM_CREATION,
        PLAIN(What::Running),
        PLAIN(What::Cpu),
    ] {
        let profile = profile(options);
        let svg = written(|out| svg::write(&profile, "a<b>&\u{1}.trace", out));
        well_formed(&svg);
        assert!(svg.contains("a&lt;b&gt;&amp;\u{fffd}.trace"), "{svg}");
        assert!(svg.contains(profile.options.what.title()));
        // The same each time.
        assert_eq!(
            svg,
            written(|out| svg::write(&profile, "a<b>&\u{1}.trace", out))
        );
        let frames = written(|out| folded::write(&profile, out));
        for frame in frames
            .lines()
            .flat_map(|line| line.split(' ').next().unwrap().split(';'))
        {
            let title = format!("<title>{frame} (");
            assert!(svg.contains(&title), "{title} in {svg}");
        }
    }
}

/// Checks that tags are closed in order and attributes quoted, as far as flame
/// graphs go.
fn well_formed(svg: &str) {
    let mut open = Vec::new();
    let mut rest = svg;
    while let Some((_, tail)) = rest.split_once('<') {
        let end = |mark: &str| {
            tail.find(mark)
                .unwrap_or_else(|| panic!("no {mark} in {tail}"))
        };
        if tail.starts_with("!--") {
            rest = &tail[end("-->") + 3..];
        } else if tail.starts_with("![CDATA[") {
            rest = &tail[end("]]>") + 3..];
        } else if tail.starts_with(['?', '!']) {
            rest = &tail[end(">") + 1..];
        } else {
            let tag = &tail[..end(">")];
            rest = &tail[end(">") + 1..];
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            match tag.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name)),
                None if tag.ends_with('/') => {}
                None => open.extend(tag.split_whitespace().next()),
            }
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn a_profile_without_samples() {
    let file = trace(&EVENTS[..2]);
    for what in [What::Sched, What::Block, What::Net, What::Syscall] {
        let read = Profile::of(Box::new(Cursor::new(file.clone())), PLAIN(what));
        let (profile, _) = read.expect("it is a trace");
        assert_eq!(profile.total(), 0);
        assert_eq!(decoded(&profile).samples, []);
        assert_eq!(decoded(&profile).sample_types.len(), 2);
        assert_eq!(written(|out| folded::write(&profile, out)), "");
        let svg = written(|out| svg::write(&profile, "empty.trace", out));
        well_formed(&svg);
        assert!(svg.contains(what.plural()), "{svg}");
        let table = written(|out| text::write(&profile, 10, out));
        assert!(
            table.contains(&format!("\n{}: 0,", what.plural())),
            "{table}"
        );
    }
}

/// Times that add up to more than a number can hold, and traces that are no
/// traces any more.
#[test]
fn bad_traces_do_no_harm() {
    // Five tasks that wait for 2^62 ns each.
    let mut long: Vec<(EventKind, Vec<u64>)> = vec![
        (ProcStatus, vec![10, 0, 1]),
        (GoStatus, vec![1, 1, THREAD, 2]),
    ];
    let tasks = [(2, REST), (3, REST), (4, REST), (5, SEND), (6, SEND)];
    for (task, _) in tasks {
        long.push((GoStatus, vec![1, task, NO_THREAD, 4]));
    }
    for (task, stack) in tasks {
        long.push((GoUnblock, vec![1, task, 1, stack]));
    }
    long.push((GoBlock, vec![1 << 62, CHAN, RECEIVE]));
    for (task, _) in tasks {
        long.push((GoStart, vec![1, task, 2]));
        long.push((GoBlock, vec![1, CHAN, RECEIVE]));
    }
    let long: Vec<_> = long
        .iter()
        .map(|(kind, numbers)| (*kind, &numbers[..]))
        .collect();
    let input = Box::new(Cursor::new(trace(&long)));
    let (profile, _) = Profile::of(input, FROM_CREATION).expect("it is a trace");
    assert_eq!(profile.total(), u64::MAX);
    let svg = written(|out| svg::write(&profile, "long", out));
    // Two of the five are in one function more.
    assert!(svg.contains(" 40.00%)"), "{svg}");

    let files = (0..500)
        .map(|seed| damaged(&trace(EVENTS), seed))
        .chain([trace(&long)]);
    let mut read = 0;
    for file in files {
        for options in [
            ALL_REASONS,
            FROM_CREATION,
            PLAIN(What::Running),
            PLAIN(What::Cpu),
        ] {
            let input = Box::new(Cursor::new(file.clone()));
            let Ok((profile, _)) = Profile::of(input, options) else {
                continue;
            };
            read += 1;
            well_formed(&written(|out| svg::write(&profile, "bad", out)));
            written(|out| folded::write(&profile, out));
            written(|out| text::write(&profile, 10, out));
            decoded(&profile);
        }
    }
    assert!(read > 1000, "{read}");
}
