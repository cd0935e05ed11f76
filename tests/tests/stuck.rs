//! A thread that does not come out of an emission: nobody waits for it for ever,
//! and what it and the others said until then is in the file.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use e2e::check::{Ends, Step, check};
use e2e::kept::{Kept, Recorder};
use e2e::lone::{Lone, Silent, said_in};
use runtime_trace::{
    AdvanceError, Config, Loss, Pcs, ProcTrace, StackId, StartError, StopError, TaskTrace, Tracer,
};
use trace_format::EventKind;
use trace_format::end::End;

fn impatient() -> Config {
    let mut config = Config::new(4);
    config.patience = Duration::from_millis(20);
    config
}

fn judge(kept: &Kept, ends: Ends) -> (u64, u64) {
    let trace = kept.read();
    match check(&trace, ends) {
        Ok(checked) => {
            let tables = |step: &Step| &trace.generations[step.generation as usize - 1];
            let is_end = |step: &&Step| {
                let message = tables(step).string(step.event.args[2]);
                message.and_then(End::of).is_some()
            };
            let steps = checked.steps.iter();
            let logs = steps.filter(|step| step.event.kind == EventKind::UserLog);
            let logs = logs.filter(|step| !is_end(step)).count() as u64;
            (said_in(&trace), logs)
        }
        Err(fault) => panic!("{}: {fault}", kept.path().display()),
    }
}

struct Cast {
    tracer: Tracer,
    procs: [ProcTrace; 4],
    tasks: [TaskTrace; 8],
}

impl Cast {
    fn new() -> Self {
        Self {
            tracer: Tracer::new(),
            procs: [0, 1, 2, 3].map(ProcTrace::new),
            tasks: [1, 2, 3, 4, 5, 6, 7, 8].map(TaskTrace::new),
        }
    }

    fn lone(&self, number: usize) -> Lone<'_> {
        Lone::new(&self.tracer, &self.procs[number], &self.tasks[number])
    }
}

/// An `Emit` that is forgotten keeps its thread inside. Dropping the thread's
/// handle proves that it was, and tracing can begin again.
#[test]
fn a_forgotten_emission_ends_the_trace() {
    let cast = Cast::new();
    let tracer = &cast.tracer;
    tracer.start(&impatient(), &Silent).expect("it starts");
    let recorder = Recorder::new(tracer, "stuck-forgotten");
    let (stuck, other) = (cast.lone(0), cast.lone(1));
    other.begins();
    stuck.begins();
    let emit = stuck
        .worker
        .acquire(Some(&cast.procs[0]), Some(&cast.tasks[0]));
    let emit = emit.expect("tracing is on");
    let mut pcs = Pcs::logical();
    pcs.push(7);
    emit.log(0, "lone", "the last words", emit.stack(&pcs));
    stuck.count(1);
    mem::forget(emit);
    // It cannot say anything more.
    assert!(!stuck.logs("not heard"));
    stuck.count(1);
    other.logs("heard");
    other.ends();

    assert_eq!(tracer.stop(&Silent), Err(StopError::ThreadStuck));
    let stats = tracer.stats();
    assert_eq!(stats.stuck_threads, 1);
    assert_eq!(stats.losses.count(Loss::Reentrant), 1);
    assert_eq!(stats.recent[0].generation, 1);
    assert_eq!(stats.recent[0].losses, stats.losses);
    let (said, logs) = judge(&recorder.finish(), Ends::Early);
    assert_eq!(said + stats.losses.events(), stuck.said() + other.said());
    assert_eq!(logs, 3, "two, and the note of the loss");

    let refused = tracer.start(&impatient(), &Silent);
    assert_eq!(refused, Err(StartError::ThreadStuck));
    assert_eq!(tracer.advance(&Silent), Err(AdvanceError::NotTracing));
    drop(stuck);
    let kept = tracer.stats().mapped;
    tracer
        .start(&impatient(), &Silent)
        .expect("it starts again");
    let recorder = Recorder::new(tracer, "stuck-forgotten-again");
    let again = Lone::new(tracer, &cast.procs[2], &cast.tasks[2]);
    again.begins();
    again.ends();
    assert_eq!(tracer.stop(&Silent), Ok(()));
    judge(&recorder.finish(), Ends::Whole);
    let left = tracer.stats();
    assert_eq!((left.stuck_threads, left.losses.total()), (0, 0));
    // A batch, and a block of each table, which the thread might have written to.
    assert_eq!(kept - left.mapped, 3 * runtime_trace::pages::BLOCK_SIZE);
}

