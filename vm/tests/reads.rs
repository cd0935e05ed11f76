//! Tasks that block in system calls: others go on, generations advance, and the
//! end of the program waits for nobody.

mod support;

use std::fs;
use std::io::Write;
use std::time::Duration;

use support::{How, Pipes, Ran, run};
use vm::{End, Options, TraceOptions, TraceVersion};

/// Runs a program that reads pipes, while another thread writes into them, one
/// after the other.
fn run_beside_writer(name: &str, source: &str, pipes: &Pipes, how: How<'_>) -> Ran {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for (i, path) in pipes.paths.iter().enumerate() {
                std::thread::sleep(Duration::from_millis(10));
                let mut pipe = fs::OpenOptions::new()
                    .write(true)
                    .open(path)
                    .expect("somebody reads it");
                write!(pipe, "{i}").expect("it takes a number");
                std::thread::sleep(Duration::from_millis(1));
                writeln!(pipe).expect("and an end");
            }
        });
        run(name, source, how)
    })
}

#[test]
fn reads_that_block_hold_nobody_up() {
    let source = "
        fn read(path) { return int(read_file(path)) }
        fn spin(stop) {
          let turns = 0
          while len(stop) == 0 { turns = turns + 1 }
        }
        fn talk(c, n) {
          for i in 0..n {
            send(c, i)
            sleep(0)
          }
          close(c)
        }
        fn main() {
          let tasks = []
          for path in args() { push(tasks, spawn read(path)) }
          spawn spin([])
          let c = chan(0)
          spawn talk(c, 5)
          let sum = 0
          for x in c { sum = sum + x }
          print(sum)
          sum = 0
          for t in tasks { sum = sum + join(t) }
          print(sum)
        }";
    for (workers, version) in [
        (1, TraceVersion::Go126),
        (2, TraceVersion::Go125),
        (8, TraceVersion::Go126),
        (64, TraceVersion::Go126),
    ] {
        for traced in [false, true] {
            let pipes = Pipes::new(&format!("reads-{workers}-{traced}"), 12);
            let trace = format!("reads-w{workers}");
            let ran = run_beside_writer(
                "reads.weft",
                source,
                &pipes,
                How {
                    args: pipes.paths.clone(),
                    trace: traced.then_some(&*trace),
                    version,
                    period: Duration::from_millis(2),
                    ..How::workers(workers)
                },
            );
            assert_eq!(
                (&*ran.output, ran.status),
                ("10\n66\n", 0),
                "{workers} workers: {}",
                ran.message
            );
            if let Some(report) = ran.outcome.and_then(|outcome| outcome.trace) {
                let file = &report.files[0];
                // The last pipe is written to 120 ms after the start.
                assert!(file.generations >= 5, "{workers} workers: {file}");
            }
        }
    }
}

#[test]
fn short_reads_between_other_work() {
    let pipes = Pipes::new("short", 0);
    let file = pipes.folder.join("seven").display().to_string();
    fs::write(&file, "7").expect("the folder can be written to");
    let source = "
        fn work(path, n) {
          let sum = 0
          for i in 0..n { sum = sum + int(read_file(path)) }
          return sum
        }
        fn main() {
          let tasks = []
          for i in 0..20 { push(tasks, spawn work(args()[0], 50)) }
          let sum = 0
          for t in tasks { sum = sum + join(t) }
          print(sum)
        }";
    for workers in [1, 2, 8] {
        for round in 0..4 {
            let trace = format!("short-reads-w{workers}-{round}");
            let ran = run(
                "short.weft",
                source,
                How {
                    args: vec![file.clone()],
                    trace: (round > 0).then_some(&*trace),
                    period: Duration::from_millis(1),
                    ..How::workers(workers)
                },
            );
            assert_eq!(
                (&*ran.output, ran.status),
                ("7000\n", 0),
                "{workers} workers: {}",
                ran.message
            );
        }
    }
}

