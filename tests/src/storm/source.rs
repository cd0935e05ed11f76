//! Programs to storm over: generated, with a known output, made of all that the
//! trace tells something about.

use std::fmt::Write;

use crate::rng::Rng;

/// A program in the language, and what it does.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) text: String,
    /// What it prints.
    pub(super) output: String,
    pub(super) last: Last,
}

/// How a program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    Returns,
    Fails,
    Deadlock,
}

impl Last {
    /// The exit status.
    pub(super) fn status(self) -> u8 {
        self as u8
    }
}

/// What the file that programs read has in it.
pub(super) const FILE: &str = "storm";

/// A function without arguments.
#[derive(Clone, Copy)]
struct Function {
    number: u32,
    /// What it returns.
    value: i64,
    /// How much it does, roughly, in tasks.
    cost: i64,
}

struct Writer<'r> {
    rng: &'r mut Rng,
    functions: u32,
    text: String,
}

/// Adds lines to a text.
macro_rules! add {
    ($to:expr, $($text:tt)*) => {
        // Writing to a string does not fail.
        let _ = writeln!($to, $($text)*);
    };
}

impl Source {
    /// Another program, which calls its functions in so many rounds.
    pub(super) fn new(rng: &mut Rng, rounds: u32) -> Self {
        let mut writer = Writer {
            rng,
            functions: 0,
            text: String::new(),
        };
        let function = writer.function(3);
        let Writer { rng, mut text, .. } = writer;
        let last = rng.of(&[Last::Returns, Last::Returns, Last::Fails, Last::Deadlock]);
        let spins = last != Last::Deadlock && rng.one_in(3);
        let waits = rng.below(4);
        let (number, value) = (function.number, function.value);
        add!(
            text,
            "fn spin() {{ while true {{ region \"turn\" {{ for i in 0..500 {{}} }} }} }}"
        );
        add!(
            text,
            "fn wait(c) {{ region \"for ever\" {{ return recv(c) }} }}"
        );
        add!(text, "fn main() {{\n  let never = chan(0)");
        if spins {
            add!(text, "  spawn spin()");
        }
        for _ in 0..waits {
            add!(text, "  spawn wait(never)");
        }
        add!(text, "  for round in 0..{rounds} {{");
        add!(text, "    label(\"round \" + str(round))");
        add!(text, "    task \"round\" {{ print(round, f{number}()) }}");
        add!(text, "  }}");
        match last {
            Last::Returns => {}
            Last::Fails => {
                add!(text, "  print([0][1])");
            }
            Last::Deadlock => {
                add!(text, "  recv(never)");
            }
        }
        text.push_str("}\n");
        let mut output = String::new();
        for round in 0..rounds {
            add!(output, "{round} {value}");
        }
        Self { text, output, last }
    }
}

