//! Generated programs, whose result is known, give it with any number of
//! workers, traced and untraced.
//!
//! A program is a tree of functions. Each returns a number that the generator
//! has computed as well, whatever the order in which tasks run: a sum over
//! tasks that it spawns and joins, over messages from tasks that share a
//! channel, over a loop, with regions and yields in between.

mod support;

use std::fmt::Write;
use std::time::Duration;

use support::{How, run};

/// How many programs.
const SEEDS: u64 = 40;

/// A small random generator (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A number in `from..=to`.
    fn of(&mut self, from: i64, to: i64) -> i64 {
        let span = to.abs_diff(from) + 1;
        from + i64::try_from(self.next() % span).expect("a small span")
    }
}

/// A program that is being written.
struct Generator {
    random: Random,
    source: String,
    functions: u32,
}

/// A function of one argument `x` that returns `times * x + plus`.
#[derive(Clone, Copy)]
struct Linear {
    name: u32,
    times: i64,
    plus: i64,
}

impl Linear {
    fn of(self, x: i64) -> i64 {
        self.times * x + self.plus
    }
}

impl Generator {
    /// Writes a function, and those that it needs before it.
    fn function(&mut self, depth: u32) -> Linear {
        let parts = self.random.of(1, 3);
        let mut body = String::new();
        let (mut times, mut plus) = (0, 0);
        for _ in 0..parts {
            let kind = if depth == 0 { 0 } else { self.random.of(0, 5) };
            let (t, p) = match kind {
                0 => self.arithmetic(&mut body),
                1 => self.call(&mut body, depth),
                2 => self.join(&mut body, depth),
                3 => self.channel(&mut body, depth),
                4 => self.pipeline(&mut body),
                _ => self.region(&mut body, depth),
            };
            times += t;
            plus += p;
        }
        let name = self.functions;
        self.functions += 1;
        write!(
            self.source,
            "fn f{name}(x) {{\n  let sum = 0\n{body}  return sum\n}}\n"
        )
        .expect("a string takes it");
        Linear { name, times, plus }
    }

    fn arithmetic(&mut self, body: &mut String) -> (i64, i64) {
        let (a, b, turns) = (
            self.random.of(-3, 3),
            self.random.of(0, 9),
            self.random.of(0, 200),
        );
        let pause = ["", "yield()", "sleep(0)"][self.random.of(0, 2) as usize];
        writeln!(
            body,
            "  for i in 0..{turns} {{ sum = sum + {b} }}\n  {pause}\n  sum = sum + {a} * x"
        )
        .expect("a string takes it");
        (a, b * turns)
    }

    fn call(&mut self, body: &mut String, depth: u32) -> (i64, i64) {
        let f = self.function(depth - 1);
        writeln!(body, "  sum = sum + f{}(x)", f.name).expect("a string takes it");
        (f.times, f.plus)
    }

    /// Tasks that are joined, one of them twice.
    fn join(&mut self, body: &mut String, depth: u32) -> (i64, i64) {
        let f = self.function(depth - 1);
        let count = self.random.of(1, 6);
        writeln!(
            body,
            "  let tasks = []
  for i in 0..{count} {{ push(tasks, spawn f{}(i)) }}
  for t in tasks {{ sum = sum + join(t) }}
  sum = sum + join(tasks[0])",
            f.name
        )
        .expect("a string takes it");
        (0, (0..count).map(|i| f.of(i)).sum::<i64>() + f.of(0))
    }

    /// Tasks that send what they compute into one channel.
    fn channel(&mut self, body: &mut String, depth: u32) -> (i64, i64) {
        let f = self.function(depth - 1);
        let (count, room) = (self.random.of(1, 6), self.random.of(0, 3));
        let name = self.functions;
        self.functions += 1;
        writeln!(
            self.source,
            "fn f{name}(c, x) {{ send(c, [x, f{}(x)]) }}",
            f.name
        )
        .expect("a string takes it");
        writeln!(
            body,
            "  let c = chan({room})
  for i in 0..{count} {{ spawn f{name}(c, i) }}
  for i in 0..{count} {{ sum = sum + recv(c)[1] }}"
        )
        .expect("a string takes it");
        (0, (0..count).map(|i| f.of(i)).sum())
    }

    /// Numbers through a chain of tasks, ended by closes.
    fn pipeline(&mut self, body: &mut String) -> (i64, i64) {
        let (stages, count, step) = (
            self.random.of(1, 4),
            self.random.of(0, 30),
            self.random.of(-2, 5),
        );
        let name = self.functions;
        self.functions += 1;
        writeln!(
            self.source,
            "fn f{name}(from, to) {{
  for x in from {{ send(to, x + {step}) }}
  close(to)
}}
fn g{name}(to) {{
  for i in 0..{count} {{ send(to, i) }}
  close(to)
}}"
        )
        .expect("a string takes it");
        writeln!(
            body,
            "  let from = chan(1)
  spawn g{name}(from)
  for i in 0..{stages} {{
    let to = chan(i)
    spawn f{name}(from, to)
    from = to
  }}
  for y in from {{ sum = sum + y }}"
        )
        .expect("a string takes it");
        (0, (0..count).map(|i| i + stages * step).sum())
    }

    fn region(&mut self, body: &mut String, depth: u32) -> (i64, i64) {
        let f = self.function(depth - 1);
        writeln!(
            body,
            "  region \"r{0}\" {{\n    log(\"depth\", str({depth}))\n    sum = sum + f{0}(x)\n  }}",
            f.name
        )
        .expect("a string takes it");
        (f.times, f.plus)
    }
}

#[test]
fn generated_programs_give_what_they_must() {
    for seed in 0..SEEDS {
        let mut generator = Generator {
            random: Random(seed),
            source: String::new(),
            functions: 0,
        };
        let f = generator.function(4);
        let argument = generator.random.of(-9, 9);
        let Generator { mut source, .. } = generator;
        writeln!(source, "fn main() {{ print(f{}({argument})) }}", f.name)
            .expect("a string takes it");
        let expected = format!("{}\n", f.of(argument));
        for workers in [1, 8] {
            for traced in [false, true] {
                let trace = format!("generated-{seed}-w{workers}");
                let ran = run(
                    "generated.weft",
                    &source,
                    How {
                        trace: traced.then_some(&*trace),
                        period: Duration::from_millis(3),
                        ..How::workers(workers)
                    },
                );
                assert_eq!(
                    (&*ran.output, ran.status),
                    (&*expected, 0),
                    "seed {seed}, {workers} workers, traced: {traced}: {}\n{source}",
                    ran.message
                );
            }
        }
    }
}
