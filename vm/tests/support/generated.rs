//! Programs made up from bytes, which end by construction and whose result is
//! known.
//!
//! A program is a tree of functions. Each returns a number that the maker has
//! computed as well, whatever the order in which tasks run: a sum over tasks that
//! it spawns and joins, over messages from tasks that share a channel, over a
//! loop, with regions, user tasks, naps and reads of files in between. How often
//! it spawns a task, begins a region and so on is known likewise.
//!
//! That a program ends is a matter of steps: a function may take so many, and
//! shares them out among its parts. A step is a turn of a loop, a call or a
//! message, more or less. Where the bytes are over, every choice is the smallest.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::fmt::Write;
use std::ops::{Add, AddAssign, Mul};

/// Choices, as bytes make them.
pub struct Choices<'b>(&'b [u8]);

impl<'b> Choices<'b> {
    pub fn new(bytes: &'b [u8]) -> Self {
        Choices(bytes)
    }

    /// A number in `from..=to`, of which there are at most 256.
    pub fn of(&mut self, from: i64, to: i64) -> i64 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        from + i64::from(*first) % (to - from + 1)
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.of(0, from.len() as i64 - 1) as usize]
    }
}

/// What tasks say and do, that a trace tells too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Tasks spawned.
    pub tasks: u64,
    /// Regions, each begun and ended.
    pub regions: u64,
    /// User tasks, likewise.
    pub user_tasks: u64,
    pub logs: u64,
}

impl Add for Said {
    type Output = Said;

    fn add(self, more: Said) -> Said {
        Said {
            tasks: self.tasks + more.tasks,
            regions: self.regions + more.regions,
            user_tasks: self.user_tasks + more.user_tasks,
            logs: self.logs + more.logs,
        }
    }
}

impl AddAssign for Said {
    fn add_assign(&mut self, more: Said) {
        *self = *self + more;
    }
}

impl Mul<i64> for Said {
    type Output = Said;

    fn mul(self, times: i64) -> Said {
        let times = times.unsigned_abs();
        Said {
            tasks: self.tasks * times,
            regions: self.regions * times,
            user_tasks: self.user_tasks * times,
            logs: self.logs * times,
        }
    }
}

/// A program, and what must come of it.
#[derive(Debug)]
pub struct Program {
    pub source: String,
    pub output: String,
    pub status: u8,
    /// What is said by the end, but for regions called [`LEFT`].
    pub said: Said,
}

/// Regions of tasks that nobody waits for: whether they are entered, and whether
/// they are left, is open.
pub const LEFT: &str = "left";

/// Names as a program writes them. Some are as long as Go's tools show, some not
/// as plain as one would like.
const NAMES: [&str; 6] = [
    "\"job\"",
    "\"\"",
    "\"r\" + str(x)",
    "\"\\u{1f600} \\\"\\n\\u{0}\"",
    "str([x, [nil, \"é\"]])",
    "doubled(\"z\", 11)",
];

