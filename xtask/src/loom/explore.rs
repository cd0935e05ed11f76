//! Exploring one model, within its time.

use std::fs::File;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::models::Model;
use crate::error::XtaskError;
use crate::process::start;
use crate::root::{root, target};

/// How often loom may interrupt a thread that could go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    Preemptions(u32),
    /// As often as it likes: every interleaving that loom tells apart.
    None,
}

/// What is tried, one after the other. More than three find hardly more, and
/// either nothing is left out soon after or it takes hours.
const BOUNDS: [Bound; 4] = [
    Bound::Preemptions(1),
    Bound::Preemptions(2),
    Bound::Preemptions(3),
    Bound::None,
];

/// The variable by which loom is told a bound.
const VARIABLE: &str = "LOOM_MAX_PREEMPTIONS";

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Preemptions(1) => write!(f, "1 preemption"),
            Self::Preemptions(most) => write!(f, "{most} preemptions"),
            Self::None => write!(f, "exhaustive"),
        }
    }
}

/// How far a model was explored.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Executions of the last exploration that came to its end.
    pub(super) executions: Option<u64>,
    /// That exploration's time, or the time until the failure.
    time: Duration,
    pub(super) verdict: Verdict,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Nothing is wrong within `bound`; `beyond` is the one that did not end.
    Explored { bound: Bound, beyond: Option<Bound> },
    /// The model is of a fault, and ends when loom finds it.
    Ends,
    /// No exploration came to its end in time.
    Nothing,
    /// It failed, and said this.
    Failed(String),
}

impl Outcome {
    /// One line about it.
    pub(super) fn line(&self, name: &str) -> String {
        let executions = match self.executions {
            Some(executions) => executions.to_string(),
            None => "-".to_owned(),
        };
        let seconds = self.time.as_secs_f64();
        let explored = match &self.verdict {
            Verdict::Explored { bound, beyond } => match beyond {
                None => bound.to_string(),
                Some(beyond) => format!("{bound} (time was over: {beyond})"),
            },
            Verdict::Ends => "to the fault that it is about".to_owned(),
            Verdict::Nothing => {
                "NOTHING in its time: make it smaller, or give --seconds".to_owned()
            }
            Verdict::Failed(_) => "FAILED".to_owned(),
        };
        format!("{name:<52} {executions:>12} {seconds:>8.2} s  {explored}")
    }
}

/// Explores a model within more and more bounds, as long as there is time, or
/// within the one that the user has set.
pub(super) fn deepen(model: &Model, time: Duration) -> Result<Outcome, XtaskError> {
    let set = std::env::var(VARIABLE).ok();
    let set = set.and_then(|bound| bound.parse().ok());
    let set = set.map(|bound| [Bound::Preemptions(bound)]);
    let bounds = set.as_ref().map_or(&BOUNDS[..], |set| set);
    let begin = Instant::now();
    let mut outcome = Outcome {
        executions: None,
        time,
        verdict: Verdict::Nothing,
    };
    for &bound in bounds {
        let left = time.saturating_sub(begin.elapsed());
        let run = explore(model, bound, left)?;
        match run.end {
            End::Passed => {
                outcome = Outcome {
                    executions: executions(&run.said),
                    time: run.time,
                    verdict: Verdict::Explored {
                        bound,
                        beyond: None,
                    },
                };
                if outcome.executions.is_none() {
                    outcome.verdict = Verdict::Ends;
                    break;
                }
            }
            End::Failed => {
                outcome.time = begin.elapsed();
                outcome.verdict = Verdict::Failed(run.said);
                break;
            }
            End::OutOfTime => {
                if let Verdict::Explored { beyond, .. } = &mut outcome.verdict {
                    *beyond = Some(bound);
                }
                break;
            }
        }
    }
    Ok(outcome)
}

/// One exploration.
pub(super) struct Run {
    pub(super) end: End,
    pub(super) time: Duration,
    /// What it said.
    said: String,
}

/// How an exploration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Passed,
    Failed,
    OutOfTime,
}

/// Explores a model within a bound, and ends it when `time` is over.
pub(super) fn explore(model: &Model, bound: Bound, time: Duration) -> Result<Run, XtaskError> {
    // A file, so that what it says never makes it wait for us.
    let path = target().join("loom-output.txt");
    let cannot = |verb| XtaskError::file(verb, &path);
    let output = File::create(&path).map_err(cannot("cannot write"))?;
    let errors = output.try_clone().map_err(cannot("cannot write"))?;
    let mut command = Command::new(&model.program);
    command
        .args(["--exact", &model.test, "--nocapture", "--test-threads", "1"])
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .current_dir(root());
    match bound {
        Bound::Preemptions(most) => command.env(VARIABLE, most.to_string()),
        Bound::None => command.env_remove(VARIABLE),
    };
    if std::env::var_os("LOOM_LOG").is_none() {
        command.env("LOOM_LOG", "info");
    }
    let begin = Instant::now();
    let mut child = command.spawn().map_err(|error| start(&command, error))?;
    let status = wait(&mut child, begin + time).map_err(|error| start(&command, error))?;
    let time = begin.elapsed();
    let said = std::fs::read(&path).map_err(cannot("cannot read"))?;
    Ok(Run {
        end: match status {
            None => End::OutOfTime,
            Some(status) if status.success() => End::Passed,
            Some(_) => End::Failed,
        },
        time,
        said: String::from_utf8_lossy(&said).into_owned(),
    })
}

/// Waits for `child` until `deadline`, and ends it then: `None`.
fn wait(child: &mut Child, deadline: Instant) -> std::io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// The sum of what loom says at the end of each exploration.
fn executions(said: &str) -> Option<u64> {
    said.split("Completed in ")
        .skip(1)
        .filter_map(|rest| rest.split(" iterations").next()?.parse().ok())
        .reduce(|sum: u64, one| sum + one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_are_summed() {
        assert_eq!(executions("test a ... ok"), None);
        assert_eq!(
            executions(
                "INFO loom::model: Completed in 12 iterations\nok\nCompleted in 30 iterations"
            ),
            Some(42)
        );
    }

    #[test]
    fn a_line_says_what_happened() {
        let mut outcome = Outcome {
            executions: Some(7),
            time: Duration::from_millis(1250),
            verdict: Verdict::Explored {
                bound: Bound::Preemptions(2),
                beyond: Some(Bound::Preemptions(3)),
            },
        };
        let line = outcome.line("two_puts");
        assert!(line.ends_with(" 7     1.25 s  2 preemptions (time was over: 3 preemptions)"));
        outcome.verdict = Verdict::Explored {
            bound: Bound::None,
            beyond: None,
        };
        assert!(outcome.line("two_puts").ends_with("  exhaustive"));
        outcome.executions = None;
        outcome.verdict = Verdict::Failed(String::new());
        assert!(outcome.line("two_puts").ends_with(" -     1.25 s  FAILED"));
    }

    /// A program that never ends is ended, and one that fails is told apart
    /// from one that passes.
    #[test]
    fn time_is_kept() {
        let run = |script: &str, millis| {
            let mut child = Command::new("sh")
                .args(["-c", script])
                .spawn()
                .expect("a shell");
            wait(&mut child, Instant::now() + Duration::from_millis(millis)).expect("waited")
        };
        assert!(run("exec sleep 600", 20).is_none());
        assert!(run("exit 0", 60_000).expect("in time").success());
        assert!(!run("exit 3", 60_000).expect("in time").success());
    }
}
