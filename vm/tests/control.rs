//! Traces that begin and end while the program runs: whatever a task is doing
//! then, each file is whole, and the program notices nothing.

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::thread;
use std::time::Duration;

use support::{Pipes, TraceFile, open};
use vm::{
    End, Options, Outcome, StartError, TraceControl, TraceOptions, TraceVersion, VmError,
    trace_control,
};

/// Runs a program, with `beside` on another thread. Gives back how it ended and
/// what it printed.
fn run_beside(
    source: &str,
    mut options: Options,
    beside: impl FnOnce(&TraceControl) + Send,
) -> (Outcome, String) {
    let program = weft::compile("control.weft", source).expect("it compiles");
    let (control, requests) = trace_control();
    options.control = Some(requests);
    let mut output = Vec::new();
    let outcome = thread::scope(|scope| {
        scope.spawn(|| beside(&control));
        vm::run(&program, options, &mut output).expect("it starts")
    });
    let error = control.stop().expect_err("it has ended");
    assert!(matches!(error, VmError::Ended), "{error}");
    (outcome, String::from_utf8(output).expect("UTF-8"))
}

fn options(workers: u32, args: &[String]) -> Options {
    let mut options = Options::new(workers);
    options.args = args.to_vec();
    options
}

/// The version and the length of generations of the `at`th trace of several.
fn kind(at: usize) -> (TraceVersion, Duration) {
    let version = [TraceVersion::Go126, TraceVersion::Go125][at % 2];
    (version, Duration::from_millis([1, 1000, 3][at % 3]))
}

#[test]
fn a_trace_begins_and_ends_while_tasks_do_all_they_can() {
    let source = "
        fn wait(c) { return recv(c) }
        fn pick(a, b) {
          region \"picking\" {
            select {
              x = recv(a) { return x }
              y = recv(b) { return y }
            }
          }
        }
        fn doze(n) {
          for i in 0..n { sleep(1) }
          return 1
        }
        fn spin() {
          label(\"busy\")
          while true { region \"turn\" { for i in 0..1000 {} } }
        }
        fn read(path) {
          region \"reading\" {
            return int(read_file(path))
          }
        }
        fn main() {
          label(\"first\")
          let c = chan(0)
          let d = chan(0)
          let tasks = [spawn wait(c), spawn pick(c, d), spawn doze(50)]
          spawn doze(1000000)
          spawn wait(d)
          spawn spin()
          let sum = 0
          region \"outer\" { task \"job\" {
            spawn read(args()[6])
            for i in 0..6 { sum = sum + read(args()[i]) }
            log(\"job\", \"done\")
          } }
          send(c, 100)
          send(c, 200)
          for t in tasks { sum = sum + join(t) }
          print(sum)
        }";
    for workers in [1, 2, 8] {
        // Nobody ever writes into the last one.
        let pipes = Pipes::new(&format!("all-{workers}"), 7);
        let files: Vec<_> = (0..4)
            .map(|i| TraceFile::new(&format!("control-all-w{workers}-{i}")))
            .collect();
        let start = |control: &TraceControl, at: usize| {
            let (version, period) = kind(at);
            let options = files[at].options(version, period);
            control.start(options).expect("no trace is being recorded");
        };
        let stop = |control: &TraceControl, at: usize| {
            let report = control.stop().expect("a trace is being recorded");
            files[at].assert_whole(&report);
        };
        let (outcome, output) = run_beside(source, options(workers, &pipes.paths), |control| {
            for (i, path) in pipes.paths[..6].iter().enumerate() {
                let mut pipe = open(path);
                match i {
                    0 => start(control, 0),
                    // In the same call.
                    1 => {
                        stop(control, 0);
                        start(control, 1);
                    }
                    2 => stop(control, 1),
                    // A call from its begin to its end without a trace: 3.
                    4 => {
                        start(control, 2);
                        stop(control, 2);
                        start(control, 3);
                    }
                    _ => {}
                }
                thread::sleep(Duration::from_millis(5));
                writeln!(pipe, "{i}").expect("it takes a number");
            }
        });
        assert!(matches!(outcome.end, End::Returned), "{}", outcome.end);
        // The pipes' numbers, what was sent, and who dozed.
        assert_eq!(output, format!("{}\n", 15 + 300 + 1));
        files[3].assert_whole(&outcome.trace.expect("it was being recorded"));
    }
}