#[test]
fn the_end_waits_for_no_read() {
    let source = "
        fn read(path) { read_file(path) }
        fn main() {
          for path in args() { spawn read(path) }
          sleep(20)
          print(\"done\")
        }";
    for workers in [1, 2, 8] {
        let pipes = Pipes::new(&format!("end-{workers}"), 5);
        let trace = format!("reads-end-w{workers}");
        let ran = run(
            "end.weft",
            source,
            How {
                args: pipes.paths.clone(),
                trace: Some(&trace),
                period: Duration::from_millis(5),
                ..How::workers(workers)
            },
        );
        assert_eq!((&*ran.output, ran.status), ("done\n", 0), "{}", ran.message);
    }
}

#[test]
fn a_pending_read_is_no_deadlock_but_what_comes_after_may_be() {
    let source = "
        fn wait(c) { recv(c) }
        fn main() {
          let c = chan(0)
          spawn wait(c)
          print(read_file(args()[0]) == \"0\\n\")
          recv(c)
        }";
    for workers in [1, 2, 8] {
        let pipes = Pipes::new(&format!("deadlock-{workers}"), 1);
        let trace = format!("reads-deadlock-w{workers}");
        let ran = run_beside_writer(
            "deadlock.weft",
            source,
            &pipes,
            How {
                args: pipes.paths.clone(),
                trace: Some(&trace),
                ..How::workers(workers)
            },
        );
        assert_eq!((&*ran.output, ran.status), ("true\n", 2), "{}", ran.message);
        let Some(End::Deadlock(deadlock)) = ran.outcome.map(|outcome| outcome.end) else {
            panic!("no deadlock")
        };
        assert_eq!(deadlock.tasks.len(), 2);
    }
}

/// An output that takes its time.
struct Slow(Vec<u8>);

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        std::thread::sleep(Duration::from_millis(30));
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_output_that_blocks_holds_no_generation_up() {
    let source = "
        fn main() {
          let line = \"123456789 123456789 123456789 123456789 123456789 \"
          for i in 0..4000 { print(line) }
        }";
    let program = weft::compile("slow.weft", source).expect("it compiles");
    for workers in [1, 2, 8] {
        let path = std::env::temp_dir().join(format!("weft-{}-slow-{workers}", std::process::id()));
        let mut options = Options::new(workers);
        let file = fs::File::create(&path).expect("the temporary folder can be written to");
        options.trace = Some(TraceOptions {
            period: Duration::from_millis(2),
            ..TraceOptions::new(file)
        });
        let mut output = Slow(Vec::new());
        let outcome = vm::run(&program, options, &mut output).expect("it starts");
        let _ = fs::remove_file(&path);
        assert!(matches!(outcome.end, End::Returned), "{:?}", outcome.end);
        assert_eq!(output.0.len(), 4000 * 51);
        let report = &outcome.trace.expect("it was traced").files[0];
        // It blocks for three times 30 ms before main ends.
        assert!(report.generations >= 4, "{workers} workers: {report}");
    }
}

#[test]
fn what_cannot_be_read_ends_the_program() {
    let pipes = Pipes::new("errors", 0);
    let file = pipes.folder.join("binary").display().to_string();
    fs::write(&file, b"good\xff").expect("the folder can be written to");
    let source = "fn main() {\n  print(read_file(args()[0]))\n}";
    for (path, said) in [
        (
            file.clone(),
            format!("error: cannot read {file:?} as text: it is no UTF-8 at byte 4\n"),
        ),
        (
            "no/such/file".to_owned(),
            "error: cannot read \"no/such/file\": No such file or directory".to_owned(),
        ),
    ] {
        let ran = run(
            "errors.weft",
            source,
            How {
                args: vec![path],
                ..How::workers(2)
            },
        );
        assert_eq!((&*ran.output, ran.status), ("", 1));
        assert!(ran.message.starts_with(&said), "{}", ran.message);
        assert!(ran.message.contains("errors.weft:2:"), "{}", ran.message);
    }
}
