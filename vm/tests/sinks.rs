//! Files that fail, stall or take little at a time: the program prints and ends
//! as it does without a trace, and the report says what is wrong with the file.

mod support;

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use support::{Pipes, TraceFile, generations, open};
use vm::{FileReport, NotResumed, Options, TraceOptions};

/// Works before and after it reads the pipe of its first argument. Each time
/// the trace gets several times what a pipe holds.
const PROGRAM: &str = "
    fn work(n) {
      for i in 0..n { yield() }
      return n
    }
    fn both() {
      let tasks = [spawn work(40000), spawn work(40000)]
      let sum = 0
      for t in tasks { sum = sum + join(t) }
      print(sum)
    }
    fn main() {
      both()
      print(read_file(args()[0]))
      both()
    }";

const OUTPUT: &str = "80000\nread\n80000\n";

/// More than a pipe or socket holds, bytes.
const MUCH: u64 = 256 << 10;

/// The test that has it is the only one in this process to record: these tests look
/// for the tracer's threads, and change what signals do.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    // A test that has panicked with it has said so.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number of the thread that writes a trace of this process.
fn sink_thread() -> Option<libc::pid_t> {
    let threads = fs::read_dir("/proc/self/task").expect("the system tells of threads");
    threads.flatten().find_map(|thread| {
        let name = fs::read_to_string(thread.path().join("comm")).ok()?;
        let number = thread.file_name().to_str()?.parse().ok()?;
        (name == "trace sink\n").then_some(number)
    })
}

/// How often [`count`] was called.
static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

/// Counts signals of this kind from now on; system calls that they interrupt say
/// so.
fn count_signals(signal: libc::c_int) {
    SIGNALS.store(0, Ordering::Relaxed);
    let handler: extern "C" fn(libc::c_int) = count;
    // SAFETY: all zeros is a value of this C struct.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as libc::sighandler_t;
    // SAFETY: it is initialised, and the handler does nothing but an atomic
    // operation, which a handler may.
    let set = unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) };
    assert_eq!(set, 0, "{}", io::Error::last_os_error());
}

/// Runs [`PROGRAM`], with `beside` on another thread while it waits in the
/// middle. Gives back the report of its only file.
fn run(name: &str, file: File, beside: impl FnOnce() + Send) -> FileReport {
    let pipes = Pipes::new(name, 1);
    let program = weft::compile("sink.weft", PROGRAM).expect("it compiles");
    let mut options = Options::new(2);
    options.args = pipes.paths.clone();
    options.trace = Some(TraceOptions {
        period: Duration::from_millis(1),
        ..TraceOptions::new(file)
    });
    let mut output = Vec::new();
    let outcome = thread::scope(|scope| {
        scope.spawn(|| {
            let mut pipe = open(&pipes.paths[0]);
            beside();
            write!(pipe, "read").expect("the program reads it");
        });
        vm::run(&program, options, &mut output).expect("it starts")
    });
    assert_eq!(outcome.end.status(), 0, "{name}: {}", outcome.end);
    assert_eq!(String::from_utf8_lossy(&output), OUTPUT, "{name}");
    let mut report = outcome.trace.expect("it was traced");
    assert_eq!(report.files.len(), 1, "{name}: {report:?}");
    report.files.remove(0)
}

