//! Summaries of traces whose times are known, and what each task did in all.

mod support;

use std::collections::BTreeMap;
use std::io::Cursor;

use expect_test::{Expect, expect};
use serde_json::Value;
use support::{input, known};
use trace_read::{Reader, text};
use trace_tools::account::{Accounts, Amount, Totals};
use trace_tools::intervals::{Intervals, Life};
use trace_tools::stream;
use trace_tools::summary::Summary;

fn page(summary: &Summary, top: usize) -> String {
    let mut out = Vec::new();
    summary.print(top, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn json(summary: &Summary, top: usize) -> Value {
    let mut out = Vec::new();
    summary.print_json(top, &mut out).unwrap();
    assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), 1);
    serde_json::from_slice(&out).unwrap()
}

fn check(summary: &Summary, top: usize, expected: Expect) {
    // What a generation takes in memory is the reader's affair.
    let largest = format!("takes {} bytes", summary.outcome.largest_generation);
    let page = page(summary, top).replace(&largest, "takes N bytes");
    for line in page.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    expected.assert_eq(&page);
}

#[test]
fn a_page() {
    let summary = Summary::of(input(&known(0))).unwrap();
    check(
        &summary,
        10,
        expect![[r#"
        version      go 1.26
        size         414 bytes
        events       24
        generations  1, the largest takes N bytes of memory
        time         1.00 µs, from 1000 to 2001 ns
        began        2023-11-14T22:13:20.000000017Z
        tasks        3
        lost         3 events
                     at 1110 ns: 3 events lost

        events by kind   count
        ──────────────────────
        Log                  1
        RangeBegin           1
        RangeEnd             1
        RegionBegin          2
        RegionEnd            1
        StateTransition     14
        Sync                 2
        TaskBegin            1
        TaskEnd              1

        by event of the file  count
        ───────────────────────────
        GCSweepBegin              1
        GCSweepEnd                1
        GoBlock                   1
        GoCreate                  1
        GoDestroy                 1
        GoStart                   2
        GoStatusStack             2
        GoSyscallBegin            2
        GoSyscallEnd              1
        GoSyscallEndBlocked       1
        GoUnblock                 1
        ProcStatus                1
        ProcSteal                 1
        UserLog                   1
        UserRegionBegin           2
        UserRegionEnd             1
        UserTaskBegin             1
        UserTaskEnd               1

        tasks by start function  count    total    mean      p99      max
        ─────────────────────────────────────────────────────────────────
        main.main                    2
          running                    2   300 ns  150 ns   200 ns   200 ns
          waiting to run             2   201 ns  100 ns   200 ns   200 ns
          blocked: chan receive      1   300 ns  300 ns   300 ns   300 ns
          in system calls            2  1.20 µs  600 ns  1.00 µs  1.00 µs
            without a proc           2  1.15 µs  575 ns  1.00 µs  1.00 µs
        main.worker                  1
          running                    2   250 ns  125 ns   150 ns   150 ns
          waiting to run             1   270 ns  270 ns   270 ns   270 ns
          in system calls            1    50 ns   50 ns    50 ns    50 ns

        procs  tasks run  in syscalls  other   idle  absent
        ───────────────────────────────────────────────────
        0          54.9%        10.0%  20.0%  15.1%    0.0%

        user tasks  count   total    mean     p99     max
        ─────────────────────────────────────────────────
        request         1  510 ns  510 ns  510 ns  510 ns

        user regions        count  total   mean    p99    max
        ─────────────────────────────────────────────────────
        a \u{1b}[31mregion      1  50 ns  50 ns  50 ns  50 ns
          unfinished            1

        runtime ranges        count  total   mean    p99    max
        ───────────────────────────────────────────────────────
        GC incremental sweep      1  20 ns  20 ns  20 ns  20 ns
        swept 100 bytes, 40 of them reclaimed

        blocked, by where           count   total    mean     p99     max
        ─────────────────────────────────────────────────────────────────
        1. chan receive                 1  300 ns  300 ns  300 ns  300 ns
           main.receive main.go:12
           main.main main.go:10

        waiting to run, by where made ready  count   total    mean     p99     max
        ──────────────────────────────────────────────────────────────────────────
        1. woken or created                      1  270 ns  270 ns  270 ns  270 ns
           main.spawn main.go:11
           main.main main.go:10
        2. woken or created                      1  200 ns  200 ns  200 ns  200 ns
           main.send main.go:22
           main.worker main.go:20
        3. woken or created                      1    1 ns    1 ns    1 ns    1 ns
           (no stack)

        p99 is exact within 1 part in 64.
    "#]],
    );
}

#[test]
fn no_more_than_asked_for() {
    let summary = Summary::of(input(&known(0))).unwrap();
    let page = page(&summary, 1);
    for line in ["… 1 more functions", "… 2 more places"] {
        assert!(page.contains(line), "{page}");
    }
    let all = json(&summary, 1);
    assert_eq!(all["functions"].as_array().unwrap().len(), 2);
    assert_eq!(all["blocked"].as_array().unwrap().len(), 1);
    assert_eq!(all["runnable"].as_array().unwrap().len(), 1);
}

#[test]
fn the_same_as_json() {
    let all = json(&Summary::of(input(&known(0))).unwrap(), 10);
    assert_eq!(all["began"], "2023-11-14T22:13:20.000000017Z");
    assert_eq!(all["lost"], 3);
    assert_eq!(all["by_kind"]["StateTransition"], 14);
    assert_eq!(all["by_wire_kind"]["GoStart"], 2);
    let main = &all["functions"][0];
    assert_eq!(main["function"], "main.main");
    assert_eq!(main["running"]["total"], 300);
    assert_eq!(main["blocked"]["chan receive"]["max"], 300);
    assert_eq!(all["blocked"][0]["stack"][0]["line"], 12);
    assert_eq!(all["user_regions"][0]["unfinished"], 1);
    assert_eq!(all["errors"], Value::Array(Vec::new()));
}

/// Totals by task of a trace.
fn totals(text: &str) -> BTreeMap<u64, (String, Totals)> {
    let mut lives = Vec::new();
    let mut accounts = Accounts::new(|life: &Life, totals: &Totals| {
        lives.push((*life, totals.clone()));
    });
    let mut intervals = Intervals::default();
    let read = stream::read(input(text), |event| {
        intervals.event(event, &mut accounts);
        Ok(())
    });
    read.unwrap().whole().unwrap();
    intervals.finish(&mut accounts);
    let lives = lives.into_iter();
    lives
        .map(|(life, totals)| {
            let function = intervals.names.text(life.function);
            (life.task.0, (function.to_owned(), totals))
        })
        .collect()
}

#[test]
fn what_each_task_did() {
    let amount = |times, nanos| Amount { times, nanos };
    let tasks = totals(&known(0));
    assert_eq!(tasks.len(), 3);

    let (function, main) = &tasks[&1];
    assert_eq!(function, "main.main");
    assert_eq!(main.running, amount(2, 200 + 100));
    // The last time is open and one nanosecond long: the next event's time.
    assert_eq!(main.runnable, amount(2, 200 + 1));
    assert_eq!(main.blocked.len(), 1);
    assert_eq!(main.blocked[0].1, amount(1, 300));
    assert_eq!(main.syscall, amount(1, 200));
    assert_eq!(main.without_proc, amount(1, 150));
    assert_eq!(main.unreturned, 0);

    let (function, worker) = &tasks[&2];
    assert_eq!(function, "main.worker");
    assert_eq!(worker.running, amount(2, 100 + 150));
    assert_eq!(worker.runnable, amount(1, 270));
    assert_eq!(worker.syscall, amount(1, 50));
    assert_eq!(worker.without_proc, amount(0, 0));

    // All its time, although the event that mentions it came from a worker that
    // had a proc.
    let (_, waits) = &tasks[&3];
    assert_eq!(waits.syscall, amount(1, 1001));
    assert_eq!(waits.without_proc, amount(1, 1001));
    assert_eq!(waits.unreturned, 1001);
}

/// A trace of Go 1.22 does not tell where the tasks are that it finds. What they
/// do before that is known goes to their function all the same.
#[test]
fn tasks_that_are_named_late() {
    let text = r#"
Trace Go1.22
EventBatch gen=1 m=18446744073709551615 time=1000
Frequency freq=1000000000
EventBatch gen=1 m=7 time=1000
ProcStatus dt=10 p=0 pstatus=1
GoStatus dt=10 g=1 m=7 gstatus=2           # 1020
GoStatus dt=10 g=2 m=18446744073709551615 gstatus=4
GoStatus dt=10 g=3 m=18446744073709551615 gstatus=4
GoUnblock dt=60 g=2 g_seq=1 stack=0        # 1100
GoBlock dt=100 reason_string=2 stack=0     # 1200
GoStart dt=10 g=2 g_seq=2                  # 1210
GoBlock dt=90 reason_string=2 stack=1      # 1300
EventBatch gen=1 m=18446744073709551615 time=1000
Strings
String id=1
	data="main.found"
String id=2
	data="sleep"
EventBatch gen=1 m=18446744073709551615 time=1000
Stacks
Stack id=1 nframes=1
	pc=1 func=1 file=0 line=10
"#;
    let all = json(&Summary::of(input(text)).unwrap(), 10);
    let functions = all["functions"].as_array().unwrap();
    assert_eq!(functions.len(), 2);
    let [nameless, found] = [&functions[0], &functions[1]];
    assert_eq!(nameless["function"], "");
    assert_eq!(nameless["tasks"], 2);
    assert_eq!(nameless["running"]["total"], 200);
    assert_eq!(found["function"], "main.found");
    assert_eq!(found["tasks"], 1);
    assert_eq!(found["running"]["total"], 90);
    assert_eq!(found["runnable"]["total"], 110);
    assert_eq!(found["blocked"][""]["total"], 100);
    assert_eq!(all["began"], Value::Null);
}

#[test]
fn a_recording_of_go() {
    let file = include_bytes!("traces/syscalls.trace").to_vec();
    let summary = Summary::of(Box::new(Cursor::new(file))).unwrap();
    check(
        &summary,
        4,
        expect![[r#"
        version      go 1.26
        size         4462 bytes
        events       154
        generations  1, the largest takes N bytes of memory
        time         12.1 ms, from 13002651293952 to 13002663417537 ns
        began        2026-11-22T04:16:52.077086497Z
        tasks        14
        lost         0 events

        events by kind   count
        ──────────────────────
        Metric               9
        RangeBegin           1
        RangeEnd             1
        StateTransition    141
        Sync                 2

        by event of the file  count
        ───────────────────────────
        GoBlock                  14
        GoCreate                  5
        GoDestroy                 2
        GoStart                  18
        GoStatus                  2
        GoStatusStack             7
        GoSyscallBegin           24
        GoSyscallEnd             22
        GoSyscallEndBlocked       2
        GoUnblock                11
        HeapAlloc                 6
        HeapGoal                  1
        ProcStart                16
        ProcStatus                2
        ProcSteal                 2
        ProcStop                 14
        ProcsChange               2
        STWBegin                  1
        STWEnd                    1

        tasks by start function                    count    total     mean      p99      max
        ────────────────────────────────────────────────────────────────────────────────────
        main.main                                      1
          running                                     23   503 µs  21.9 µs   307 µs   309 µs
          waiting to run                              12  17.6 µs  1.47 µs  9.28 µs  9.28 µs
          blocked: sleep                              10  11.3 ms  1.13 ms  1.69 ms  1.69 ms
          blocked: sync                                1  26.0 µs  26.0 µs  26.0 µs  26.0 µs
          in system calls                             11   251 µs  22.8 µs   111 µs   111 µs
            without a proc                             1  10.1 µs  10.1 µs  10.1 µs  10.1 µs
        sync.(*WaitGroup).Go.func1                     1
          running                                     11  20.7 µs  1.89 µs  10.8 µs  10.8 µs
          waiting to run                               1   137 µs   137 µs   137 µs   137 µs
          in system calls                             10  11.6 ms  1.16 ms  1.68 ms  1.68 ms
        runtime.traceStartReadCPU.func1                1
          running                                      1  9.79 µs  9.79 µs  9.79 µs  9.79 µs
          waiting to run                               1  88.8 µs  88.8 µs  88.8 µs  88.8 µs
          blocked: chan receive                        1  11.9 ms  11.9 ms  11.9 ms  11.9 ms
        runtime.(*traceAdvancerState).start.func1      1
          running                                      1  6.02 µs  6.02 µs  6.02 µs  6.02 µs
          waiting to run                               1  52.9 µs  52.9 µs  52.9 µs  52.9 µs
          blocked: chan receive                        1  11.9 ms  11.9 ms  11.9 ms  11.9 ms
        … 10 more functions

        procs  tasks run  in syscalls  other   idle  absent
        ───────────────────────────────────────────────────
        0           2.8%        15.3%   0.5%  81.4%    0.0%
        1           1.7%        95.6%   1.2%   1.5%    0.0%

        runtime ranges                count    total     mean      p99      max
        ───────────────────────────────────────────────────────────────────────
        stop-the-world (start trace)      1  6.34 µs  6.34 µs  6.34 µs  6.34 µs

        blocked, by where                                     count    total     mean      p99      max
        ───────────────────────────────────────────────────────────────────────────────────────────────
        1. (unknown)                                              1  12.1 ms  12.1 ms  12.1 ms  12.1 ms
           runtime.gopark proc.go:474
           runtime.goparkunlock proc.go:480
           runtime.forcegchelper proc.go:387
        2. (unknown)                                              1  12.1 ms  12.1 ms  12.1 ms  12.1 ms
           runtime.gopark proc.go:474
           runtime.goparkunlock proc.go:480
           runtime.bgsweep mgcsweep.go:279
        3. (unknown)                                              1  12.1 ms  12.1 ms  12.1 ms  12.1 ms
           runtime.gopark proc.go:474
           runtime.goparkunlock proc.go:480
           runtime.(*scavengerState).park mgcscavenge.go:425
           runtime.bgscavenge mgcscavenge.go:653
        4. (unknown)                                              1  12.1 ms  12.1 ms  12.1 ms  12.1 ms
           runtime.gopark proc.go:474
           runtime.goparkunlock proc.go:480
           runtime.updateMaxProcsGoroutine proc.go:7146
        … 7 more places

        waiting to run, by where made ready                        count    total     mean      p99      max
        ────────────────────────────────────────────────────────────────────────────────────────────────────
        1. woken or created                                            1   137 µs   137 µs   137 µs   137 µs
           sync.(*WaitGroup).Go waitgroup.go:238
           main.syscalls system.go:71
           main.main main.go:50
        2. woken or created                                            1  88.8 µs  88.8 µs  88.8 µs  88.8 µs
           runtime.traceStartReadCPU tracecpu.go:44
           runtime.StartTrace trace.go:448
           runtime/trace.(*traceMultiplexer).startLocked
             subscribe.go:142
           runtime/trace.(*traceMultiplexer).addedSubscriber
             subscribe.go:112
           runtime/trace.(*traceMultiplexer).subscribeTraceStartW
             riter subscribe.go:80
           runtime/trace.Start trace.go:119
           main.main.func1 main.go:50
           main.syscalls system.go:69
           … 1 more frames
        3. woken or created                                            1  60.8 µs  60.8 µs  60.8 µs  60.8 µs
           runtime/trace.(*traceMultiplexer).startLocked
             subscribe.go:157
           runtime/trace.(*traceMultiplexer).addedSubscriber
             subscribe.go:112
           runtime/trace.(*traceMultiplexer).subscribeTraceStartW
             riter subscribe.go:80
           runtime/trace.Start trace.go:119
           main.main.func1 main.go:50
           main.syscalls system.go:69
           main.main main.go:50
        4. woken or created                                            1  52.9 µs  52.9 µs  52.9 µs  52.9 µs
           runtime.(*traceAdvancerState).start trace.go:1102
           runtime.StartTrace trace.go:449
           runtime/trace.(*traceMultiplexer).startLocked
             subscribe.go:142
           runtime/trace.(*traceMultiplexer).addedSubscriber
             subscribe.go:112
           runtime/trace.(*traceMultiplexer).subscribeTraceStartW
             riter subscribe.go:80
           runtime/trace.Start trace.go:119
           main.main.func1 main.go:50
           main.syscalls system.go:69
           … 1 more frames
        … 3 more places

        p99 is exact within 1 part in 64.
    "#]],
    );
}

/// Whatever a cut-off trace tells is summed up, and that it is cut off: all but
/// where it ends behind a whole batch of tables and has no events, which the
/// reader lets pass.
#[test]
fn cut_at_every_byte() {
    let file = text::to_bytes(&known(0)).unwrap();
    let whole = Summary::of(input(&known(0))).unwrap().outcome.events;
    let mut passed = 0;
    for cut in 17..file.len() {
        let mut reader = Reader::new(&file[..cut]).unwrap();
        let failed = loop {
            match reader.next_event() {
                Ok(Some(_)) => {}
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        passed += usize::from(!failed);
        let summary = Summary::of(Box::new(Cursor::new(file[..cut].to_vec()))).unwrap();
        assert!(summary.outcome.events <= whole);
        let page = page(&summary, 10);
        assert!(page.starts_with("version      go 1.26\n"), "{page}");
        let errors = json(&summary, 10)["errors"].as_array().unwrap().len();
        assert_eq!(errors, usize::from(failed), "cut at {cut}");
        assert_eq!(summary.outcome.whole().is_err(), failed, "cut at {cut}");
    }
    assert!(passed <= 3, "{passed} cuts were not noticed");
}

/// A loss is told with the time of its note; the last note holds.
#[test]
fn losses() {
    let summary = Summary::of(input(&known(0))).unwrap();
    assert_eq!(summary.losses.events(), 3);
    let notes: Vec<_> = summary.losses.notes().collect();
    assert_eq!(notes, [(1110, "3 events lost")]);
    let none = known(0).replace("runtime-trace", "the program's");
    assert_eq!(Summary::of(input(&none)).unwrap().losses.events(), 0);
}
