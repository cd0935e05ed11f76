//! Are our profiles of a trace the ones that Go's tool makes of it? Asks `go tool
//! pprof` about both, and compares what it says: every sample with its stack,
//! and the tables of functions.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use trace_format::end::LAST_NOTE;
use trace_read::raw::{Item, RawReader, RawWriter};
use trace_tools::input;
use trace_tools::profile::{Options, Profile, What, pprof};

use crate::error::{ProfileProblem, XtaskError};
use crate::go::{self, Toolchain};
use crate::process::capture;
use crate::root::target;

/// How `-raw` shows the place of a frame that tells nothing. Go's runtime writes
/// such a frame where it has no stack.
const BLANK: &str = "  :0:0 s=0";

/// All of that frame, as [`unmapped`] gives it.
const BLANK_FRAME: &str = "0x0 :0:0 s=0";

/// What Go's tool says where no task has a name, as in a trace without tasks, of
/// which it makes no profile. Ours is empty.
const NO_TASKS: &str = "failed to find matching goroutines";

/// The profiles that Go's tool makes too, and the names it knows them by.
const KINDS: [(What, &str); 4] = [
    (What::Sched, "sched"),
    (What::Block, "sync"),
    (What::Net, "net"),
    (What::Syscall, "syscall"),
];

/// What has been compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Compared {
    /// Profiles that are equal.
    pub(crate) profiles: usize,
    /// Those of them that have samples.
    pub(crate) not_empty: usize,
    /// Samples in all of them.
    pub(crate) samples: usize,
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "profiles equal to Go's: {}, all ({} of them not empty, {} samples)",
            self.profiles, self.not_empty, self.samples
        )
    }
}

/// Compares all profiles of these traces.
///
/// # Errors
///
/// [`XtaskError::Profile`] at the first that differs, or whatever kept Go or us
/// from making one.
pub(crate) fn check(toolchain: &Toolchain, traces: &[PathBuf]) -> Result<Compared, XtaskError> {
    let judge = Judge {
        viewer: go::viewer(toolchain)?,
        pprof: go::pprof(toolchain)?,
        folder: target()
            .join("go-tools")
            .join(format!("profiles-{}", std::process::id())),
    };
    let folder = &judge.folder;
    fs::create_dir_all(folder).map_err(XtaskError::file("cannot create", folder))?;
    let mut compared = Compared::default();
    let told = folder.join("without-last-notes.trace");
    for trace in traces {
        leave_out_last_notes(trace, &told)?;
        for (what, kind) in KINDS {
            let samples = judge.compare(trace, &told, what, kind)?;
            compared.profiles += 1;
            compared.not_empty += usize::from(samples > 0);
            compared.samples += samples;
        }
    }
    // On failure they stay, for whoever wants to see why.
    fs::remove_dir_all(folder).map_err(XtaskError::file("cannot remove", folder))?;
    Ok(compared)
}

/// Go's tools, and a place for profiles.
struct Judge {
    viewer: PathBuf,
    pprof: PathBuf,
    folder: PathBuf,
}

