//! Many tasks, many wake-ups, many generations: what goes wrong only sometimes
//! gets its chance.

mod support;

use std::time::Duration;

use support::{How, run};
use vm::{End, Options};

/// Runs a program again and again, traced in short generations.
#[track_caller]
fn repeat(name: &str, source: &str, expect: &str) {
    for round in 0..10 {
        for workers in [1, 2, 3, 8] {
            let trace = format!("stress-{name}-w{workers}-{round}");
            let how = How {
                trace: (round % 2 == 1).then_some(&*trace),
                period: Duration::from_millis(1),
                ..How::workers(workers)
            };
            let ran = run(name, source, how);
            assert_eq!(
                (&*ran.output, ran.status),
                (expect, 0),
                "{name}, {workers} workers: {}",
                ran.message
            );
        }
    }
}

#[test]
fn tasks_that_all_talk_to_one() {
    repeat(
        "fanin",
        "fn work(out, n) {
           for i in 0..20 {
             send(out, n)
             if i % 5 == 0 { yield() }
           }
         }
         fn main() {
           let out = chan(3)
           for n in 0..200 { spawn work(out, n) }
           let sum = 0
           for i in 0..4000 { sum = sum + recv(out) }
           print(sum)
         }",
        "398000\n",
    );
}

#[test]
fn a_close_that_wakes_many_beside_timers() {
    repeat(
        "close",
        "fn wait(gate, n) {
           sleep(n % 3)
           recv(gate)
           return 1
         }
         fn main() {
           let gate = chan(0)
           let tasks = []
           for n in 0..100 { push(tasks, spawn wait(gate, n)) }
           sleep(1)
           close(gate)
           let sum = 0
           for t in tasks { sum = sum + join(t) }
           print(sum)
         }",
        "100\n",
    );
}

#[test]
fn trees_of_tasks_joined_by_several() {
    repeat(
        "tree",
        "fn tree(n) {
           if n == 0 { return [1] }
           let a = spawn tree(n - 1)
           let b = spawn tree(n - 1)
           return [len(join(a)) + join(a)[0] + join(b)[0] - 1]
         }
         fn main() { print(join(spawn tree(9))) }",
        "[512]\n",
    );
}

#[test]
fn endless_loops_beside_a_conversation() {
    repeat(
        "loops",
        "fn spin() { while true {} }
         fn pong(a, b) {
           for x in a { send(b, x + 1) }
           close(b)
         }
         fn main() {
           for i in 0..4 { spawn spin() }
           let a = chan(0)
           let b = chan(0)
           spawn pong(a, b)
           let x = 0
           for i in 0..50 {
             send(a, x)
             x = recv(b)
           }
           print(x)
         }",
        "50\n",
    );
}

#[test]
fn two_that_always_wake_each_other_starve_nobody() {
    let source = "fn pong(a, b) { for x in a { send(b, x) } }
         fn ping(a, b) {
           while true {
             send(a, 1)
             recv(b)
           }
         }
         fn quiet(n) { return n }
         fn main() {
           let a = chan(0)
           let b = chan(0)
           spawn pong(a, b)
           spawn ping(a, b)
           let sum = 0
           for i in 0..10 {
             yield()
             sum = sum + join(spawn quiet(i))
           }
           print(sum)
         }";
    for workers in [1, 2] {
        let ran = run("pair", source, How::workers(workers));
        assert_eq!(ran.output, "45\n");
    }
}

#[test]
fn a_deadlock_is_found_whoever_falls_asleep_last() {
    let source = "fn wait(c, n) {
           sleep(n % 2)
           recv(c)
         }
         fn main() {
           let c = chan(0)
           for n in 0..20 { spawn wait(c, n) }
           wait(c, 1)
         }";
    for round in 0..20 {
        for workers in [1, 2, 8] {
            let ran = run("deadlock", source, How::workers(workers));
            assert_eq!(
                ran.status, 2,
                "round {round}, {workers} workers: {}",
                ran.message
            );
            let Some(End::Deadlock(deadlock)) = ran.outcome.map(|o| o.end) else {
                panic!("no deadlock")
            };
            assert_eq!(deadlock.tasks.len() + deadlock.more, 21);
            assert_eq!(deadlock.tasks[0].at.function, "wait");
        }
    }
}

#[test]
fn runs_beside_each_other_do_not_meet() {
    let program = weft::compile(
        "sum.weft",
        "fn f(n) { return n }\nfn main() {
           let s = 0
           for i in 0..100 { s = s + join(spawn f(i)) }
           print(s)
         }",
    )
    .expect("it compiles");
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                for _ in 0..20 {
                    let mut output = Vec::new();
                    let outcome =
                        vm::run(&program, Options::new(2), &mut output).expect("it starts");
                    assert!(matches!(outcome.end, End::Returned));
                    assert_eq!(output, b"4950\n");
                }
            });
        }
    });
}

#[test]
fn selects_that_pass_tokens_around() {
    repeat(
        "select",
        "fn hop(id, a, b, c, done, quit) {
           let hops = 0
           while true {
             let left = -1
             label(\"hops \" + str(id))
             select {
               x = recv(a) { left = x }
               x = recv(b) { left = x }
               x = recv(c) { left = x }
               after(id % 3) {}
               recv(quit) { return hops }
             }
             if left < 0 { continue }
             task \"hop\" {
               hops = hops + 1
               if left == 0 {
                 send(done, id)
                 continue
               }
               select {
                 send(a, left - 1) {}
                 send(b, left - 1) {}
                 recv(quit) { return \"never\" }
                 send(c, left - 1) {}
               }
             }
           }
         }
         fn main() {
           let a = chan(0)
           let b = chan(1)
           let c = chan(2)
           let done = chan(0)
           let quit = chan(0)
           let tasks = []
           for id in 0..20 { push(tasks, spawn hop(id, a, b, c, done, quit)) }
           for i in 0..10 { send(a, 19) }
           for i in 0..10 { recv(done) }
           close(quit)
           let hops = 0
           for t in tasks { hops = hops + join(t) }
           print(hops)
         }",
        "200\n",
    );
}

#[test]
fn selects_on_both_ends_of_the_same_channels() {
    repeat(
        "market",
        "fn trade(one, other, rounds) {
           let sum = 0
           for i in 0..rounds {
             select {
               send(one, 1) { sum = sum + 1 }
               x = recv(one) { sum = sum - x }
               send(other, 1) { sum = sum + 1 }
               x = recv(other) { sum = sum - x }
             }
           }
           return sum
         }
         fn main() {
           let a = chan(0)
           let b = chan(0)
           let sum = 0
           for pair in 0..5 {
             let first = spawn trade(a, b, 100)
             let second = spawn trade(b, a, 100)
             sum = sum + join(first) + join(second)
           }
           print(sum)
         }",
        "0\n",
    );
}
