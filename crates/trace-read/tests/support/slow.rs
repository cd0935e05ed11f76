//! Files made to take much time for their size: one thing in them is looked
//! through, or gone over, for each of another.

use trace_format::EventKind::*;
use trace_format::limits::{MAX_FRAMES_PER_STACK, NO_THREAD};
use trace_read::raw::{Payload, StackFrame};

use super::hostile::{File, frames, sparse};

/// Files of about `size` bytes, by what is in them.
pub fn slow(size: usize) -> Vec<(&'static str, Vec<u8>)> {
    let mut files = vec![
        ("abandoned procs, workers", abandoned(size)),
        ("stops of the world", stops(size)),
        ("assists, stops of the world", assists(size)),
        ("reasons, the other way round", reasons(size)),
        ("losses", losses(size)),
        ("stacks, used", stacks(size, 1, b"f")),
        (
            "deep stacks, used",
            stacks(size, MAX_FRAMES_PER_STACK, &[b'f'; 1000]),
        ),
        ("procs that run tasks", procs(size)),
    ];
    files.extend(reversed(size));
    files.extend(after_large(size));
    files
}

/// Files of about `size` bytes in which many workers wait for each other: their clocks
/// say the reverse of what happened.
pub fn reversed(size: usize) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("marks, the other way round", marks(size)),
        ("runs of a task, the other way round", runs(size)),
        ("wakes of a task, the other way round", wakes(size)),
        ("steals of a proc, the other way round", steals(size)),
    ]
}

fn one(kind: trace_format::EventKind, numbers: &[u64]) -> Payload {
    let mut payload = Payload::new();
    payload.event(kind, numbers);
    payload
}

/// Worker 1 has proc 0 and runs task 1.
fn on_task() -> File {
    let mut file = File::new();
    let mut payload = one(ProcStatus, &[0, 0, 1]);
    payload.event(GoStatus, &[0, 1, 1, 2]);
    file.batch(1, &payload);
    file.time = 2;
    file
}

/// So many strings, numbered from 1.
fn strings(file: &mut File, count: u64) {
    for id in 1..=count {
        file.add(NO_THREAD, Some(Strings), |payload| {
            payload.string(id, format!("{id:x}").as_bytes());
        });
    }
    file.flush(NO_THREAD);
}

/// A proc in a system call is said to be abandoned, again and again; many workers
/// have come after the one that holds it.
fn abandoned(size: usize) -> Vec<u8> {
    let mut file = File::new();
    file.batch(1, &one(ProcStatus, &[0, 0, 3]));
    for n in 0.. {
        let worker = sparse(n);
        file.batch(worker, &one(ProcStatus, &[0, worker, 2]));
        if file.len() > size / 2 {
            break;
        }
    }
    file.time = 2;
    while file.len() < size {
        file.add(1, None, |payload| {
            payload.event(ProcStatus, &[0, 0, 4]);
        });
    }
    file.flush(1);
    file.ended()
}

/// A task stops the world for ever more reasons, and lets it go on at the end.
fn stops(size: usize) -> Vec<u8> {
    let mut file = on_task();
    let count = size as u64 / 16;
    strings(&mut file, count);
    for reason in 1..=count {
        file.add(1, None, |payload| {
            payload.event(STWBegin, &[0, reason, 0]);
        });
    }
    for _ in 1..=count {
        file.add(1, None, |payload| {
            payload.event(STWEnd, &[0]);
        });
    }
    file.flush(1);
    file.ended()
}

/// A task stops the world for many reasons, and then helps the collector, again and
/// again.
fn assists(size: usize) -> Vec<u8> {
    let mut file = on_task();
    let count = size as u64 / 20;
    strings(&mut file, count);
    for reason in 1..=count {
        file.add(1, None, |payload| {
            payload.event(STWBegin, &[0, reason, 0]);
        });
    }
    while file.len() < size {
        file.add(1, None, |payload| {
            payload
                .event(GCMarkAssistBegin, &[0, 0])
                .event(GCMarkAssistEnd, &[0]);
        });
    }
    file.flush(1);
    file.ended()
}

/// Task 1 blocks for many reasons and ends; task 2 does so in the reverse order.
fn reasons(size: usize) -> Vec<u8> {
    let mut file = on_task();
    let count = size as u64 / 40;
    strings(&mut file, count);
    let blocks = |file: &mut File, task: u64, reason: u64, number: u64| {
        file.add(1, None, |payload| {
            payload
                .event(GoBlock, &[1, reason, 0])
                .event(GoUnblock, &[1, task, number + 1, 0])
                .event(GoStart, &[1, task, number + 2]);
        });
    };
    for reason in 1..=count {
        blocks(&mut file, 1, reason, 2 * (reason - 1));
    }
    file.add(1, None, |payload| {
        payload
            .event(GoDestroy, &[1])
            .event(GoCreate, &[1, 2, 0, 0])
            .event(GoStart, &[1, 2, 1]);
    });
    for n in 0..count {
        blocks(&mut file, 2, count - n, 2 * n + 1);
    }
    file.flush(1);
    file.ended()
}

