//! What Weft programs tell the trace: regions, user tasks, logs and labels.
//!
//! Each program is run with 1, 2 and 8 workers and its trace read back. What
//! holds for all of them is asserted while that is played through ([`Said`]);
//! what each task has said must be what stands beside the program, whoever ran
//! it and in however many generations.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::time::Duration;

use e2e::check::{Ends, Step, check};
use e2e::kept::Kept;
use e2e::wire::{Generation, Trace};
use trace_format::EventKind;
use trace_format::end::LAST_NOTE;
use vm::{Options, Outcome, TraceOptions};

/// A program and what its tasks say.
struct Case {
    name: &'static str,
    /// It may call `pause()`.
    source: &'static str,
    status: u8,
    /// A user task outlives so many generations. It is run with longer pauses
    /// until one does.
    outlives: u64,
    /// So many times a label is told again, in a later generation. As above.
    retells: u64,
    /// For each task its function and what it says, by the names; user tasks
    /// come after `of`, their parents after `in`. In alphabetical order.
    tasks: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        name: "nested",
        source: r#"
            fn main() {
              region "before" { }
              task "outer" {
                region "first" {
                  log("in", "first")
                  task "inner" {
                    task "innermost" {
                      region "second" {
                        pause()
                        log("in", "second")
                      }
                      pause()
                    }
                    log("in", "inner")
                  }
                }
                task "sibling" { }
              }
              log("after", "all")
            }"#,
        status: 0,
        outlives: 2,
        retells: 0,
        tasks: &[concat!(
            "main: region before of - { } ",
            "task outer in - { region first of outer { log in first of outer ",
            "task inner in outer { ",
            "task innermost in inner { ",
            "region second of innermost { log in second of innermost } } ",
            "log in inner of inner } } ",
            "task sibling in outer { } } ",
            "log after all of -",
        )],
    },
    Case {
        name: "spawned",
        source: r#"
            fn leaf(n) {
              region "leaf" {
                pause()
                log("leaf", n)
              }
            }
            fn branch(n) {
              log("branch", n)
              let own = nil
              task "own " + n { own = spawn leaf("own " + n) }
              let outside = spawn leaf(n)
              join(own)
              join(outside)
            }
            fn main() {
              let all = [spawn leaf("none")]
              task "a" {
                push(all, spawn branch("of a"))
                task "b" { push(all, spawn branch("of b")) }
                pause()
                push(all, spawn leaf("a again"))
              }
              for one in all { join(one) }
            }"#,
        status: 0,
        outlives: 2,
        retells: 0,
        tasks: &[
            "branch: log branch of a of a task own of a in a { }",
            "branch: log branch of b of b task own of b in b { }",
            "leaf: region leaf of - { log leaf none of - }",
            "leaf: region leaf of a { log leaf a again of a }",
            "leaf: region leaf of a { log leaf of a of a }",
            "leaf: region leaf of b { log leaf of b of b }",
            "leaf: region leaf of own of a { log leaf own of a of own of a }",
            "leaf: region leaf of own of b { log leaf own of b of own of b }",
            "main: task a in - { task b in a { } }",
        ],
    },
    Case {
        name: "left by return",
        source: r#"
            fn deep() {
              task "called" {
                region "r" {
                  for i in 0..3 {
                    region "s" { task "t" { if i == 1 { return i } } }
                  }
                }
              }
            }
            fn main() {
              task "calls" { region "call" { log("got", str(deep())) } }
            }"#,
        status: 0,
        outlives: 0,
        retells: 0,
        tasks: &[concat!(
            "main: task calls in - { region call of calls { ",
            "task called in calls { region r of called { ",
            "region s of called { task t in called { } } ",
            "region s of called { task t in called { } } } } ",
            "log got 1 of calls } }",
        )],
    },
    Case {
        name: "left by break and continue",
        source: r#"
            fn main() {
              region "all" {
                for i in 0..3 {
                  task "turn " + str(i) {
                    region "r" {
                      if i == 0 { continue }
                      log("turn", str(i))
                      if i == 1 { break }
                    }
                  }
                }
                while true { task "once" { region "s" { break } } }
                log("still", "in all")
              }
            }"#,
        status: 0,
        outlives: 0,
        retells: 0,
        tasks: &[concat!(
            "main: region all of - { ",
            "task turn 0 in - { region r of turn 0 { } } ",
            "task turn 1 in - { region r of turn 1 { log turn 1 of turn 1 } } ",
            "task once in - { region s of once { } } ",
            "log still in all of - }",
        )],
    },
    Case {
        name: "left by an error",
        source: r#"
            fn bystander(ready) {
              task "its own" {
                region "waits" {
                  close(ready)
                  recv(chan(0))
                }
              }
            }
            fn fails(ready) {
              recv(ready)
              task "t" {
                region "r" {
                  log("last", "words")
                  pause()
                  region "s" { 1 / 0 }
                }
              }
            }
            fn main() {
              let ready = chan(0)
              task "starts" {
                spawn bystander(ready)
                region "waits for it" { join(spawn fails(ready)) }
              }
            }"#,
        status: 1,
        outlives: 2,
        retells: 0,
        // It ends the program; what others have open stays so.
        tasks: &[
            "bystander: task its own in starts { region waits of its own {",
            concat!(
                "fails: task t in starts { region r of t { ",
                "log last words of t region s of t { } } }",
            ),
            "main: task starts in - { region waits for it of starts {",
        ],
    },
    Case {
        name: "open when main returns",
        source: r#"
            fn waits(ready) {
              label("waits")
              task "unfinished" {
                region "open" {
                  send(ready, nil)
                  recv(chan(0))
                }
              }
            }
            fn runs(ready) {
              region "also open" {
                send(ready, nil)
                while true { }
              }
            }
            fn main() {
              let ready = chan(0)
              task "mine" {
                spawn waits(ready)
                spawn runs(ready)
                recv(ready)
                recv(ready)
                pause()
              }
            }"#,
        status: 0,
        outlives: 2,
        retells: 0,
        tasks: &[
            "main: task mine in - { }",
            "runs: region also open of mine {",
            "waits: label waits task unfinished in mine { region open of unfinished {",
        ],
    },
    Case {
        name: "over generations",
        source: r#"
            fn worker(n) {
              label("worker " + n)
              region "work" { for i in 0..4 { pause() } }
              label("done")
              pause()
            }
            fn busy() {
              let until = clock() + 5000000 * int(args()[0])
              label("busy")
              region "busy" { while clock() < until { } }
            }
            fn main() {
              task "long" {
                let all = [spawn busy()]
                for n in 0..3 { task "part " + str(n) { push(all, spawn worker(str(n))) } }
                for one in all { join(one) }
                log("long", "is over")
              }
            }"#,
        status: 0,
        outlives: 4,
        retells: 4,
        tasks: &[
            "busy: label busy region busy of long { }",
            concat!(
                "main: task long in - { task part 0 in long { } task part 1 in long { } ",
                "task part 2 in long { } log long is over of long }",
            ),
            "worker: label worker 0 region work of part 0 { } label done",
            "worker: label worker 1 region work of part 1 { } label done",
            "worker: label worker 2 region work of part 2 { } label done",
        ],
    },
];