/// Tasks that never end and use all there is, until `main` has read a pipe.
const LOAD: &str = "
    fn work(n, out, path) {
      let turn = 0
      while true {
        turn = turn + 1
        label(\"work \" + str(n))
        task \"turn\" {
          region \"all\" {
            send(out, n)
            if turn % 4 == 0 { yield() }
            if turn % 16 == 0 { sleep(1) }
            region \"inner\" {
              if turn % 8 == 0 { read_file(path) }
            }
            select {
              send(out, turn) {}
              after(n % 3) {}
            }
            if n % 5 == 0 { join(spawn child(turn)) }
          }
        }
        log(\"work\", \"turned\")
      }
    }
    fn child(n) { region \"child\" { return n } }
    fn drain(out) { for x in out {} }
    fn spin() { while true {} }
    fn main() {
      let out = chan(2)
      for n in 0..20 { spawn work(n, out, args()[1]) }
      spawn drain(out)
      spawn spin()
      print(read_file(args()[0]))
    }";

/// The pipe that ends [`LOAD`], and a file for it to read.
fn load_files(name: &str) -> (Pipes, Vec<String>) {
    let pipes = Pipes::new(name, 1);
    let file = pipes.folder.join("short").display().to_string();
    fs::write(&file, "short").expect("the folder can be written to");
    let args = vec![pipes.paths[0].clone(), file];
    (pipes, args)
}

#[test]
fn many_traces_of_one_run_under_load() {
    const CYCLES: usize = 24;
    for workers in [1, 2, 8] {
        let (pipes, args) = load_files(&format!("load-{workers}"));
        let (outcome, output) = run_beside(LOAD, options(workers, &args), |control| {
            let mut pipe = open(&pipes.paths[0]);
            for cycle in 0..CYCLES {
                let file = TraceFile::new(&format!("control-load-w{workers}-{cycle:02}"));
                let (version, period) = kind(cycle);
                control.start(file.options(version, period)).expect("none");
                // Some are over at once, some have several generations.
                thread::sleep(Duration::from_millis(cycle as u64 % 4 * 2));
                let report = control.stop().expect("there is one");
                file.assert_whole(&report);
                if cycle % 3 == 0 {
                    thread::sleep(Duration::from_millis(2));
                }
            }
            write!(pipe, "over").expect("somebody reads it");
        });
        assert!(matches!(outcome.end, End::Returned), "{}", outcome.end);
        assert!(outcome.trace.is_none());
        assert_eq!(output, "over\n");
    }
}

#[test]
fn several_threads_control_one_run() {
    let (pipes, args) = load_files("several");
    let (outcome, output) = run_beside(LOAD, options(2, &args), |control| {
        let mut pipe = open(&pipes.paths[0]);
        let started: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|thread| {
                    scope.spawn(move || {
                        let mut started = 0;
                        for turn in 0..10 {
                            let file = TraceFile::new(&format!("control-several-{thread}-{turn}"));
                            let (version, period) = kind(turn);
                            match control.start(file.options(version, period)) {
                                Ok(()) => started += 1,
                                Err(VmError::TraceStart(StartError::AlreadyTracing)) => {
                                    // It was created for nothing.
                                    fs::remove_file(&file.path).expect("it is there");
                                }
                                Err(error) => panic!("{error}"),
                            }
                            // This one, or that of another thread.
                            match control.stop() {
                                Ok(report) => assert!(report.is_whole(), "{report:?}"),
                                Err(VmError::NotTracing) => {}
                                Err(error) => panic!("{error}"),
                            }
                        }
                        started
                    })
                })
                .collect();
            let done = threads.into_iter().map(|thread| thread.join());
            done.map(|started| started.expect("no panic")).sum()
        });
        assert!(started >= 10, "{started} traces");
        write!(pipe, "over").expect("somebody reads it");
    });
    assert!(matches!(outcome.end, End::Returned), "{}", outcome.end);
    assert_eq!(output, "over\n");
}