/// A trace that is started too early is refused, and takes nothing of the file
/// before, also when all threads have left by then.
#[test]
fn what_is_not_read_yet_is_not_taken_back() {
    let cast = Cast::new();
    let tracer = &cast.tracer;
    tracer.start(&impatient(), &Silent).expect("it starts");
    let recorder = Recorder::new(tracer, "stuck-unread");
    let stuck = cast.lone(0);
    stuck.begins();
    stuck.logs("read later");
    let emit = stuck
        .worker
        .acquire(Some(&cast.procs[0]), Some(&cast.tasks[0]));
    mem::forget(emit.expect("tracing is on"));
    assert_eq!(tracer.stop(&Silent), Err(StopError::ThreadStuck));
    let said = stuck.said();
    for leaves in [None, Some(stuck)] {
        drop(leaves);
        let refused = tracer.start(&impatient(), &Silent);
        assert_eq!(refused, Err(StartError::StillReading));
    }
    let (found, logs) = judge(&recorder.finish(), Ends::Early);
    assert_eq!((found, logs), (said, 1));
}

/// As it ends a generation: what was said in the next one meanwhile is lost,
/// to the event.
#[test]
fn the_generation_after_it_is_not_in_the_file() {
    let cast = Cast::new();
    let tracer = &cast.tracer;
    tracer.start(&impatient(), &Silent).expect("it starts");
    let mut recorder = Recorder::new(tracer, "stuck-advance");
    let stuck = cast.lone(0);
    stuck.begins();
    let stop = AtomicBool::new(false);
    let said = thread::scope(|scope| {
        let (cast, stop) = (&cast, &stop);
        let (begun, wait) = channel();
        let other = scope.spawn(move || {
            let other = cast.lone(1);
            other.begins();
            begun.send(()).expect("somebody waits");
            // Relaxed: a message.
            while !stop.load(Ordering::Relaxed) {
                other.logs("on and on");
                // In the next generation it says what was lost.
                other.checkpoint();
                thread::yield_now();
            }
            other.said()
        });
        wait.recv().expect("it begins");
        let emit = stuck
            .worker
            .acquire(Some(&cast.procs[0]), Some(&cast.tasks[0]));
        mem::forget(emit.expect("tracing is on"));
        assert!(!stuck.logs("not heard"));
        stuck.count(1);
        recorder.pump();
        assert_eq!(tracer.advance(&Silent), Err(AdvanceError::ThreadStuck));
        stop.store(true, Ordering::Relaxed);
        other.join().expect("it ends")
    });
    let stats = tracer.stats();
    let kept = recorder.finish();
    let trace = kept.read();
    assert_eq!(trace.generations.len(), 1);
    let mut strings = trace.generations[0].strings.values();
    // What the next generation has said of it is not in the file.
    assert!(strings.any(|text| text == "1 events lost (re-entrant: 1)"));
    let (written, _) = judge(&kept, Ends::Early);
    let lost = stats.losses.count(Loss::AfterEnd);
    assert!(lost > 0, "nothing was said meanwhile: {}", stats.losses);
    assert_eq!(written + lost + 1, said + stuck.said());
}