impl Writer<'_> {
    /// A number from `from` to `to`.
    fn of(&mut self, from: i64, to: i64) -> i64 {
        from + self.rng.below((to - from + 1) as usize) as i64
    }

    fn number(&mut self) -> u32 {
        self.functions += 1;
        self.functions
    }

    /// Writes a function, and those that it needs before it.
    fn function(&mut self, depth: u32) -> Function {
        let mut body = String::new();
        let (mut value, mut cost) = (0, 1);
        for _ in 0..self.rng.below(3) + 1 {
            let kind = match depth {
                0 => self.rng.below(5),
                _ => self.rng.below(9),
            };
            let (v, c) = match kind {
                0 => self.counts(&mut body),
                1 => self.recurses(&mut body),
                2 => self.reads(&mut body),
                3 => self.selects(&mut body),
                4 => self.pipes(&mut body),
                5 => self.calls(&mut body, depth),
                6 => self.joins(&mut body, depth),
                7 => self.collects(&mut body, depth),
                _ => self.tells(&mut body, depth),
            };
            value += v;
            cost += c;
        }
        let number = self.number();
        add!(
            self.text,
            "fn f{number}() {{\n  let sum = 0\n{body}  return sum\n}}"
        );
        Function {
            number,
            value,
            cost,
        }
    }

    /// So many of a function, and no more than is good.
    fn several(&mut self, of: Function) -> i64 {
        let most = (60 / of.cost).clamp(1, 6);
        self.of(1, most)
    }

    fn counts(&mut self, body: &mut String) -> (i64, i64) {
        let (turns, step) = (self.of(0, 300), self.of(-3, 9));
        let pause = self.rng.of(&["", "yield()", "sleep(0)", "sleep(1)"]);
        add!(body, "  for i in 0..{turns} {{ sum = sum + {step} }}");
        add!(body, "  {pause}");
        (turns * step, 0)
    }

    /// A deep stack, at the end of which it gives way.
    fn recurses(&mut self, body: &mut String) -> (i64, i64) {
        let (number, depth) = (self.number(), self.of(0, 160));
        let pause = self
            .rng
            .of(&["yield()", "sleep(0)", "log(\"deep\", str(n))"]);
        add!(
            self.text,
            "fn d{number}(n) {{\n  if n == 0 {{\n    {pause}\n    return 1\n  }}\n  \
             return 1 + d{number}(n - 1)\n}}"
        );
        add!(body, "  sum = sum + d{number}({depth})");
        (depth + 1, 0)
    }

    /// A system call.
    fn reads(&mut self, body: &mut String) -> (i64, i64) {
        let times = self.of(1, 4);
        add!(body, "  for i in 0..{times} {{");
        add!(body, "    sum = sum + len(read_file(args()[0]))\n  }}");
        (times * FILE.len() as i64, 0)
    }

    /// Waits for two channels at once, and for a time.
    fn selects(&mut self, body: &mut String) -> (i64, i64) {
        let (number, most) = (self.number(), self.of(0, 12));
        let (one, other) = (self.of(0, 2), self.of(0, 2));
        let after = self.of(0, 2);
        add!(
            self.text,
            "fn p{number}(c) {{ for i in 0..{most} {{ send(c, i) }} }}"
        );
        add!(body, "  let a = chan({one})\n  let b = chan({other})");
        add!(body, "  spawn p{number}(a)\n  spawn p{number}(b)");
        add!(
            body,
            "  let got = 0\n  while got < {} {{\n    select {{",
            2 * most
        );
        for c in ["a", "b"] {
            add!(body, "      x = recv({c}) {{");
            add!(
                body,
                "        sum = sum + x\n        got = got + 1\n      }}"
            );
        }
        add!(body, "      after({after}) {{ yield() }}\n    }}\n  }}");
        ((0..most).sum::<i64>() * 2, 2)
    }

    /// Numbers through a chain of tasks, ended by closes.
    fn pipes(&mut self, body: &mut String) -> (i64, i64) {
        let (number, stages, count) = (self.number(), self.of(1, 4), self.of(0, 20));
        add!(
            self.text,
            "fn s{number}(from, to) {{\n  for x in from {{ send(to, x + 1) }}\n  close(to)\n}}"
        );
        add!(
            self.text,
            "fn g{number}(to) {{\n  for i in 0..{count} {{ send(to, i) }}\n  close(to)\n}}"
        );
        add!(body, "  let from = chan(1)\n  spawn g{number}(from)");
        add!(body, "  for i in 0..{stages} {{\n    let to = chan(i)");
        add!(body, "    spawn s{number}(from, to)\n    from = to\n  }}");
        add!(body, "  for y in from {{ sum = sum + y }}");
        ((0..count).map(|i| i + stages).sum(), stages + 1)
    }

    fn calls(&mut self, body: &mut String, depth: u32) -> (i64, i64) {
        let f = self.function(depth - 1);
        add!(body, "  sum = sum + f{}()", f.number);
        (f.value, f.cost)
    }

    /// Tasks that are joined, one of them twice.
    fn joins(&mut self, body: &mut String, depth: u32) -> (i64, i64) {
        let f = self.function(depth - 1);
        let count = self.several(f);
        add!(body, "  let tasks = []");
        add!(
            body,
            "  for i in 0..{count} {{ push(tasks, spawn f{}()) }}",
            f.number
        );
        add!(body, "  for t in tasks {{ sum = sum + join(t) }}");
        add!(body, "  sum = sum + join(tasks[0])");
        ((count + 1) * f.value, count * f.cost)
    }

    /// Tasks that send what they compute into one channel.
    fn collects(&mut self, body: &mut String, depth: u32) -> (i64, i64) {
        let f = self.function(depth - 1);
        let (number, count, room) = (self.number(), self.several(f), self.of(0, 3));
        add!(
            self.text,
            "fn c{number}(c) {{ send(c, [f{}()]) }}",
            f.number
        );
        add!(body, "  let c = chan({room})");
        add!(body, "  for i in 0..{count} {{ spawn c{number}(c) }}");
        add!(body, "  for i in 0..{count} {{ sum = sum + recv(c)[0] }}");
        (count * f.value, count * f.cost)
    }

    /// What the trace is told by the program.
    fn tells(&mut self, body: &mut String, depth: u32) -> (i64, i64) {
        let f = self.function(depth - 1);
        let number = f.number;
        add!(body, "  label(\"teller {number}\")");
        add!(body, "  task \"job {number}\" {{ region \"r{number}\" {{");
        add!(body, "    log(\"depth\", str({depth}))");
        add!(body, "    sum = sum + f{number}()\n  }} }}");
        (f.value, f.cost)
    }
}