/// What all programs have.
const PRELUDE: &str = "fn pause() { sleep(int(args()[0])) }\n";

#[test]
fn traces_tell_what_programs_say() {
    for case in CASES {
        for workers in [1, 2, 8] {
            let name = format!("annotations-{}-{workers}", case.name).replace(' ', "-");
            let mut pause = 10;
            let said = loop {
                let said = said(case, &name, workers, pause);
                if said.outlived >= case.outlives && said.retold >= case.retells {
                    break said;
                }
                assert!(pause < 2_000, "{name}: everything is in one generation");
                pause *= 2;
            };
            assert_eq!(said.tasks(), case.tasks, "{name}");
        }
    }
}

/// Runs a program and plays through its trace.
fn said(case: &Case, name: &str, workers: u32, pause: u64) -> Said {
    let source = format!("{PRELUDE}{}", case.source);
    let program = weft::compile(name, &source).unwrap_or_else(|errors| panic!("{errors}"));
    let kept = Kept::place(name).expect("the folder for traces can be made");
    let mut options = Options::new(workers);
    options.args = vec![pause.to_string()];
    let file = File::create(kept.path()).expect("a trace can be created");
    options.trace = Some(TraceOptions {
        period: Duration::from_millis(1),
        ..TraceOptions::new(file)
    });
    let Outcome { end, trace } =
        vm::run(&program, options, &mut std::io::sink()).expect("it can be started");
    assert_eq!(end.status(), case.status, "{name}: {end}");
    let report = trace.expect("it was traced");
    assert!(report.is_whole(), "{name}: {report:?}");
    let trace = kept.read();
    // That user tasks begin and end once and regions end in their order is
    // seen here.
    let checked = check(&trace, Ends::Whole).unwrap_or_else(|fault| panic!("{name}: {fault}"));
    let mut said = Said::default();
    for step in checked.steps.iter().filter(|step| step.thread != LAST_NOTE) {
        said.play(name, &trace, step);
    }
    said.new_generation(name);
    said
}

