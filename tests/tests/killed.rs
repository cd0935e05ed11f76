//! A process is killed while it traces: how much of what it has said can be read.
//!
//! The child is this test's own program. It notes what it says to its tracer where
//! the parent can see it ([`ledger`]), is killed at a random moment, and its file is
//! read. What is read must be the start of what each thread has said, with nothing
//! invented.

#![cfg(target_os = "linux")]

#[path = "support/ledger.rs"]
mod ledger;
#[path = "support/victim.rs"]
mod victim;

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use e2e::kept::{self, Kept};
use e2e::rng::Rng;
use ledger::{Deed, Ledger, Unmapped, now};
use trace_format::EventKind;
use trace_read::{Event, Kind, ReadError, Reader};

/// The share of what was said that must be read, of what had time to be written.
const RECOVERED: f64 = 0.95;

/// So much time before the kill is enough to be written.
const ENOUGH: u64 = 100_000_000;

/// Where the child finds what it needs: files, period and seed.
const CHILD: &str = "E2E_KILLED_CHILD";

/// One kill.
struct Kill {
    /// What was said long enough before, by threads that were not inside an emission,
    /// how much of it was read, and how much of that with its names.
    said: u64,
    read: u64,
    named: u64,
    /// How many threads were inside an emission, and what they had said.
    inside: u64,
    inside_said: u64,
    inside_read: u64,
    /// The share by the time at which the writer was last known to have written.
    due: f64,
}

impl Kill {
    fn share(&self) -> f64 {
        share(self.named, self.said)
    }
}

fn share(part: u64, all: u64) -> f64 {
    match all {
        0 => 1.0,
        _ => part as f64 / all as f64,
    }
}

#[test]
fn what_was_said_before_a_kill_is_read() {
    if let Ok(child) = std::env::var(CHILD) {
        let mut parts = child.split('\n');
        let mut part = || parts.next().expect("a part");
        let (ledger, trace) = (PathBuf::from(part()), PathBuf::from(part()));
        let period = part().parse().expect("a number");
        let seed = part().parse().expect("a number");
        victim::live(&ledger, &trace, Duration::from_millis(period), seed);
    }
    let mut rng = Rng::new(kept::seed(), 0x6b69_6c6c);
    let (kills, periods) = match kept::long() {
        true => (20, &[100, 1_000, 10_000][..]),
        false => (2, &[100, 1_000][..]),
    };
    for &period in periods {
        let all: Vec<_> = (0..kills)
            .map(|number| kill(period, number, &mut rng))
            .collect();
        let mut shares: Vec<_> = all.iter().map(Kill::share).collect();
        shares.sort_by(f64::total_cmp);
        let sum = |figure: fn(&Kill) -> u64| all.iter().map(figure).sum::<u64>();
        println!(
            "evidence: generations of {period} ms, {kills} kills: of {} events said until 100 ms \
             before, {:.1} / {:.1} / {:.1} % were read with names (min / median / max), {:.1} % of \
             all were read; {} threads were inside an emission, of their {} events {} were read",
            sum(|kill| kill.said),
            100.0 * shares[0],
            100.0 * shares[shares.len() / 2],
            100.0 * shares[shares.len() - 1],
            100.0 * share(sum(|kill| kill.read), sum(|kill| kill.said)),
            sum(|kill| kill.inside),
            sum(|kill| kill.inside_said),
            sum(|kill| kill.inside_read),
        );
        for kill in &all {
            assert!(kill.said > 0, "nothing was said");
            assert!(kill.due >= RECOVERED, "only {:.3} was read", kill.due);
        }
    }
}

/// Starts a child, kills it at some moment of its first or second generation, and
/// looks at what there is.
fn kill(period: u64, number: u64, rng: &mut Rng) -> Kill {
    let mut trace = Kept::place(&format!("killed-{period}-{number}")).expect("a place");
    let ledger_path = trace.path().with_extension("ledger");
    let mut child = begin(&ledger_path, trace.path(), period, rng.next());
    // SAFETY: the ledger is used in this function only.
    let mapped = unsafe { Unmapped::at(&ledger_path) };
    let ledger = mapped.ledger();
    while !ledger.is_alive() {
        assert!(
            child.try_wait().expect("it can be asked").is_none(),
            "it has ended"
        );
        thread::sleep(Duration::from_millis(1));
    }
    let least = 200 + period * 3 / 10;
    thread::sleep(Duration::from_millis(
        least + rng.below(period as usize) as u64,
    ));
    let killed = now();
    child.kill().expect("it can be killed");
    let status = child.wait().expect("it has ended");
    assert_eq!(status.code(), None, "it was killed: {status}");
    let read = read(trace.path());
    trace.set_aside_cut_off();
    let found = judge(ledger, &read, killed);
    std::fs::remove_file(&ledger_path).expect("it is there");
    found
}