#[test]
fn the_end_may_come_at_any_moment() {
    let source = "
        fn work(n) {
          sleep(n % 3)
          return n
        }
        fn main() {
          let sum = 0
          for i in 0..int(args()[0]) { sum = sum + join(spawn work(i)) }
          print(sum)
        }";
    for turn in 0..20_usize {
        let workers = [1, 2, 8][turn % 3];
        let (version, period) = kind(turn);
        let mut started = None;
        let (outcome, output) =
            run_beside(source, options(workers, &[turn.to_string()]), |control| {
                for i in 0.. {
                    let file = TraceFile::new(&format!("control-end-{turn}-{i}"));
                    match control.start(file.options(version, period)) {
                        Ok(()) => {}
                        Err(VmError::Ended) => {
                            fs::remove_file(&file.path).expect("it is there");
                            return;
                        }
                        Err(error) => panic!("{error}"),
                    }
                    match control.stop() {
                        Ok(report) => file.assert_whole(&report),
                        Err(VmError::Ended) => {
                            started = Some(file);
                            return;
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        assert!(matches!(outcome.end, End::Returned), "{}", outcome.end);
        assert_eq!(output, format!("{}\n", turn * turn.saturating_sub(1) / 2));
        // Whose report was not given to who stopped it, is in the outcome.
        match (started, outcome.trace) {
            (Some(file), Some(report)) => file.assert_whole(&report),
            (None, None) => {}
            (file, report) => panic!("{}, {report:?}", file.is_some()),
        }
    }
}

#[test]
fn a_trace_from_the_start_can_be_stopped_and_followed_by_another() {
    let pipes = Pipes::new("first", 1);
    let files = ["control-first-0", "control-first-1"].map(TraceFile::new);
    let long = Duration::from_secs(1);
    let mut options = options(2, &pipes.paths);
    options.trace = Some(files[0].options(TraceVersion::Go126, long));
    let source = "fn main() { print(read_file(args()[0])) }";
    let (outcome, output) = run_beside(source, options, |control| {
        let mut pipe = open(&pipes.paths[0]);
        let spare = || TraceOptions::new(File::open("/dev/null").expect("it is there"));
        let error = control.start(spare()).expect_err("there is one");
        assert!(
            matches!(error, VmError::TraceStart(StartError::AlreadyTracing)),
            "{error}"
        );
        let report = control.stop().expect("there is one");
        files[0].assert_whole(&report);
        let error = control.stop().expect_err("there is none");
        assert!(matches!(error, VmError::NotTracing), "{error}");
        let last = files[1].options(TraceVersion::Go125, long);
        control.start(last).expect("there is none");
        write!(pipe, "over").expect("somebody reads it");
    });
    assert_eq!(output, "over\n");
    files[1].assert_whole(&outcome.trace.expect("it was being recorded"));
}

#[test]
fn a_file_that_cannot_be_written_costs_only_its_trace() {
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let (pipes, args) = load_files("full");
    let file = TraceFile::new("control-after-full");
    let (outcome, output) = run_beside(LOAD, options(2, &args), |control| {
        let mut pipe = open(&pipes.paths[0]);
        let full = TraceOptions {
            period: Duration::from_millis(1),
            ..TraceOptions::new(File::create("/dev/full").expect("it can be opened"))
        };
        control.start(full).expect("there is none");
        thread::sleep(Duration::from_millis(5));
        let report = control.stop().expect("there is one");
        assert!(report.files[0].file_error.is_some(), "{report:?}");
        let next = file.options(TraceVersion::Go126, Duration::from_secs(1));
        control.start(next).expect("there is none");
        write!(pipe, "over").expect("somebody reads it");
    });
    assert!(matches!(outcome.end, End::Returned), "{}", outcome.end);
    assert_eq!(output, "over\n");
    file.assert_whole(&outcome.trace.expect("it was being recorded"));
}

#[test]
fn without_a_run_there_is_no_trace() {
    let program = weft::compile("none.weft", "fn main() {}").expect("it compiles");
    let file = TraceFile::new("control-none");
    let start = || file.options(TraceVersion::Go126, Duration::from_secs(1));
    // A run that does not begin, though somebody waits for it.
    let (control, requests) = trace_control();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| control.start(start()));
        let mut options = Options::new(0);
        options.control = Some(requests);
        let error = vm::run(&program, options, &mut Vec::new()).expect_err("no workers");
        assert!(matches!(error, VmError::Workers(0)), "{error}");
        let error = waiting.join().expect("no panic").expect_err("no run");
        assert!(matches!(error, VmError::Ended), "{error}");
    });
    // One that nobody controls any more.
    let (control, requests) = trace_control();
    drop(control);
    let mut options = Options::new(1);
    options.trace = Some(start());
    options.control = Some(requests);
    let outcome = vm::run(&program, options, &mut Vec::new()).expect("it starts");
    file.assert_whole(&outcome.trace.expect("it was being recorded"));
}