/// Many workers each have an event; these are numbered and happen in that order, and
/// the workers' clocks say the reverse.
fn marks(size: usize) -> Vec<u8> {
    let mut file = File::new();
    let workers = size as u64 / 30;
    file.time = 1;
    for number in (1..=workers).rev() {
        let mut payload = one(ProcStatus, &[0, number, 1]);
        payload.event(GoStatus, &[0, number, number, 2]);
        // The first mark may have any number, so it has to be the first.
        let time = match number {
            1 => number,
            _ => 2 * workers - number,
        };
        match number % 2 {
            1 => payload.event(GCBegin, &[time, number, 0]),
            _ => payload.event(GCEnd, &[time, number]),
        };
        file.batch(number, &payload);
    }
    file.ended()
}

/// Worker 0 says that task 1 is runnable and proc 1 idle. Then each of many workers
/// has some events, the last worker first; they are told their number, and of how many.
fn chain(size: usize, events: impl Fn(&mut Payload, u64, u64)) -> Vec<u8> {
    let mut file = File::new();
    let workers = size as u64 / 40;
    let mut first = one(GoStatus, &[0, 1, u64::MAX, 1]);
    first.event(ProcStatus, &[0, 1, 2]);
    file.batch(0, &first);
    file.time = 2;
    for number in (1..=workers).rev() {
        let mut payload = Payload::new();
        events(&mut payload, number, workers);
        file.batch(number, &payload);
    }
    file.ended()
}

/// Each worker runs the same task for a moment.
fn runs(size: usize) -> Vec<u8> {
    chain(size, |payload, number, workers| {
        payload
            .event(ProcStatus, &[0, sparse(number as usize), 1])
            .event(GoStart, &[4 * (workers - number), 1, number])
            .event(GoStop, &[1, 0, 0]);
    })
}

/// Every other worker lets the same task wait, and the ones between wake it.
fn wakes(size: usize) -> Vec<u8> {
    chain(size, |payload, number, workers| {
        payload.event(ProcStatus, &[0, sparse(number as usize), 1]);
        let time = 4 * (workers - number);
        match number % 2 {
            1 => payload
                .event(GoStart, &[time, 1, number])
                .event(GoBlock, &[1, 0, 0]),
            _ => payload.event(GoUnblock, &[time, 1, number, 0]),
        };
    })
}

/// Each worker takes the same proc from the one before it, which is in a system call,
/// and has a task that goes into one. Some come out of it and take another proc, some
/// the other way round.
fn steals(size: usize) -> Vec<u8> {
    chain(size, |payload, number, workers| {
        let (task, other) = (number + 1, sparse(number as usize));
        payload.event(ProcStatus, &[0, other, 2]);
        // One in four is late, so that the one before it has to wait for it.
        let late = u64::from(number % 4 == 1);
        let mut time = 8 * (workers - number) + 16 * workers * late;
        let mut count = 3 * (number - 1);
        if number > 1 {
            payload.event(ProcSteal, &[time, 1, count, number - 1]);
            time = 1;
        }
        count += 1;
        payload
            .event(ProcStart, &[time, 1, count])
            .event(GoStatus, &[0, task, number, 2])
            .event(GoSyscallBegin, &[1, count + 1, 0]);
        if number < workers {
            match number % 2 {
                1 => payload
                    .event(GoSyscallEndBlocked, &[1])
                    .event(ProcStart, &[1, other, 1]),
                _ => payload
                    .event(ProcStart, &[1, other, 1])
                    .event(GoSyscallEndBlocked, &[1]),
            };
        }
    })
}

/// The tracer says over and over what it has lost.
fn losses(size: usize) -> Vec<u8> {
    let mut file = on_task();
    let mut table = one(Strings, &[]);
    table
        .string(1, trace_format::loss::CATEGORY.as_bytes())
        .string(2, format!("1 events lost {}", "x".repeat(1000)).as_bytes());
    file.batch(NO_THREAD, &table);
    while file.len() < size {
        file.add(1, None, |payload| {
            payload.event(UserLog, &[1, 0, 1, 2, 0]);
        });
    }
    file.flush(1);
    file.ended()
}