/// A terminal that has been hung up.
fn hung_up() -> OwnedFd {
    let (mut terminal, mut into_terminal) = (-1, -1);
    let none = std::ptr::null_mut;
    // SAFETY: the two numbers are there to be written to; nothing else is asked
    // for or given.
    let opened = unsafe {
        libc::openpty(
            &mut terminal,
            &mut into_terminal,
            none(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        )
    };
    assert_eq!(opened, 0, "{}", io::Error::last_os_error());
    // SAFETY: both are open, and nobody else's. The first one is closed again.
    unsafe {
        drop(OwnedFd::from_raw_fd(terminal));
        OwnedFd::from_raw_fd(into_terminal)
    }
}

#[test]
fn a_file_that_refuses_ends_its_trace_and_nothing_else() {
    let _alone = alone();
    // A writer's signals are none of the embedder's business.
    count_signals(libc::SIGPIPE);
    let unread_pipe = || io::pipe().expect("a pipe").1.into();
    let unread_socket = || UnixStream::pair().expect("a pair of sockets").1.into();
    let full = || File::create("/dev/full").expect("it is there").into();
    let read_only = || File::open("/dev/null").expect("it is there").into();
    let sinks: [(&str, i32, &dyn Fn() -> OwnedFd); 5] = [
        ("full", libc::ENOSPC, &full),
        ("hung-up", libc::EIO, &hung_up),
        ("unread-pipe", libc::EPIPE, &unread_pipe),
        ("unread-socket", libc::EPIPE, &unread_socket),
        ("read-only", libc::EBADF, &read_only),
    ];
    for (name, errno, sink) in sinks {
        let file = run(name, File::from(sink()), || {
            // The trace is over, and the program goes on.
            while sink_thread().is_some() {
                thread::sleep(Duration::from_millis(1));
            }
        });
        let error = file.file_error.as_ref().expect(name);
        assert_eq!(error.raw_os_error(), Some(errno), "{name}: {error}");
        assert_eq!(file.bytes, 0, "{name}: {file:?}");
        // Not even the header, so that nothing was recorded in vain either.
        assert!(
            file.events == 0 && file.incomplete.is_none(),
            "{name}: {file:?}"
        );
        let gap = file.gap.expect(name);
        assert!(
            matches!(gap.last, Some(NotResumed::Unwritten)) && gap.from < gap.to,
            "{name}: {gap:?}"
        );
    }
    assert_eq!(SIGNALS.load(Ordering::Relaxed), 0);
}

/// Reads all of something, from when it is told to; and reads nothing before.
fn reader(mut from: impl Read + Send + 'static) -> (Sender<()>, thread::JoinHandle<Vec<u8>>) {
    let (begin, begun) = channel();
    let reader = thread::spawn(move || {
        begun.recv().expect("somebody says when");
        let mut arrived = Vec::new();
        let mut piece = [0; 1000];
        loop {
            match from.read(&mut piece).expect("it can be read") {
                0 => return arrived,
                n => arrived.extend_from_slice(&piece[..n]),
            }
        }
    });
    (begin, reader)
}

/// Asserts that what has arrived is all of a trace.
#[track_caller]
fn assert_arrived(file: &FileReport, arrived: &[u8]) {
    assert!(file.is_whole(), "{file:?}");
    assert_eq!(file.bytes, arrived.len() as u64);
    assert!(file.bytes > MUCH, "{file}");
    let ended = generations(arrived).map(|n| n as u64);
    assert_eq!(ended, Some(file.generations));
}

#[test]
fn a_write_that_signals_interrupt_is_taken_up_again() {
    let _alone = alone();
    count_signals(libc::SIGUSR1);
    let (from, into) = io::pipe().expect("a pipe");
    let (begin, arrived) = reader(from);
    let file = run("interrupted", OwnedFd::from(into).into(), || {
        // Nobody reads, and there is more than a pipe holds: it is in a write.
        let thread = sink_thread().expect("the trace is being written");
        while SIGNALS.load(Ordering::Relaxed) < 20 {
            // SAFETY: it is a thread of this process, whose signal is handled.
            let sent =
                unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGUSR1) };
            assert_eq!(sent, 0, "{}", io::Error::last_os_error());
            thread::yield_now();
        }
        begin.send(()).expect("somebody reads");
    });
    assert_arrived(&file, &arrived.join().expect("no panic"));
}

#[test]
fn a_file_that_takes_little_and_does_not_wait_gets_all() {
    let _alone = alone();
    let (from, into) = UnixStream::pair().expect("a pair of sockets");
    into.set_nonblocking(true).expect("it can be");
    let (begin, arrived) = reader(from);
    let file = run("little", OwnedFd::from(into).into(), || {
        begin.send(()).expect("somebody reads");
    });
    assert_arrived(&file, &arrived.join().expect("no panic"));
}

/// Starts [`PROGRAM`] in a process of its own.
fn weft(pipes: &Pipes, trace: &str, command: impl FnOnce(&mut Command)) -> Child {
    let file = pipes.folder.join("program.weft");
    fs::write(&file, PROGRAM).expect("the folder can be written to");
    let mut weft = support::weft();
    weft.args(["run", "--workers", "2", "--trace-period", "1"])
        .args(["--trace", trace])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command(&mut weft);
    weft.arg(&file).args(&pipes.paths);
    weft.spawn().expect("weft runs")
}