/// What every program has.
const PRELUDE: &str = "
fn doubled(s, times) {
  for i in 0..times { s = s + s }
  return s
}
fn deep(f, x, n) {
  if n == 0 { return f(x) }
  return deep(f, x, n - 1)
}
fn echo(a) { return [a, a[0]] }
fn wait(c) { region \"left\" { recv(c) } }
fn nap() { region \"left\" { sleep(1000000) } }
fn spin() { region \"left\" { while true { yield() } } }
fn fail(x) { region \"left\" { return [x][1] } }
";

/// A part of a function adds `times * x + plus` to its result.
#[derive(Clone, Copy, Default)]
struct Part {
    times: i64,
    plus: i64,
    /// What a call of it says.
    said: Said,
}

/// A function of one argument.
#[derive(Clone, Copy)]
struct Function {
    name: u32,
    sum: Part,
}

impl Function {
    fn of(self, x: i64) -> i64 {
        self.sum.times * x + self.sum.plus
    }

    /// The sum of its results for `0..count`, by so many new tasks.
    fn of_each(self, count: i64) -> Part {
        let mut said = self.sum.said;
        said.tasks += 1;
        Part {
            times: 0,
            plus: (0..count).map(|x| self.of(x)).sum(),
            said: said * count,
        }
    }
}

/// A program that is being written.
struct Maker<'c, 'b> {
    choices: &'c mut Choices<'b>,
    source: String,
    functions: u32,
    /// Whether some task goes on for ever, so that there is no deadlock.
    is_endless: bool,
}

/// A program that takes about so many steps.
pub fn program(choices: &mut Choices<'_>, steps: i64) -> Program {
    let mut maker = Maker {
        choices,
        source: PRELUDE.to_owned(),
        functions: 0,
        is_endless: false,
    };
    let f = maker.function(5, steps);
    let argument = maker.choices.of(-9, 9);
    let (end, status, tasks) = maker.end();
    let mut said = f.sum.said;
    said.tasks += tasks;
    let mut source = maker.source;
    writeln!(
        source,
        "fn main() {{\n  print(f{}({argument}))\n{end}}}",
        f.name
    )
    .expect("a string takes it");
    Program {
        source,
        output: format!("{}\n", f.of(argument)),
        status,
        said,
    }
}

impl Maker<'_, '_> {
    /// How `main` ends, with what status, and how many tasks that takes.
    fn end(&mut self) -> (&'static str, u8, u64) {
        match self.choices.of(0, 7) {
            4 => ("  print([][0])\n", 1, 0),
            5 => ("  region \"left\" { deep(fail, 1, 150) }\n", 1, 0),
            // Nobody waits for it, but it is the only one that can go on.
            6 if !self.is_endless => ("  spawn fail(1)\n  recv(chan(0))\n", 1, 1),
            7 if !self.is_endless => ("  region \"left\" { recv(chan(0)) }\n", 2, 0),
            _ => ("", 0, 0),
        }
    }

    /// Writes a function, and those that it needs before it.
    fn function(&mut self, depth: u32, steps: i64) -> Function {
        let parts = self.choices.of(1, 3);
        let mut body = String::new();
        let mut sum = Part::default();
        for _ in 0..parts {
            let part = self.part(&mut body, depth, steps / parts - 1);
            sum.times += part.times;
            sum.plus += part.plus;
            sum.said += part.said;
        }
        let name = self.name();
        self.write(&format!(
            "fn f{name}(x) {{\n  let sum = 0\n{body}  return sum\n}}\n"
        ));
        Function { name, sum }
    }

    fn name(&mut self) -> u32 {
        self.functions += 1;
        self.functions - 1
    }

    fn write(&mut self, text: &str) {
        self.source.push_str(text);
    }

    fn part(&mut self, body: &mut String, depth: u32, steps: i64) -> Part {
        match self.choices.of(0, 12) {
            4 => self.pipeline(body, steps),
            5 => self.select(body, steps),
            6 => self.pause(body, steps),
            7 => self.log(body),
            8 => self.leave(body, steps),
            kind @ (1..=3 | 9..=12) if depth > 0 && steps > 1 => match kind {
                1 => self.call(body, depth, steps),
                2 => self.join(body, depth, steps),
                3 => self.channel(body, depth, steps),
                9 => self.copy(body, depth, steps),
                10 => self.nest(body, depth, steps),
                11 => self.region(body, depth, steps),
                _ => self.user_task(body, depth, steps),
            },
            _ => self.arithmetic(body, steps),
        }
    }

    /// A number of times in `least..=most` for something that takes so many steps
    /// a time, and the steps that are left for each time.
    fn count(&mut self, least: i64, most: i64, steps: i64, each: i64) -> (i64, i64) {
        let possible = (steps / each).clamp(least, most);
        let count = self.choices.of(least, possible);
        (count, steps / count.max(1) - each)
    }

    fn arithmetic(&mut self, body: &mut String, steps: i64) -> Part {
        let (turns, _) = self.count(0, 200, steps, 1);
        let (times, each) = (self.choices.of(-3, 3), self.choices.of(0, 9));
        *body +=
            &format!("  for i in 0..{turns} {{ sum = sum + {each} }}\n  sum = sum + {times} * x\n");
        Part {
            times,
            plus: each * turns,
            said: Said::default(),
        }
    }

    fn call(&mut self, body: &mut String, depth: u32, steps: i64) -> Part {
        let f = self.function(depth - 1, steps);
        *body += &format!("  sum = sum + f{}(x)\n", f.name);
        f.sum
    }

    /// Tasks that are joined, one of them twice.
    fn join(&mut self, body: &mut String, depth: u32, steps: i64) -> Part {
        let (count, left) = self.count(1, 6, steps, 10);
        let f = self.function(depth - 1, left);
        *body += &format!(
            "  let tasks = []
  for i in 0..{count} {{ push(tasks, spawn f{}(i)) }}
  for t in tasks {{ sum = sum + join(t) }}
  sum = sum + join(tasks[0])\n",
            f.name
        );
        let mut part = f.of_each(count);
        part.plus += f.of(0);
        part
    }

    /// Tasks that send what they compute into one channel.
    fn channel(&mut self, body: &mut String, depth: u32, steps: i64) -> Part {
        let (count, left) = self.count(1, 6, steps, 10);
        let room = self.choices.of(0, 3);
        let f = self.function(depth - 1, left);
        let name = self.name();
        self.write(&format!(
            "fn f{name}(c, x) {{ send(c, [x, f{}(x)]) }}\n",
            f.name
        ));
        *body += &format!(
            "  let c = chan({room})
  for i in 0..{count} {{ spawn f{name}(c, i) }}
  for i in 0..{count} {{ sum = sum + recv(c)[1] }}\n"
        );
        f.of_each(count)
    }

    /// Numbers through a chain of tasks, ended by closes.
    fn pipeline(&mut self, body: &mut String, steps: i64) -> Part {
        let stages = self.choices.of(0, 4);
        let (count, _) = self.count(0, 30, steps, 2 * stages + 2);
        let step = self.choices.of(-2, 5);
        let name = self.name();
        self.write(&format!(
            "fn f{name}(from, to) {{
  for x in from {{ send(to, x + {step}) }}
  close(to)
}}
fn g{name}(to) {{
  for i in 0..{count} {{ send(to, i) }}
  close(to)
}}\n"
        ));
        *body += &format!(
            "  let from = chan(1)
  spawn g{name}(from)
  for i in 0..{stages} {{
    let to = chan(i)
    spawn f{name}(from, to)
    from = to
  }}
  for y in from {{ sum = sum + y }}\n"
        );
        Part {
            times: 0,
            plus: (0..count).map(|i| i + stages * step).sum(),
            said: Said {
                tasks: stages.unsigned_abs() + 1,
                ..Said::default()
            },
        }
    }

    /// Numbers from two tasks and to a third, whichever comes first.
    fn select(&mut self, body: &mut String, steps: i64) -> Part {
        let (count, _) = self.count(0, 20, steps, 8);
        let (room, otherwise) = (
            self.choices.of(0, 2),
            self.choices.pick(&[
                "",
                "    else { yield() }\n",
                "    after(1) { }\n",
                "    after(0) { yield() }\n",
            ]),
        );
        let name = self.name();
        self.write(&format!(
            "fn f{name}(to, n, back) {{
  for i in 0..n {{ send(to, i) }}
  if back != nil {{ for i in 0..n {{ recv(back) }} }}
  close(to)
}}\n"
        ));
        *body += &format!(
            "  let a = chan({room})
  let b = chan(0)
  let c = chan({room})
  spawn f{name}(a, {count}, c)
  spawn f{name}(b, {count}, nil)
  let got = 0
  let sent = 0
  while got < {count} * 2 or sent < {count} {{
    let wanted = c
    if sent == {count} {{ wanted = chan(0) }}
    select {{
    y = recv(a) {{
      if y == nil {{ yield() }} else {{
        sum = sum + y
        got = got + 1
      }}
    }}
    y = recv(b) {{
      if y == nil {{ yield() }} else {{
        sum = sum + y
        got = got + 1
      }}
    }}
    send(wanted, x) {{ sent = sent + 1 }}
{otherwise}    }}
  }}\n"
        );
        Part {
            times: 0,
            plus: count * (count - 1),
            said: Said {
                tasks: 2,
                ..Said::default()
            },
        }
    }

    /// Something else gets its turn.
    fn pause(&mut self, body: &mut String, steps: i64) -> Part {
        let nap = if steps > 200 { "sleep(1)" } else { "sleep(0)" };
        let pause = self.choices.pick(&[
            "yield()",
            "sleep(0)",
            nap,
            "sum = sum + len(read_file(\"/dev/null\"))",
            "sum = sum + len(doubled(\"s\", 12)) - 4096",
        ]);
        *body += &format!("  {pause}\n");
        Part::default()
    }

    /// A label, and a log of a few bytes or of more than a trace keeps.
    fn log(&mut self, body: &mut String) -> Part {
        let (label, category) = (self.choices.pick(&NAMES), self.choices.pick(&NAMES));
        let doubled = self.choices.pick(&[0, 3, 10, 12, 17]);
        *body += &format!("  label({label})\n  log({category}, doubled(\"!\", {doubled}))\n");
        Part {
            said: Said {
                logs: 1,
                ..Said::default()
            },
            ..Part::default()
        }
    }

    /// A task that is still there when the program ends, unless that comes first.
    fn leave(&mut self, body: &mut String, steps: i64) -> Part {
        let task = match self.choices.of(0, 3) {
            0 => "wait(chan(0))",
            1 => "wait(chan(3))",
            // One is as good as many.
            2 if !self.is_endless && steps > 200 => "spin()",
            _ => "nap()",
        };
        self.is_endless |= !task.starts_with("wait");
        *body += &format!("  spawn {task}\n");
        Part {
            said: Said {
                tasks: 1,
                ..Said::default()
            },
            ..Part::default()
        }
    }

    /// What is copied into a task and out of it, in itself and twice in itself.
    fn copy(&mut self, body: &mut String, depth: u32, steps: i64) -> Part {
        let f = self.function(depth - 1, steps - 10);
        *body += &format!(
            "  let list = [[f{}(x), \"s\", 1.5, nil], chan(0), echo]
  push(list, list)
  sum = sum + join(spawn echo(list))[0][3][3][0][0]\n",
            f.name
        );
        let mut part = f.sum;
        part.said.tasks += 1;
        part
    }

    /// A deep stack.
    fn nest(&mut self, body: &mut String, depth: u32, steps: i64) -> Part {
        let (calls, _) = self.count(0, 200, steps, 2);
        let f = self.function(depth - 1, steps - 2 * calls);
        *body += &format!("  sum = sum + deep(f{}, x, {calls})\n", f.name);
        f.sum
    }

    /// A region that is left at its end, or by `continue`.
    fn region(&mut self, body: &mut String, depth: u32, steps: i64) -> Part {
        let name = self.choices.pick(&NAMES);
        let way = self.choices.pick(&["", "continue", "break"]);
        let f = self.function(depth - 1, steps);
        *body += &format!(
            "  for i in 0..1 {{ region {name} {{
    sum = sum + f{}(x)
    {way}
  }} }}\n",
            f.name
        );
        let mut part = f.sum;
        part.said.regions += 1;
        part
    }

    /// A user task, to which others contribute.
    fn user_task(&mut self, body: &mut String, depth: u32, steps: i64) -> Part {
        let name = self.choices.pick(&NAMES);
        let f = self.function(depth - 1, steps - 10);
        *body += &format!(
            "  task {name} {{ sum = sum + join(spawn f{}(x)) }}\n",
            f.name
        );
        let mut part = f.sum;
        part.said.tasks += 1;
        part.said.user_tasks += 1;
        part
    }
}