fn begin(ledger: &Path, trace: &Path, period: u64, seed: u64) -> Child {
    // Not one of before.
    let _ = std::fs::remove_file(ledger);
    let (ledger, trace) = (ledger.display(), trace.display());
    Command::new(std::env::current_exe().expect("it has a name"))
        .args([
            "--exact",
            "what_was_said_before_a_kill_is_read",
            "--nocapture",
        ])
        .env(CHILD, format!("{ledger}\n{trace}\n{period}\n{seed}"))
        .stdout(Stdio::null())
        .spawn()
        .expect("it runs")
}

/// What a worker did, and whether its names are there.
type Done = (Deed, bool);

/// Reads what each worker did.
fn read(path: &Path) -> HashMap<u64, Vec<Done>> {
    let mut done: HashMap<u64, Vec<Done>> = HashMap::new();
    let file = File::open(path).expect("there is a file");
    let Ok(mut reader) = Reader::new(BufReader::new(file)) else {
        return done;
    };
    loop {
        let event = match reader.next_event() {
            Ok(Some(event)) => event,
            Ok(None) => return done,
            // It is in order up to where it is cut off.
            Err(ReadError::CutOff { .. } | ReadError::MissingEnd { .. }) => return done,
            Err(error) => panic!("{}: {error}", path.display()),
        };
        if let (Some(deed), Some(worker)) = (deed(&event), event.worker) {
            done.entry(worker.0)
                .or_default()
                .push((deed, is_named(&event)));
        }
    }
}

/// What a thread has said; nothing if the tracer has written it by itself.
fn deed(event: &Event<'_>) -> Option<Deed> {
    let kind = event.wire?;
    let id = match event.kind {
        _ if matches!(
            kind,
            EventKind::ProcStatus | EventKind::GoStatus | EventKind::GoStatusStack
        ) =>
        {
            return None;
        }
        Kind::Task(change) => change.task.0,
        Kind::Proc(change) => change.proc.0,
        Kind::UserRegionBegin(_) | Kind::UserRegionEnd(_) => 0,
        _ => return None,
    };
    Some(Deed { kind, id })
}

/// Whether all names are there that the victim has given.
fn is_named(event: &Event<'_>) -> bool {
    let is_placed = event.stack.len() == 2
        && event
            .stack
            .frames()
            .all(|frame| frame.function.starts_with("place "));
    match (event.wire, event.kind) {
        (Some(EventKind::GoCreate | EventKind::GoUnblock | EventKind::GoSyscallBegin), _) => {
            is_placed
        }
        (_, Kind::UserRegionBegin(region)) => is_placed && region.name.starts_with("region "),
        (_, Kind::UserRegionEnd(region)) => region.name.starts_with("region "),
        (Some(EventKind::GoStop | EventKind::GoBlock), Kind::Task(change)) => {
            is_placed && !change.reason.is_empty()
        }
        _ => true,
    }
}

fn judge(ledger: Ledger, done: &HashMap<u64, Vec<Done>>, killed: u64) -> Kill {
    let written = ledger.written().min(killed);
    let mut kill = Kill {
        said: 0,
        read: 0,
        named: 0,
        inside: 0,
        inside_said: 0,
        inside_read: 0,
        due: 0.0,
    };
    let (mut due, mut due_named) = (0, 0);
    for thread in ledger.threads() {
        let read = done.get(&thread.worker()).map_or(&[][..], |done| done);
        let said: Vec<_> = thread.said().collect();
        assert!(read.len() <= said.len(), "{} of {}", read.len(), said.len());
        for (at, ((deed, _), (_, said))) in read.iter().zip(&said).enumerate() {
            assert_eq!(deed, said, "event {at} of worker {}", thread.worker());
        }
        let before = |until: u64| said.partition_point(|&(time, _)| time + ENOUGH <= until);
        let of = |count: usize| {
            let read = &read[..count.min(read.len())];
            let named = read.iter().filter(|(_, named)| *named).count();
            (count as u64, read.len() as u64, named as u64)
        };
        let (count, read, named) = of(before(killed));
        if thread.is_inside() {
            kill.inside += 1;
            kill.inside_said += count;
            kill.inside_read += read;
            continue;
        }
        kill.said += count;
        kill.read += read;
        kill.named += named;
        let (count, _, named) = of(before(written));
        due += count;
        due_named += named;
    }
    kill.due = share(due_named, due);
    kill
}