/// What was said so far, by task.
#[derive(Default)]
struct Said {
    generation: u64,
    tasks: BTreeMap<u64, Task>,
    /// Name and first generation.
    user_tasks: HashMap<u64, (String, u64)>,
    /// How many generations have begun within one user task, at most.
    outlived: u64,
    /// How often labels were told again in a later generation.
    retold: u64,
}

#[derive(Default)]
struct Task {
    /// It begins with its function.
    text: String,
    /// The user task that it was spawned in.
    spawned_in: u64,
    open: Vec<Open>,
    label: Option<Label>,
    runs: bool,
    /// It has just begun to, and this generation does not know its label.
    label_is_due: bool,
}

enum Open {
    Region,
    UserTask(u64),
}

struct Label {
    text: String,
    /// The generation that was told it last.
    told: u64,
}

impl Task {
    /// The innermost user task.
    fn user_task(&self) -> u64 {
        let open = self.open.iter().rev();
        let own = open.filter_map(|open| match open {
            Open::Region => None,
            Open::UserTask(id) => Some(*id),
        });
        own.chain([self.spawned_in]).next().unwrap_or(0)
    }

    fn say(&mut self, words: &str) {
        self.text.push(' ');
        self.text.push_str(words);
    }
}

impl Said {
    /// Each task's text, in alphabetical order.
    fn tasks(&self) -> Vec<&str> {
        let mut tasks: Vec<_> = self.tasks.values().map(|task| task.text.as_str()).collect();
        tasks.sort_unstable();
        tasks
    }

    /// A generation is over: it knows the labels of those that run on.
    #[track_caller]
    fn new_generation(&self, name: &str) {
        for task in self.tasks.values().filter(|task| task.runs) {
            if let Some(label) = &task.label {
                assert_eq!(
                    label.told, self.generation,
                    "{name}: the last generation that knows the label of {:?}, which runs",
                    task.text
                );
            }
        }
    }