/// Many stacks of so many frames, at each of which task 1 blocks.
fn stacks(size: usize, depth: usize, name: &[u8]) -> Vec<u8> {
    let mut file = on_task();
    let mut table = one(Strings, &[]);
    let names = 16;
    for id in 1..=names {
        let name = [name, format!("{id}").as_bytes()].concat();
        table.string(id, &name);
    }
    file.batch(NO_THREAD, &table);
    let mut count = 0;
    while count == 0 || file.len() < size / 2 {
        count += 1;
        // No two have the same innermost frames.
        let frame = |n: usize| {
            let pc = match n {
                0 => count,
                _ => n as u64,
            };
            let function = 1 + (pc + n as u64) % names;
            StackFrame {
                pc,
                function,
                file: function,
                line: 1,
            }
        };
        let all: Vec<StackFrame> = (0..depth).map(frame).collect();
        file.add(NO_THREAD, Some(Stacks), |payload| {
            payload.stack(count, &all);
        });
    }
    file.flush(NO_THREAD);
    for number in 0.. {
        if number >= count && file.len() >= size {
            break;
        }
        file.add(1, None, |payload| {
            payload
                .event(GoBlock, &[1, 0, 1 + number % count])
                .event(GoUnblock, &[1, 1, 2 * number + 1, 1 + number % count])
                .event(GoStart, &[1, 1, 2 * number + 2]);
        });
    }
    file.flush(1);
    file.ended()
}

/// Many workers, each with a proc, a task and a moment of running.
fn procs(size: usize) -> Vec<u8> {
    let mut file = File::new();
    for n in 0.. {
        let id = sparse(n);
        let mut payload = one(ProcStatus, &[0, id, 1]);
        payload
            .event(GoStatus, &[0, id, id, 2])
            .event(GoStop, &[5, 0, 0])
            .event(GoStart, &[5, id, 1]);
        file.batch(id, &payload);
        if file.len() > size {
            break;
        }
    }
    file.ended()
}

/// A generation with much of one thing, and very many with next to nothing.
fn after_large(size: usize) -> Vec<(&'static str, Vec<u8>)> {
    let idle = one(ProcStatus, &[0, 0, 2]);
    let after = |large: &dyn Fn(&mut File)| {
        let mut file = File::new();
        file.batch(1, &idle);
        file.time = 2;
        large(&mut file);
        file.time = 1;
        file.end();
        while file.len() < size {
            file.clock();
            file.batch(1, &idle);
            file.end();
        }
        file.writer.into_inner()
    };
    let half = |file: &mut File, thread, marker, add: &dyn Fn(&mut Payload, u64)| {
        for n in 0.. {
            file.add(thread, marker, |payload| add(payload, sparse(n)));
            if file.len() > size / 2 {
                break;
            }
        }
        file.flush(thread);
    };
    let running = |file: &mut File| {
        let mut payload = one(ProcStatus, &[0, 1, 1]);
        payload.event(GoStatus, &[0, 1, 1, 2]);
        file.batch(1, &payload);
    };
    vec![
        (
            "generations after strings",
            after(&|file| {
                half(file, NO_THREAD, Some(Strings), &|payload, id| {
                    payload.string(id, b"");
                });
            }),
        ),
        (
            "generations after stacks",
            after(&|file| {
                half(file, NO_THREAD, Some(Stacks), &|payload, id| {
                    payload.stack(id, &[]);
                });
            }),
        ),
        (
            "generations after frames",
            after(&|file| {
                half(file, NO_THREAD, Some(Stacks), &|payload, id| {
                    payload.stack(id, &frames(id * 128, 7));
                });
            }),
        ),
        (
            "generations after workers",
            after(&|file| {
                for n in 0.. {
                    file.batch(sparse(n), &one(ProcStatus, &[0, sparse(n), 2]));
                    if file.len() > size / 2 {
                        break;
                    }
                }
            }),
        ),
        (
            "generations after regions",
            after(&|file| {
                running(file);
                strings(file, size as u64 / 20);
                for name in 1..=size as u64 / 20 {
                    file.add(1, None, |payload| {
                        payload.event(UserRegionBegin, &[0, 0, name, 0]);
                    });
                }
                file.flush(1);
            }),
        ),
        (
            "generations after used stacks",
            after(&|file| {
                running(file);
                for id in 1..=size as u64 / 30 {
                    file.add(NO_THREAD, Some(Stacks), |payload| {
                        payload.stack(id, &[]);
                    });
                }
                file.flush(NO_THREAD);
                for id in 1..=size as u64 / 30 {
                    file.add(1, None, |payload| {
                        payload.event(GoStatusStack, &[0, id + 1, 1, 4, id]);
                    });
                }
                file.flush(1);
            }),
        ),
    ]
}
