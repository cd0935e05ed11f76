//! What changed between traces whose times are known.

mod support;

use expect_test::{Expect, expect};
use serde_json::Value;
use support::{input, known};
use trace_tools::diff::{Diff, Side};

fn diff(before: &str, after: &str, min_change: f64, absolute: bool) -> Diff {
    let side = |text| Side::of(input(text)).unwrap();
    Diff::of(side(before), side(after), min_change, absolute)
}

fn page(diff: &Diff, top: usize) -> String {
    let mut out = Vec::new();
    diff.print(top, &mut out).unwrap();
    let page = String::from_utf8(out).unwrap();
    for line in page.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    page
}

fn check(diff: &Diff, expected: Expect) {
    expected.assert_eq(&page(diff, 10));
}

/// Task 2 runs 400 ns longer before it wakes task 1, and the lines have moved.
fn slower() -> String {
    known(400)
        .replace("line=12", "line=112")
        .replace("pc=4 ", "pc=400 ")
}

#[test]
fn what_takes_longer() {
    check(
        &diff(&known(0), &slower(), 1.0, true),
        expect![[r#"
        A, before: 1.00 µs, 24 events, 3 lost
        B, after:  1.40 µs, 24 events, 3 lost

        by start function           count A  count B   time A   time B   change
        ────────────────────────────────────────────────────────────────────────────────
        1. main.main
             blocked: chan receive        1        1   300 ns   700 ns  +400 ns  +133.3%
             in system calls              2        2  1.20 µs  1.60 µs  +400 ns   +33.3%
               without a proc             2        2  1.15 µs  1.55 µs  +400 ns   +34.8%
        2. main.worker
             running                      2        2   250 ns   650 ns  +400 ns  +160.0%

        by stack                    count A  count B   time A   time B   change
        ────────────────────────────────────────────────────────────────────────────────
        1. main.receive
           main.main
             blocked: chan receive        1        1   300 ns   700 ns  +400 ns  +133.3%
             in system calls              2        2  1.20 µs  1.60 µs  +400 ns   +33.3%
               without a proc             2        2  1.15 µs  1.55 µs  +400 ns   +34.8%
        2. (no stack)
             running                      1        1   150 ns   550 ns  +400 ns  +266.7%
    "#]],
    );
}

#[test]
fn by_the_second() {
    let diff = diff(&known(0), &slower(), 1.0, false);
    assert!(diff.per_second);
    check(
        &diff,
        expect![[r#"
        A, before: 1.00 µs, 24 events, 3 lost
        B, after:  1.40 µs, 24 events, 3 lost
        The traces differ in length: all values are those of an average second.

        by start function             count A    count B   time A   time B    change
        ────────────────────────────────────────────────────────────────────────────────────
        1. main.main
             tasks                  1998002.0  1427551.7                              -28.6%
             blocked: chan receive   999001.0   713775.9   300 ms   500 ms   +200 ms  +66.7%
             running                1998002.0  1427551.7   300 ms   214 ms  -85.6 ms  -28.6%
             waiting to run         1998002.0  1427551.7   201 ms   143 ms  -57.3 ms  -28.6%
             in system calls        1998002.0  1427551.7   1.20 s   1.14 s  -57.0 ms   -4.8%
               without a proc       1998002.0  1427551.7   1.15 s   1.11 s  -42.8 ms   -3.7%
        2. main.worker
             tasks                   999001.0   713775.9                              -28.6%
             running                1998002.0  1427551.7   250 ms   464 ms   +214 ms  +85.8%
             waiting to run          999001.0   713775.9   270 ms   193 ms  -77.0 ms  -28.6%
             in system calls         999001.0   713775.9  50.0 ms  35.7 ms  -14.3 ms  -28.6%

        by stack                      count A    count B   time A   time B    change
        ─────────────────────────────────────────────────────────────────────────────────────
        1. main.receive
           main.main
             blocked: chan receive   999001.0   713775.9   300 ms   500 ms   +200 ms   +66.7%
             running                1998002.0  1427551.7   300 ms   214 ms  -85.6 ms   -28.6%
             in system calls        1998002.0  1427551.7   1.20 s   1.14 s  -57.0 ms    -4.8%
               without a proc       1998002.0  1427551.7   1.15 s   1.11 s  -42.8 ms    -3.7%
        2. (no stack)
             running                 999001.0   713775.9   150 ms   393 ms   +243 ms  +162.0%
             waiting to run          999001.0   713775.9   999 µs   714 µs   -285 µs   -28.6%
        3. main.spawn
           main.main
             waiting to run          999001.0   713775.9   270 ms   193 ms  -77.0 ms   -28.6%
        4. main.send
           main.worker
             waiting to run          999001.0   713775.9   200 ms   143 ms  -57.0 ms   -28.6%
        5. main.read
           main.worker
             running                 999001.0   713775.9  99.9 ms  71.4 ms  -28.5 ms   -28.6%
             in system calls         999001.0   713775.9  50.0 ms  35.7 ms  -14.3 ms   -28.6%
    "#]],
    );
}

#[test]
fn nothing() {
    let same = diff(&known(0), &known(0), 0.0, false);
    assert!(!same.per_second);
    check(
        &same,
        expect![[r#"
        A, before: 1.00 µs, 24 events, 3 lost
        B, after:  1.00 µs, 24 events, 3 lost

        by start function: nothing changed.

        by stack: nothing changed.
    "#]],
    );
}

#[test]
fn too_little() {
    let (few, more) = (known(0), known(1));
    let changed = |percent| diff(&few, &more, percent, true).functions.len();
    assert_eq!(changed(0.0), 2);
    // 300 to 301 ns blocked is 0.33%, 250 to 251 ns running 0.4%, and 1001 to
    // 1002 ns in the system call 0.1%.
    assert_eq!(changed(0.35), 1);
    assert_eq!(changed(0.5), 0);
}

#[test]
fn new_and_gone() {
    let renamed = known(0).replace("main.worker", "main.helper");
    let page = page(&diff(&known(0), &renamed, 1.0, false), 10);
    assert!(
        page.contains(". main.helper\n") && page.contains(". main.worker\n"),
        "{page}"
    );
    assert_eq!(
        page.lines().filter(|line| line.ends_with(" new")).count(),
        7,
        "{page}"
    );
    assert_eq!(
        page.lines().filter(|line| line.ends_with(" gone")).count(),
        7,
        "{page}"
    );
}

#[test]
fn as_json() {
    let mut out = Vec::new();
    let changed = diff(&known(0), &slower(), 1.0, true);
    changed.print_json(1, &mut out).unwrap();
    let all: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(all["per_second"], false);
    assert_eq!(all["before"]["tasks"], 3);
    assert_eq!(all["after"]["end"], 2401);
    assert_eq!(all["functions"].as_array().unwrap().len(), 1);
    let blocked = &all["functions"][0]["changes"][0];
    assert_eq!(all["functions"][0]["names"][0], "main.main");
    assert_eq!(blocked["reason"], "chan receive");
    assert_eq!(blocked["before"]["time"], 300.0);
    assert_eq!(blocked["change"]["time"], 400.0);
}
