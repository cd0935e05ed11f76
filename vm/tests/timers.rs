//! Sleepers of several procs: all wake, in time, whatever becomes of the procs
//! on which they went to sleep.

mod support;

use support::{How, run};

/// Sleepers that have gone their ways by their own work, then wake 20
/// milliseconds after each other. One that overtakes may do so by two places:
/// the machine may be busy.
#[test]
fn sleepers_of_several_procs_wake_in_order() {
    const SLEEPERS: usize = 12;
    const EARLY: usize = 2;
    let source = "fn sleeper(gate, out, n) {
           recv(gate)
           let x = 0
           for i in 0..3000 { x = x + i }
           if n % 2 == 0 {
             sleep(20 + 20 * n)
           } else {
             select { after(20 + 20 * n) {} }
           }
           send(out, n)
         }
         fn main() {
           let gate = chan(0)
           let out = chan(12)
           for n in 0..12 { spawn sleeper(gate, out, 11 - n) }
           sleep(1)
           close(gate)
           for i in 0..12 { print(recv(out)) }
         }";
    for workers in [1, 2, 3, 8] {
        let ran = run("order", source, How::workers(workers));
        assert_eq!(ran.status, 0, "{workers} workers: {}", ran.message);
        let mut order: Vec<usize> = Vec::new();
        for line in ran.output.lines() {
            order.push(line.parse().expect("a number"));
        }
        for (place, &sleeper) in order.iter().enumerate() {
            assert!(
                sleeper <= place + EARLY,
                "{workers} workers: {sleeper} is too early in {order:?}"
            );
        }
        order.sort_unstable();
        assert!(order.into_iter().eq(0..SLEEPERS), "{workers} workers");
    }
}

/// The procs that have sleepers get endless loops, one each, less, or many.
#[test]
fn sleepers_of_procs_that_are_stuck_wake() {
    let source = "fn spin() { while true {} }
         fn sleeper(out, n) {
           for round in 0..3 {
             let x = 0
             for i in 0..1000 { x = x + i }
             if n % 2 == 0 {
               sleep(2 + n)
             } else {
               select { after(2 + n) {} }
             }
           }
           send(out, n)
         }
         fn main() {
           let out = chan(0)
           for n in 0..20 { spawn sleeper(out, n) }
           sleep(3)
           for i in 0..int(args()[0]) { spawn spin() }
           let sum = 0
           for i in 0..20 { sum = sum + recv(out) }
           print(sum)
         }";
    for workers in [1, 2, 3, 8] {
        for loops in [1, 2, workers - 1, 16] {
            let how = How {
                args: vec![loops.to_string()],
                ..How::workers(workers)
            };
            let ran = run("stuck", source, how);
            assert_eq!(
                (&*ran.output, ran.status),
                ("190\n", 0),
                "{workers} workers, {loops} loops: {}",
                ran.message
            );
        }
    }
}

/// With 3 workers: `sleeper` and `keeper` go to sleep on one proc, the first to
/// be idle. The worker that is woken beside `keeper` and finds nothing to do is
/// to wake `sleeper` in time, but then it gets a loop; the one that runs
/// `keeper` gets another. They alone can see that `sleeper` is due. With more or
/// fewer workers it is an easier case.
#[test]
fn a_sleeper_of_an_idle_proc_wakes_beside_loops() {
    let source = "fn spin() { while true {} }
         fn busy(start, millis) {
           while clock() - start < millis * 1000000 {}
         }
         fn keeper(start) {
           sleep(40)
           busy(start, 70)
           spawn spin()
           spawn spin()
         }
         fn sleeper(start) {
           busy(start, 10)
           spawn keeper(start)
           sleep(120)
           return 7
         }
         fn main() {
           let start = clock()
           let s = spawn sleeper(start)
           spawn busy(start, 20)
           busy(start, 25)
           print(join(s))
         }";
    for _ in 0..3 {
        for workers in [1, 2, 3, 4] {
            let ran = run("idle", source, How::workers(workers));
            assert_eq!((&*ran.output, ran.status), ("7\n", 0), "{}", ran.message);
        }
    }
}

/// An `after` that another proc makes pointless is nobody's any more: were one
/// left, the deadlock at the end would be found only when it is due.
#[test]
fn an_after_is_cancelled_from_other_procs() {
    let source = "fn wait(c, done) {
           let x = 0
           for i in 0..1000 { x = x + i }
           select {
             recv(c) {}
             after(600000) {}
           }
           send(done, 1)
         }
         fn main() {
           let c = chan(0)
           let done = chan(0)
           for n in 0..50 { spawn wait(c, done) }
           sleep(2)
           for n in 0..25 {
             send(c, n)
             yield()
           }
           close(c)
           for n in 0..50 { recv(done) }
           print(\"all\")
           recv(done)
         }";
    for round in 0..5 {
        for workers in [1, 2, 8] {
            let ran = run("cancel", source, How::workers(workers));
            assert_eq!(
                (&*ran.output, ran.status),
                ("all\n", 2),
                "round {round}, {workers} workers: {}",
                ran.message
            );
        }
    }
}