/// A thread that was given up but is alive goes on in memory that is its own,
/// and disturbs nothing. Once it is out tracing can begin again.
#[test]
fn a_slow_thread_does_no_harm() {
    let cast = Cast::new();
    let tracer = &cast.tracer;
    let mut config = impatient();
    config.patience = Duration::ZERO;
    tracer.start(&config, &Silent).expect("it starts");
    let recorder = Recorder::new(tracer, "stuck-slow");
    thread::scope(|scope| {
        let cast = &cast;
        let (inside, wait) = channel();
        let (go_on, may_go_on) = channel();
        let slow = scope.spawn(move || {
            let slow = cast.lone(0);
            slow.begins();
            let emit = slow
                .worker
                .acquire(Some(&cast.procs[0]), Some(&cast.tasks[0]));
            let emit = emit.expect("tracing is on");
            emit.log(0, "lone", "in time", StackId::NONE);
            inside.send(()).expect("somebody waits");
            may_go_on.recv().expect("somebody lets it go on");
            // More than a batch, with strings and stacks.
            for number in 0..20_000 {
                let mut pcs = Pcs::logical();
                pcs.push(1 + number);
                let message = format!("too late: {number}");
                emit.log(0, "lone", &message, emit.stack(&pcs));
            }
            emit.task_end();
            emit.proc_stop();
        });
        wait.recv().expect("it begins");
        assert_eq!(tracer.stop(&Silent), Err(StopError::ThreadStuck));
        let (_, logs) = judge(&recorder.finish(), Ends::Early);
        assert_eq!(logs, 1);
        let refused = tracer.start(&config, &Silent);
        assert_eq!(refused, Err(StartError::ThreadStuck));
        go_on.send(()).expect("it waits");
        slow.join().expect("it ends");
    });
    config.patience = Duration::from_secs(60);
    tracer.start(&config, &Silent).expect("it starts again");
    let recorder = Recorder::new(tracer, "stuck-slow-again");
    let other = cast.lone(1);
    other.begins();
    other.logs("one");
    other.ends();
    assert_eq!(tracer.stop(&Silent), Ok(()));
    let (said, logs) = judge(&recorder.finish(), Ends::Whole);
    assert_eq!((said, logs), (other.said(), 1));
}

/// Threads that the system ends between two events of an emission, without
/// unwinding: what they said is in the file, and those who woke on it as well.
#[test]
fn a_thread_that_dies_between_two_events() {
    let cast: &'static Cast = Box::leak(Box::new(Cast::new()));
    let tracer = &cast.tracer;
    tracer.start(&impatient(), &Silent).expect("it starts");
    let recorder = Recorder::new(tracer, "stuck-dead");
    extern "C" fn dies(number: *mut libc::c_void) -> *mut libc::c_void {
        let number = number.addr();
        // SAFETY: made from this very address below.
        let cast = unsafe { &*CAST.load(Ordering::Acquire) };
        let lone = cast.lone(number);
        lone.begins();
        let emit = lone
            .worker
            .acquire(Some(&cast.procs[number]), Some(&cast.tasks[number]));
        let emit = emit.expect("tracing is on");
        emit.log(0, "lone", "the last words", StackId::NONE);
        emit.task_create(&cast.tasks[4 + number], StackId::NONE, StackId::NONE);
        // SAFETY: ends this thread and nothing else; what its stack refers to
        // is leaked.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
        unreachable!("the thread is dead")
    }
    static CAST: std::sync::atomic::AtomicPtr<Cast> =
        std::sync::atomic::AtomicPtr::new(std::ptr::null_mut());
    CAST.store(std::ptr::from_ref(cast).cast_mut(), Ordering::Release);
    for number in [0, 1] {
        // SAFETY: the function takes a number for its argument; the thread is
        // waited for.
        unsafe {
            let mut thread = mem::zeroed();
            let argument = std::ptr::without_provenance_mut(number);
            let made = libc::pthread_create(&raw mut thread, std::ptr::null(), dies, argument);
            assert_eq!(made, 0, "no thread");
            assert_eq!(libc::pthread_join(thread, std::ptr::null_mut()), 0);
        }
    }
    // The living run the tasks that the dead created.
    let other = Lone::new(tracer, &cast.procs[2], &cast.tasks[2]);
    other.begins();
    other.emits(|emit| {
        emit.task_end();
        emit.task_start(&cast.tasks[4]);
        emit.task_end();
        3
    });
    assert_eq!(tracer.stop(&Silent), Err(StopError::ThreadStuck));
    let stats = tracer.stats();
    assert_eq!((stats.stuck_threads, stats.losses.total()), (2, 0));
    let kept = recorder.finish();
    let (said, logs) = judge(&kept, Ends::Early);
    assert_eq!((said, logs), (other.said() + 2 * (3 + 2), 2));
    assert_eq!(
        stats.events,
        said + 3 + 1 + 7,
        "statuses, the number of procs, the last notes"
    );
    assert_eq!(
        tracer.start(&impatient(), &Silent),
        Err(StartError::ThreadStuck)
    );
}
