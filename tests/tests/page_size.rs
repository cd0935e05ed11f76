//! Pages of any size: 4 KiB here as a rule, 16 or 64 KiB elsewhere, more on some
//! systems, and then a block of the tracer's is not even a page.
//!
//! These tests ask the system how large its pages are and hold for every answer.
//! `cargo xtask prove page-size` runs them on emulated systems with larger ones.

#![cfg(target_os = "linux")]

use std::sync::{Mutex, MutexGuard, PoisonError};

use e2e::check::{Ends, check};
use e2e::kept::{Recorder, seed};
use e2e::lone::{Lone, Silent, said_in};
use e2e::sim::Setup;
use e2e::sim::control::simulate;
use runtime_trace::lock::{Held, Rank};
use runtime_trace::pages::{BLOCK_SIZE, Backing, Env, Pages};
use runtime_trace::region::{MAX_ALLOC, Region};
use runtime_trace::{AdvanceError, Config, Loss, ProcTrace, StopError, TaskTrace, Tracer};

fn page_size() -> usize {
    // SAFETY: asks for a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(page).expect("every system has pages")
}

/// What a block takes of the system.
fn block() -> usize {
    BLOCK_SIZE.next_multiple_of(page_size())
}

/// The tests' turns: the stacks of one's threads would count in another's figures.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that the process may write to, as the system counts them.
fn writable() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("the system says");
    let address = |text: &str| usize::from_str_radix(text, 16).expect("an address");
    let mapping = |line: &str| {
        let mut words = line.split(' ');
        let (start, end) = words.next()?.split_once('-')?;
        let is_writable = words.next()?.contains('w');
        is_writable.then(|| address(end) - address(start))
    };
    maps.lines().filter_map(mapping).sum()
}

/// Blocks begin where pages do, and what is in them is there.
#[test]
fn blocks_begin_with_pages() {
    let _turn = turn();
    // For who emulates another: whether it was this one.
    println!("pages of {} bytes", page_size());
    let pages = Pages::new(usize::MAX);
    let region = Region::new(Rank::StackRegion, Backing::Now);
    let held = Held::new();
    let env = Env::new(&pages, &held);
    let mut begins = Vec::new();
    for count in 1..=5 {
        let at = region.alloc(MAX_ALLOC, &env).expect("there is memory");
        // SAFETY: as many bytes of ours.
        unsafe { at.as_ptr().write_bytes(count as u8, MAX_ALLOC) };
        begins.push(at);
        assert_eq!(pages.mapped(), count * block());
        // What it begins with is a header.
        let header = at.addr().get() % page_size().min(BLOCK_SIZE);
        assert_eq!(header, BLOCK_SIZE - MAX_ALLOC);
    }
    for (at, count) in begins.into_iter().zip(1..) {
        // SAFETY: written above, and nothing was released.
        let last = unsafe { *at.as_ptr().add(MAX_ALLOC - 1) };
        assert_eq!(last, count);
    }
    // SAFETY: this thread is done with what it allocated.
    unsafe { region.release(&env) };
    pages.unmap_kept();
    assert_eq!(pages.mapped(), 0);
}

/// The memory limit is about what the system gives, not about what was asked for:
/// each limit holds, whether tracing starts, ends early or goes well.
#[test]
fn limits_hold_in_whole_pages() {
    let _turn = turn();
    let (mut refused, mut early, mut whole) = (0, 0, 0);
    for blocks in (0..20).chain([100]) {
        let proc = ProcTrace::new(0);
        let task = TaskTrace::new(1);
        let before = writable();
        let tracer = Tracer::new();
        let mut config = Config::new(1);
        config.memory_limit = blocks * block();
        let lone = Lone::new(&tracer, &proc, &task);
        // The worker's own block, and that of the switch.
        let idle = tracer.stats().mapped;
        assert_eq!(idle, 2 * block());
        let started = tracer.start(&config, &Silent).is_ok();
        if started {
            lone.begins();
            while tracer.stats().losses.total() == 0 && lone.said() < 10_000 {
                lone.logs(&"m".repeat(900));
            }
        }
        let mapped = tracer.stats().mapped;
        assert!(
            mapped <= config.memory_limit.max(idle),
            "{blocks}: {mapped}"
        );
        assert_eq!(mapped % block(), 0);
        // The C library and a test that waits for its turn may have asked for some.
        let grown = writable().saturating_sub(before);
        assert!(grown <= mapped + (4 << 20), "{blocks}: {grown}, {mapped}");
        if !started {
            refused += 1;
            continue;
        }
        lone.ends();
        let ends = match tracer.stop(&Silent) {
            Ok(()) => Ends::Whole,
            Err(StopError::EndedEarly) => Ends::Early,
            Err(error) => panic!("{blocks}: {error}"),
        };
        let mut kept = Recorder::new(&tracer, &format!("page-size-{blocks}")).finish();
        if ends == Ends::Early {
            kept.set_aside();
        }
        let trace = kept.read();
        if let Err(fault) = check(&trace, ends) {
            panic!("{blocks}: {fault}");
        }
        let losses = tracer.stats().losses;
        assert_eq!(losses.count(Loss::NoMemory), 0, "the system refused none");
        assert_eq!(lone.said(), said_in(&trace) + losses.events(), "{losses}");
        early += usize::from(ends == Ends::Early);
        whole += usize::from(ends == Ends::Whole);
        assert_eq!(tracer.stats().mapped, idle);
    }
    assert!(refused > 0 && whole > 0, "{refused} {early} {whole}");
}

/// A scheduler with everything that it can do, through several generations.
#[test]
fn a_scheduler_is_traced() {
    let _turn = turn();
    let setup = Setup {
        seed: seed(),
        procs: 2,
        threads: 4,
        boot: 10,
        live: 40,
    };
    simulate(&setup, |control| {
        let started = control.start(&Config::new(setup.procs), "page-size-sim");
        started.expect("it starts");
        control.boot();
        for _ in 0..3 {
            control.runs(200);
            match control.advance() {
                Ok(()) | Err(AdvanceError::ReaderBehind) => {}
                Err(error) => panic!("{error}"),
            }
        }
        let recording = control.stop();
        recording.judge();
        assert_eq!(recording.stats.losses.total(), 0);
    });
}