/// Asserts that the program has done all it does, and gives back what was said.
#[track_caller]
fn said(output: &Output) -> &str {
    let said = std::str::from_utf8(&output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{}: {said}", output.status);
    assert_eq!(String::from_utf8_lossy(&output.stdout), OUTPUT);
    said
}

#[test]
fn a_limit_on_the_length_of_files_does_not_end_the_process() {
    const LIMIT: u64 = 100_000;
    let pipes = Pipes::new("limit", 1);
    let trace = TraceFile::new("sinks-limit");
    let path = trace.path.to_str().expect("UTF-8");
    let child = weft(&pipes, path, |command| {
        let limit = || {
            let limit = libc::rlimit {
                rlim_cur: LIMIT,
                rlim_max: LIMIT,
            };
            // SAFETY: the pointer is to one of these.
            match unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limit) } {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        };
        // SAFETY: it makes a single system call, as it may between fork and exec.
        unsafe { command.pre_exec(limit) };
    });
    let mut pipe = open(&pipes.paths[0]);
    write!(pipe, "read").expect("the program reads it");
    drop(pipe);
    let output = child.wait_with_output().expect("it ends");
    let said = said(&output);
    let wanted = format!("warning: the trace in {path} is not whole: File too large (os error 27)");
    assert!(said.starts_with(&wanted), "{said}");
    assert!(
        said.contains(&format!(" events, {LIMIT} bytes, ")),
        "{said}"
    );
    // The last write was cut short, and counts.
    assert_eq!(trace.path.metadata().expect("it is there").len(), LIMIT);
    fs::remove_file(&trace.path).expect("it is no trace for anybody's judgement");
}

/// The first line that a program prints.
fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    let stdout = child.stdout.take().expect("it is piped");
    let mut stdout = BufReader::with_capacity(1, stdout);
    stdout.read_line(&mut line).expect("it prints");
    child.stdout = Some(stdout.into_inner());
    line
}

/// Opens a named pipe so that whoever opens it to write need not wait, though
/// nobody reads.
fn hold(pipe: &str) -> File {
    let held = fs::OpenOptions::new().read(true).write(true).open(pipe);
    held.expect("it is there")
}

#[test]
fn a_program_goes_on_while_its_trace_is_stuck() {
    let pipes = Pipes::new("stalled", 2);
    let trace = &pipes.paths[1];
    let held = hold(trace);
    let mut child = weft(&pipes, trace, |_| {});
    // It comes though nobody reads the trace, which is more than a pipe holds.
    assert_eq!(first_line(&mut child), "80000\n");
    let (begin, arrived) = reader(File::open(trace).expect("it is there"));
    drop(held);
    begin.send(()).expect("somebody reads");
    write!(open(&pipes.paths[0]), "read").expect("the program reads it");
    let output = child.wait_with_output().expect("it ends");
    let arrived = arrived.join().expect("no panic");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(output.stdout, b"read\n80000\n");
    let length = format!(" events, {} bytes, ", arrived.len());
    assert!(said.contains(&length), "{said}");
    assert!(said.ends_with(" 0 events lost\n"), "{said}");
    assert!(arrived.len() as u64 > MUCH && generations(&arrived).is_some());
}