impl Judge {
    /// Compares our profile of what is `told` of a trace with the one that Go's tool
    /// makes of that. Returns how many samples it has.
    fn compare(
        &self,
        trace: &Path,
        told: &Path,
        what: What,
        kind: &'static str,
    ) -> Result<usize, XtaskError> {
        let theirs = self.folder.join("go.pb.gz");
        let ours = self.folder.join("ours.pb.gz");
        let mut viewer = Command::new(&self.viewer);
        viewer.arg(format!("-pprof={kind}")).arg(told);
        let has_theirs = match capture(&mut viewer, &format!("go tool trace {}", trace.display())) {
            Ok(bytes) => {
                fs::write(&theirs, bytes).map_err(XtaskError::file("cannot write", &theirs))?;
                true
            }
            Err(XtaskError::Failed { output, .. }) if output.contains(NO_TASKS) => false,
            Err(error) => return Err(error),
        };
        write_ours(told, what, &ours)?;

        let differs = |view, problem: Difference| XtaskError::Profile {
            path: trace.to_path_buf(),
            problem: Box::new(ProfileProblem {
                kind,
                view,
                theirs: problem.0,
                ours: problem.1,
                folder: self.folder.clone(),
            }),
        };
        let raws = [
            match has_theirs {
                true => self.show("-raw", &theirs)?,
                false => String::new(),
            },
            self.show("-raw", &ours)?,
        ];
        let [their_samples, our_samples] = raws.each_ref().map(|raw| samples(raw));
        if let Some(problem) = difference(&their_samples, &our_samples) {
            return Err(differs("-raw", problem));
        }
        // Go takes blank frames as none when it adds samples up, and then shows
        // either one: a row more or less in the table.
        if has_theirs && !raws[0].contains(BLANK) {
            let tops = [self.show("-top", &theirs)?, self.show("-top", &ours)?];
            let [their_rows, our_rows] = tops.each_ref().map(|top| table(top));
            if let Some(problem) = difference(&their_rows, &our_rows) {
                return Err(differs("-top", problem));
            }
        }
        Ok(our_samples.len())
    }

    /// What `go tool pprof` says of a profile.
    fn show(&self, view: &str, file: &Path) -> Result<String, XtaskError> {
        let mut pprof = Command::new(&self.pprof);
        pprof
            .args([view, "-symbolize=none", "-nodefraction=0", "-nodecount=0"])
            .arg(file);
        let said = capture(&mut pprof, &format!("go tool pprof {view}"))?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }
}

/// Writes a trace without the tracer's last notes, which our profiles leave out. Both
/// tools are given this: without the notes, readers alike may give an event another
/// time, by a nanosecond.
fn leave_out_last_notes(trace: &Path, to: &Path) -> Result<(), XtaskError> {
    let failed = |error| XtaskError::Dump {
        path: trace.to_path_buf(),
        error: Box::new(error),
    };
    let unwritten = |error| XtaskError::file("cannot write", to)(error);
    let bytes = input::open(trace, ()).map_err(failed)?;
    let mut reader = RawReader::new(bytes).map_err(|error| failed(error.into()))?;
    let file = File::create(to).map_err(unwritten)?;
    let mut writer = RawWriter::new(BufWriter::new(file), reader.version()).map_err(unwritten)?;
    while let Some(item) = reader.next_item().map_err(|error| failed(error.into()))? {
        match item {
            Item::Batch(batch) if batch.head().header.thread == LAST_NOTE => {}
            item => writer.item(&item).map_err(unwritten)?,
        }
    }
    writer.into_inner().flush().map_err(unwritten)
}

fn write_ours(trace: &Path, what: What, to: &Path) -> Result<(), XtaskError> {
    let failed = |error| XtaskError::Dump {
        path: trace.to_path_buf(),
        error: Box::new(error),
    };
    let options = Options {
        what,
        all_reasons: false,
        from_creation: false,
    };
    let bytes = input::open(trace, ()).map_err(failed)?;
    let (profile, outcome) = Profile::of(bytes, options).map_err(failed)?;
    outcome.whole().map_err(failed)?;
    let mut file = File::create(to).map_err(XtaskError::file("cannot create", to))?;
    pprof::write(&profile, &mut file).map_err(XtaskError::file("cannot write", to))
}

/// Two lines that should be equal: theirs and ours, empty if there is none.
type Difference = (String, String);

/// The first difference between sorted lines.
fn difference(theirs: &[String], ours: &[String]) -> Option<Difference> {
    let longest = theirs.len().max(ours.len());
    let line = |lines: &[String], at: usize| lines.get(at).cloned().unwrap_or_default();
    (0..longest)
        .map(|at| (line(theirs, at), line(ours, at)))
        .find(|(theirs, ours)| theirs != ours)
}