    fn play(&mut self, name: &str, trace: &Trace, step: &Step) {
        if step.generation != self.generation {
            self.new_generation(name);
            self.generation = step.generation;
        }
        let tables = trace
            .generations
            .iter()
            .find(|generation| generation.number == step.generation)
            .expect("steps are of generations");
        let event = &step.event;
        match event.kind {
            EventKind::GoCreate => {
                let creator = step.task.and_then(|id| self.tasks.get(&id));
                let task = Task {
                    text: format!("{}:", root(tables, event.args[1])),
                    spawned_in: creator.map_or(0, Task::user_task),
                    ..Task::default()
                };
                self.tasks.insert(event.args[0], task);
            }
            EventKind::GoStart => {
                let task = self.tasks.get_mut(&event.args[0]).expect("it was created");
                task.runs = true;
                let label = task.label.as_ref();
                task.label_is_due = label.is_some_and(|label| label.told != self.generation);
                return;
            }
            _ => {}
        }
        if let Some(id) = step.task {
            self.running(name, tables, id, step);
        }
    }

    /// An event of a task that runs or is in a system call.
    fn running(&mut self, name: &str, tables: &Generation, id: u64, step: &Step) {
        let event = &step.event;
        let task = self.tasks.get_mut(&id).expect("it was created");
        let string = |id| tables.string(id).expect("it was checked");
        let user_tasks = &self.user_tasks;
        let called = |id| match id {
            0 => "-",
            id => user_tasks.get(&id).map_or("?", |(name, _)| name),
        };
        let innermost = task.user_task();
        let belongs = |id| {
            let text = &task.text;
            assert_eq!(id, innermost, "{name}: user task in {text:?} {event:?}");
            called(id)
        };
        // The tracer's own note goes first, where there is one.
        if event.kind != EventKind::ProcsChange && std::mem::take(&mut task.label_is_due) {
            assert_eq!(
                event.kind,
                EventKind::GoLabel,
                "{name}: what comes first in generation {} of {:?}",
                step.generation,
                task.text
            );
        }
        let [a, b, c, _] = event.args;
        match event.kind {
            EventKind::UserTaskBegin => {
                let words = format!("task {} in {} {{", string(c), belongs(b));
                task.say(&words);
                task.open.push(Open::UserTask(a));
                let begun = (string(c).to_owned(), step.generation);
                self.user_tasks.insert(a, begun);
            }
            EventKind::UserTaskEnd => {
                belongs(a);
                match task.open.pop() {
                    Some(Open::UserTask(id)) if id == a => task.say("}"),
                    _ => panic!("{name}: user task {a} ends in {:?}", task.text),
                }
                let (_, begun) = self.user_tasks[&a];
                self.outlived = self.outlived.max(step.generation - begun);
            }
            EventKind::UserRegionBegin => {
                let words = format!("region {} of {} {{", string(b), belongs(a));
                task.say(&words);
                task.open.push(Open::Region);
            }
            EventKind::UserRegionEnd => {
                belongs(a);
                match task.open.pop() {
                    Some(Open::Region) => task.say("}"),
                    _ => panic!("{name}: region {} ends in {:?}", string(b), task.text),
                }
            }
            EventKind::UserLog => {
                let words = format!("log {} {} of {}", string(b), string(c), belongs(a));
                task.say(&words);
            }
            EventKind::GoLabel => {
                let text = string(a).to_owned();
                let told = step.generation;
                match &mut task.label {
                    Some(label) if label.text == text && label.told != told => {
                        label.told = told;
                        self.retold += 1;
                    }
                    label => {
                        *label = Some(Label { text, told });
                        task.say(&format!("label {}", string(a)));
                    }
                }
            }
            EventKind::GoSyscallEnd => task.runs = true,
            EventKind::GoStop | EventKind::GoBlock | EventKind::GoSyscallBegin => task.runs = false,
            EventKind::GoDestroy => {
                task.runs = false;
                assert!(
                    task.open.is_empty(),
                    "{name}: open at the end of {:?}",
                    task.text
                );
            }
            _ => {}
        }
    }
}

/// The function that a stack begins with.
fn root(tables: &Generation, stack: u64) -> String {
    let functions = tables.functions(stack).expect("it was checked");
    functions.last().expect("stacks are not empty").to_string()
}
