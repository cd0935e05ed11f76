//! Traces that begin in the middle of a run: what tasks were doing then is what
//! the first generation says of them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use e2e::check::{Checked, Ends, check};
use e2e::kept::Kept;
use e2e::wire::Trace;
use trace_format::{EventKind, TaskStatus};
use vm::{End, Options, TraceControl, TraceOptions, TraceVersion, trace_control};

/// Task 1 is `main`, the others are numbered in the order of their `spawn`.
const SOURCE: &str = r#"
    fn waits(c) { return recv(c) }
    fn chooses(c) {
      select {
        x = recv(c) { return x }
        after(600000) {}
      }
    }
    fn sleeps() { sleep(600000) }
    fn runs() { while true {} }
    fn reads(path) { region "reading" { return int(read_file(path)) } }
    fn main() {
      label("root")
      let a = chan(0)
      let b = chan(0)
      let tasks = [spawn waits(a), spawn chooses(b)]
      spawn sleeps()
      sleep(1)
      spawn runs()
      region "outer" {
        task "job" {
          print(reads(args()[0]))
          region "inner" { send(a, 1) }
        }
      }
      send(b, 2)
      print(join(tasks[0]) + join(tasks[1]))
      read_file(args()[1])
    }"#;

const MAIN: u64 = 1;

/// A folder of named pipes that goes away with this.
struct Pipes {
    folder: PathBuf,
    paths: [PathBuf; 2],
}

impl Pipes {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("e2e-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("the temporary folder can be written to");
        let paths = ["first", "last"].map(|name| folder.join(name));
        let made = Command::new("mkfifo").args(&paths).status();
        assert!(made.expect("there is mkfifo").success());
        Pipes { folder, paths }
    }
}

impl Drop for Pipes {
    fn drop(&mut self) {
        // What cannot be removed from the temporary folder stays there.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Somebody is reading the pipe afterwards, until something has been written.
fn open(path: &Path) -> File {
    let pipe = fs::OpenOptions::new().write(true).open(path);
    pipe.expect("somebody reads it")
}

fn start(control: &TraceControl, kept: &Kept, version: TraceVersion) {
    let file = File::create(kept.path()).expect("a trace can be created");
    let options = TraceOptions {
        version,
        period: Duration::from_millis(1),
        ..TraceOptions::new(file)
    };
    control.start(options).expect("no trace is being recorded");
}

fn stop(control: &TraceControl) {
    let report = control.stop().expect("a trace is being recorded");
    assert!(report.is_whole(), "{report:?}");
}

/// What the first generation says first of each task that is older than the
/// trace, and where it says that it is.
fn first_statuses(trace: &Trace) -> BTreeMap<u64, (TaskStatus, Option<String>)> {
    let generation = &trace.generations[0];
    let mut found = BTreeMap::new();
    for event in generation.streams.values().flatten() {
        let stack = match event.kind {
            EventKind::GoStatus => 0,
            EventKind::GoStatusStack => event.args[3],
            _ => continue,
        };
        let [task, _, status, _] = event.args;
        let status = TaskStatus::from_code(status).expect("a status");
        let functions = generation.functions(stack).expect("there is that stack");
        // Below what it does there is where it does it.
        let place = functions.get(1).map(|&name| name.to_owned());
        let before = found.insert(task, (status, place));
        assert!(before.is_none(), "two statuses of task {task}");
    }
    found
}

fn judged(kept: &Kept) -> (Trace, Checked) {
    let trace = kept.read();
    match check(&trace, Ends::Whole) {
        Ok(checked) => (trace, checked),
        Err(fault) => panic!("{}: {fault}", kept.path().display()),
    }
}

#[test]
fn the_first_generation_says_what_everybody_was_doing() {
    let program = weft::compile("midrun.weft", SOURCE).expect("it compiles");
    for workers in [1, 2, 8] {
        let pipes = Pipes::new(&format!("midrun-{workers}"));
        let [within, across, after] = ["within", "across", "after"].map(|name| {
            Kept::place(&format!("midrun-{name}-w{workers}")).expect("there is a place")
        });
        let (control, requests) = trace_control();
        let mut options = Options::new(workers);
        options.args = pipes
            .paths
            .iter()
            .map(|p| p.display().to_string())
            .collect();
        options.control = Some(requests);
        let mut output = Vec::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut first = open(&pipes.paths[0]);
                start(&control, &within, TraceVersion::Go126);
                stop(&control);
                start(&control, &across, TraceVersion::Go125);
                write!(first, "40").expect("somebody reads it");
                drop(first);
                let mut last = open(&pipes.paths[1]);
                stop(&control);
                start(&control, &after, TraceVersion::Go126);
                write!(last, "over").expect("somebody reads it");
            });
            let outcome = vm::run(&program, options, &mut output).expect("it starts");
            assert!(matches!(outcome.end, End::Returned), "{}", outcome.end);
            assert!(outcome.trace.is_some(), "the last one was being recorded");
        });
        assert_eq!(output, b"40\n3\n");

        let waits = |place: &str| (TaskStatus::Waiting, Some(place.to_owned()));
        let reads = |place: &str| (TaskStatus::Syscall, Some(place.to_owned()));
        // Begun and over in one call: all from the sweep, but for who runs.
        let (trace, checked) = judged(&within);
        let mut found = first_statuses(&trace);
        let (running, _) = found.remove(&5).expect("there is the busy one");
        assert!(matches!(
            running,
            TaskStatus::Running | TaskStatus::Runnable
        ));
        let wanted = [
            (MAIN, reads("reads")),
            (2, waits("waits")),
            (3, waits("chooses")),
            (4, waits("sleeps")),
        ];
        // With several workers some may not have come so far yet.
        if workers == 1 {
            assert_eq!(found, wanted.into());
        }
        assert_eq!(found[&MAIN], reads("reads"), "{workers} workers");
        assert_eq!(checked.live, 5);

        // Begun in a call that returned: what was open then ends without a begin.
        let (trace, checked) = judged(&across);
        let (status, _) = &first_statuses(&trace)[&MAIN];
        assert_eq!(*status, TaskStatus::Syscall, "{workers} workers");
        let count = |kind| checked.counts.get(&kind).copied().unwrap_or(0);
        let regions = [EventKind::UserRegionBegin, EventKind::UserRegionEnd];
        // "inner"; and that, "reading" and "outer".
        assert_eq!(regions.map(count), [1, 3], "{workers} workers");
        let tasks = [EventKind::UserTaskBegin, EventKind::UserTaskEnd];
        assert_eq!(tasks.map(count), [0, 1], "{workers} workers");
        // What is said once in each generation is said in this one.
        let [labels, heaps] = [EventKind::GoLabel, EventKind::HeapAlloc].map(count);
        assert!(labels >= 1 && heaps >= 1, "{labels} labels, {heaps} heaps");
        // The two that were joined are gone.
        assert_eq!(checked.live, 3);

        let (trace, _) = judged(&after);
        let (status, _) = &first_statuses(&trace)[&MAIN];
        assert_eq!(*status, TaskStatus::Syscall, "{workers} workers");
    }
}