/// The values of each stack in what `-raw` prints, and the stack as the text of
/// its frames, since their numbers mean nothing outside their profile. Sorted.
fn samples(raw: &str) -> Vec<String> {
    let mut frames: BTreeMap<&str, &str> = BTreeMap::new();
    let mut stacks: Vec<(Vec<u64>, Vec<&str>)> = Vec::new();
    let mut section = "";
    for line in raw.lines() {
        let line = line.trim();
        match line {
            "Samples:" | "Locations" | "Mappings" => section = line,
            _ => match (section, line.split_once(':')) {
                // "     3      4500: 1 2 3"
                ("Samples:", Some((values, ids))) => {
                    let values: Result<_, _> = values.split_whitespace().map(str::parse).collect();
                    // The line before these names the types.
                    if let Ok(values) = values {
                        stacks.push((values, ids.split_whitespace().collect()));
                    }
                }
                // "     1: 0x1234 main.main /a/b.go:12:0 s=0"; perhaps with "M=1"
                ("Locations", Some((id, frame))) => {
                    let frame = frame.trim();
                    frames.insert(id, frame);
                }
                _ => {}
            },
        }
    }
    let mut samples: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (values, ids) in stacks {
        let mut stack: Vec<String> = ids
            .iter()
            .map(|id| unmapped(frames.get(id).copied().unwrap_or("?")))
            .collect();
        while stack.last().is_some_and(|frame| frame == BLANK_FRAME) {
            stack.pop();
        }
        let sums = samples.entry(stack.join(" < ")).or_default();
        sums.resize(values.len(), 0);
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += value;
        }
    }
    samples
        .iter()
        .map(|(stack, values)| format!("{stack} {values:?}"))
        .collect()
}

/// A frame without the number of its mapping, which Go's tool does not give.
fn unmapped(frame: &str) -> String {
    frame
        .split_whitespace()
        .filter(|word| !word.starts_with("M="))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The rows of what `-top` prints, and their sum, sorted. Rows that are as
/// large as each other have no order.
fn table(top: &str) -> Vec<String> {
    let mut rows: Vec<String> = top
        .lines()
        .skip_while(|line| line.split_whitespace().next() != Some("flat"))
        .map(str::to_owned)
        .collect();
    // "Showing nodes accounting for 1.50s, 100% of 1.50s total"
    rows.extend(
        top.lines()
            .find(|line| line.starts_with("Showing"))
            .map(str::to_owned),
    );
    rows.sort();
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &str = "\
PeriodType: trace count
Period: 1
Samples:
contentions/count delay/nanoseconds
          2       1500: 1 2 
          1        500: 3 2 
          1          7: 
          1          2: 4 
Locations
     1: 0x10 main.f /a.go:3:0 s=0
     2: 0x20 M=1 main.main /a.go:9:0 s=0
     3: 0x10 main.f /a.go:3:0 s=0
     4: 0x0  :0:0 s=0
Mappings
1: 0x0/0x0/0x0   [FN]
";

    #[test]
    fn samples_are_told_by_their_frames() {
        let expected = [
            " [2, 9]",
            "0x10 main.f /a.go:3:0 s=0 < 0x20 main.main /a.go:9:0 s=0 [3, 2000]",
        ];
        assert_eq!(samples(RAW), expected);
        assert!(RAW.contains(BLANK));
    }

    #[test]
    fn tables_have_no_order_and_no_header() {
        let top = |header, rows: [&str; 2]| {
            let shown = "Showing nodes accounting for 2us, 100% of 2us total";
            let columns = "      flat  flat%   sum%        cum   cum%";
            format!("{header}\n{shown}\n{columns}\n{}\n{}\n", rows[0], rows[1])
        };
        let (a, b) = ("1us 50% 50% 1us 50%  a", "1us 50% 100% 1us 50%  b");
        let one = table(&top("Type: delay", [a, b]));
        assert_eq!(one.len(), 4);
        assert_eq!(one, table(&top("Time: today", [b, a])));
        let c = "1us 50% 100% 1us 50%  c";
        assert_eq!(
            difference(&one, &table(&top("", [a, c]))),
            Some((b.to_owned(), c.to_owned()))
        );
        assert_eq!(
            difference(&one, &one[..2]),
            Some((one[2].clone(), String::new()))
        );
    }
}