#[test]
fn a_trace_that_is_stuck_for_ever_is_given_up() {
    // How the program ends: by itself, also when the trace has no memory, or by
    // a signal.
    let ends = [
        ("all", None, "256MiB"),
        ("limited", None, "1MiB"),
        ("sigint", Some(libc::SIGINT), "256MiB"),
        ("sigterm", Some(libc::SIGTERM), "256MiB"),
    ];
    let runs = ends.map(|(name, signal, memory)| {
        let pipes = Pipes::new(&format!("stuck-{name}"), 2);
        let held = hold(&pipes.paths[1]);
        let mut child = weft(&pipes, &pipes.paths[1], |command| {
            command.args(["--trace-memory", memory]);
        });
        assert_eq!(first_line(&mut child), "80000\n");
        match signal {
            None => write!(open(&pipes.paths[0]), "read").expect("the program reads it"),
            Some(signal) => {
                let id = i32::try_from(child.id()).expect("a process");
                // SAFETY: it has no effect on this process, and the child has not
                // been waited for, so that the number is its own.
                assert_eq!(unsafe { libc::kill(id, signal) }, 0);
            }
        }
        (name, signal, pipes, held, child)
    });
    for (name, signal, pipes, held, child) in runs {
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        let (status, rest) = match signal {
            None => (0, "read\n80000\n"),
            Some(signal) => (128 + signal, ""),
        };
        assert_eq!(output.status.code(), Some(status), "{name}: {said}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), rest, "{name}");
        let trace = &pipes.paths[1];
        let wanted = format!("warning: the trace in {trace} is not whole: given up, as it has");
        assert!(said.starts_with(&wanted), "{name}: {said}");
        let line = said.lines().find(|line| line.starts_with("trace: "));
        let line = line.expect("a closing line");
        assert!(line.starts_with(&format!("trace: {trace}: ")), "{line}");
        assert_eq!(
            said.contains("ends before it was to"),
            name == "limited",
            "{said}"
        );
        drop(held);
    }
}

/// Waits until a process has this many workers or, after some, has started none
/// for a while or ended; gives back how many it had.
fn workers(child: &mut Child, most: usize) -> usize {
    let tasks = format!("/proc/{}/task", child.id());
    let count = || {
        let threads = fs::read_dir(&tasks).into_iter().flatten().flatten();
        let names = threads.map(|thread| fs::read_to_string(thread.path().join("comm")));
        // One that has just ended is none.
        names
            .flatten()
            .filter(|name| name.starts_with("worker "))
            .count()
    };
    let (mut had, mut same) = (0, 0);
    while had < most && (had < 100 || same < 100) {
        if child.try_wait().expect("it is ours").is_some() {
            break;
        }
        thread::sleep(Duration::from_millis(5));
        let now = count();
        same = if now > had { 0 } else { same + 1 };
        had = had.max(now);
    }
    had
}

#[test]
fn a_trace_without_memory_has_room_for_workers() {
    // Far more than the tracer has room for in a block.
    const READS: usize = 300;
    // As many as two procs and 256 calls without one can have.
    const MOST: usize = 258;
    let source = "
        fn read(path) { return int(read_file(path)) }
        fn main() {
          for i in 0..100000 { yield() }
          let tasks = []
          for path in args() { push(tasks, spawn read(path)) }
          print(len(tasks))
          let sum = 0
          for t in tasks { sum = sum + join(t) }
          print(sum)
        }";
    let pipes = Pipes::new("untraced-workers", READS + 1);
    let (trace, reads) = pipes.paths.split_last().expect("there are some");
    let file = pipes.folder.join("program.weft");
    fs::write(&file, source).expect("the folder can be written to");
    let run = |traced: &[&str]| {
        // Nobody reads the trace, so the tracer's memory is used up.
        let held = hold(trace);
        let mut weft = support::weft();
        weft.args(["run", "--workers", "2"]).args(traced);
        weft.arg(&file).args(reads);
        weft.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = weft.spawn().expect("weft runs");
        let workers = workers(&mut child, MOST);
        let mut left = reads.to_vec();
        while !left.is_empty() && child.try_wait().expect("it is ours").is_none() {
            left.retain(|path| {
                let mut pipe = fs::OpenOptions::new();
                // Refused as long as nobody reads it.
                pipe.write(true).custom_flags(libc::O_NONBLOCK);
                let Ok(mut pipe) = pipe.open(path) else {
                    return true;
                };
                write!(pipe, "1").expect("it takes a number");
                false
            });
            thread::sleep(Duration::from_millis(1));
        }
        drop(held);
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(0), "{traced:?}: {said}");
        let printed = String::from_utf8(output.stdout).expect("UTF-8");
        assert_eq!(printed, format!("{READS}\n{READS}\n"), "{traced:?}: {said}");
        workers
    };
    assert_eq!(run(&[]), MOST);
    // The least that there can be, of which an eighth is kept: enough for the slots.
    let traced = [
        "--trace",
        trace,
        "--trace-memory",
        "1MiB",
        "--trace-period",
        "1",
    ];
    assert_eq!(run(&traced), MOST);
}
