//! A traced program needs little more than an untraced one where there is little.

mod support;

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use support::Pipes;

/// Needs some memory on several threads.
const PROGRAM: &str = "
    fn work(n) {
      let list = []
      for i in 0..n {
        push(list, str(i) + \"x\")
        if i % 100 == 0 { yield() }
      }
      return len(list)
    }
    fn main() {
      let tasks = []
      for i in 0..8 { push(tasks, spawn work(5000)) }
      let sum = 0
      for t in tasks { sum = sum + join(t) }
      print(sum)
    }";

/// What a trace takes of the address space beside its own memory, which the
/// documentation says.
const BESIDE: u64 = 8 << 20;

/// Of how many parts of it a trace's memory is one.
const PARTS: u64 = 8;

/// Runs the program with so many bytes of addresses. What went wrong, if
/// something did.
fn run(pipes: &Pipes, traced: bool, limit: u64) -> Result<(), String> {
    let mut weft = support::weft();
    weft.args(["run", "--workers", "2"]).stdin(Stdio::null());
    if traced {
        weft.arg("--trace").arg(pipes.folder.join("out.trace"));
    }
    weft.arg(pipes.folder.join("program.weft"));
    // Of an abort, one line is enough.
    weft.env("RUST_BACKTRACE", "0");
    let set = move || {
        for (what, most) in [(libc::RLIMIT_AS, limit), (libc::RLIMIT_CORE, 0)] {
            let limit = libc::rlimit {
                rlim_cur: most,
                rlim_max: most,
            };
            // SAFETY: the pointer is to one of these.
            if unsafe { libc::setrlimit(what, &limit) } != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: it makes two system calls, as it may between fork and exec.
    unsafe { weft.pre_exec(set) };
    let output = weft.output().map_err(|error| error.to_string())?;
    match output.status.code() {
        Some(0) if output.stdout == b"40000\n" => Ok(()),
        _ => Err(format!("{output:?}")),
    }
}

#[test]
fn where_addresses_are_few_a_traced_program_does_as_an_untraced_one() {
    let pipes = Pipes::new("addresses", 0);
    let program = pipes.folder.join("program.weft");
    fs::write(program, PROGRAM).expect("the folder can be written to");
    for limit in (100..=250).step_by(10) {
        for traced in [false, true] {
            let ran = run(&pipes, traced, limit * 1_000_000);
            assert_eq!(ran, Ok(()), "{limit} MB, traced: {traced}");
        }
    }
    let most = 100_000_000;
    let mut limits = (0..most).step_by(1 << 20);
    let least = limits.find(|&limit| run(&pipes, false, limit).is_ok());
    let least = least.expect("it runs with that much");
    let enough = (least + BESIDE) * PARTS / (PARTS - 1);
    assert_eq!(run(&pipes, true, enough), Ok(()), "{least} untraced");
    println!(
        "evidence: untraced {} MiB of addresses, traced at most {} MiB",
        least >> 20,
        enough >> 20
    );
}
