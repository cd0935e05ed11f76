//! Would a model notice if an ordering were weaker?
//!
//! Every ordering in the tracer that is stronger than `Relaxed`, and every
//! fence, is weakened alone in a copy of the tree, and the models are run
//! against it. If none fails, either a model is missing or the ordering is
//! stronger than needed; whatever stays says why in a comment directly above it
//! that contains `mutant:` and the reason.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::explore::{Bound, End, explore};
use super::models::{Model, Place, build, model_files, models};
use super::sites::{self, Mutation, Site};
use crate::error::XtaskError;
use crate::root::{root, target};

/// The package whose orderings are weakened, and whose models are run.
const PACKAGE: &str = "runtime-trace";

/// How often a thread is interrupted here. A third time has found nothing yet.
const BOUND: Bound = Bound::Preemptions(2);

/// Runs the models against each weakened ordering whose place contains
/// `filter`. A model gets `time`.
///
/// # Errors
///
/// If no model notices and no reason stands there, or a reason stands where a
/// model does notice.
pub(super) fn run(filter: Option<&str>, time: Duration) -> Result<(), XtaskError> {
    let place = copy()?;
    let source = place.root.join(PACKAGE).join("src");
    let sites: Vec<_> = sites::find(&source)?
        .into_iter()
        .filter(|site| filter.is_none_or(|part| site.place().contains(part)))
        .collect();
    if sites.is_empty() {
        return Err(XtaskError::NoSites);
    }
    let mut models = Models::unchanged(&place, time)?;
    let mut tally = Tally::default();
    let begin = Instant::now();
    for site in &sites {
        let file = source.join(&site.file);
        let text = fs::read_to_string(&file).map_err(XtaskError::file("cannot read", &file))?;
        let mut survivors = 0;
        for &mutation in site.mutations() {
            let Some(weaker) = site.weaken(&text, mutation) else {
                continue;
            };
            let begin = Instant::now();
            let write =
                |text| fs::write(&file, text).map_err(XtaskError::file("cannot write", &file));
            write(&weaker)?;
            let fate = models.judge(site, &place);
            write(&text)?;
            let fate = fate?;
            survivors += usize::from(matches!(fate, Fate::Survived { .. }));
            tally.mutants += 1;
            println!("{}", line(site, mutation, &fate, begin.elapsed()));
        }
        tally.add(site, survivors);
    }
    tally.finish(sites.len(), begin.elapsed())
}

/// What became of a mutant.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// The first model that failed.
    Killed(String),
    /// None did; `cut` of them did not come to their end.
    Survived {
        cut: usize,
    },
    DoesNotCompile,
}

fn line(site: &Site, mutation: Mutation, fate: &Fate, time: Duration) -> String {
    let fate = match fate {
        Fate::Killed(model) => format!("killed by {model}"),
        Fate::Survived { cut: 0 } => "SURVIVED".to_owned(),
        Fate::Survived { cut } => format!("SURVIVED (models cut short: {cut})"),
        Fate::DoesNotCompile => "does not compile".to_owned(),
    };
    let (place, what) = (site.place(), mutation.what);
    let seconds = time.as_secs_f64();
    format!("{place:<44} {what:<24} {seconds:>6.1} s  {fate}")
}

/// The figures at the end.
#[derive(Debug, Default)]
struct Tally {
    mutants: usize,
    /// Sites that a model watches over.
    watched: usize,
    explained: usize,
    unexplained: usize,
    /// Sites with a reason although a model notices.
    stale: usize,
}

impl Tally {
    fn add(&mut self, site: &Site, survivors: usize) {
        match (survivors, &site.reason) {
            (0, None) => self.watched += 1,
            (0, Some(_)) => {
                self.stale += 1;
                println!("    a reason stands there, but a model does notice: delete it");
            }
            (_, Some(reason)) => {
                self.explained += 1;
                println!("    because: {reason}");
            }
            (_, None) => {
                self.unexplained += 1;
                println!("    no reason stands there: add a model, weaken it, or say why");
            }
        }
    }

    fn finish(&self, sites: usize, time: Duration) -> Result<(), XtaskError> {
        let each = time.as_secs_f64() / self.mutants.max(1) as f64;
        println!(
            "{sites} sites, {} mutants, {each:.1} s each; {} sites watched by models, {} explained, \
             {} unexplained, {} explained for nothing",
            self.mutants, self.watched, self.explained, self.unexplained, self.stale
        );
        match (self.unexplained, self.stale) {
            (0, 0) => Ok(()),
            (unexplained, stale) => Err(XtaskError::Mutants { unexplained, stale }),
        }
    }
}

/// The models, and what is known about them.
struct Models {
    /// Each with the file that it is in.
    all: Vec<(String, Model)>,
    /// How long each takes when nothing is wrong.
    times: HashMap<String, Duration>,
    /// How often each has noticed something in a source file.
    kills: HashMap<(PathBuf, String), usize>,
    /// The most that each gets.
    most: Duration,
}

impl Models {
    /// Runs all of them against the unchanged tree.
    fn unchanged(place: &Place, most: Duration) -> Result<Self, XtaskError> {
        let mut found = Self {
            all: Vec::new(),
            times: HashMap::new(),
            kills: HashMap::new(),
            most,
        };
        for (file, program) in build(place, PACKAGE, &model_files(place, PACKAGE)?)? {
            for model in models(&file, &program)? {
                let run = explore(&model, BOUND, most)?;
                match run.end {
                    End::Passed => {
                        found.times.insert(model.name.clone(), run.time);
                        found.all.push((file.clone(), model));
                    }
                    End::Failed => return Err(XtaskError::Models { failed: 1 }),
                    // Too large for its time, and so of no use here.
                    End::OutOfTime => println!("{} is left out: no time", model.name),
                }
            }
        }
        Ok(found)
    }

    /// Runs the models against the tree as it is, those first that noticed
    /// something in this file before, and then the fastest, until one fails.
    fn judge(&mut self, site: &Site, place: &Place) -> Result<Fate, XtaskError> {
        let kills = |model: &Model| {
            let key = (site.file.clone(), model.name.clone());
            self.kills.get(&key).copied().unwrap_or(0)
        };
        let mut order: Vec<_> = self.all.iter().collect();
        order.sort_by_key(|(_, model)| (std::cmp::Reverse(kills(model)), self.times[&model.name]));
        // A file is built when its first model is due: most mutants need one.
        let mut built: HashMap<&str, PathBuf> = HashMap::new();
        let mut cut = 0;
        for (file, model) in order {
            if !built.contains_key(file.as_str()) {
                match build(place, PACKAGE, std::slice::from_ref(file)) {
                    Ok(programs) => built.extend(
                        programs
                            .into_iter()
                            .filter(|(name, _)| name == file)
                            .map(|(_, program)| (file.as_str(), program)),
                    ),
                    Err(XtaskError::Failed { .. }) => return Ok(Fate::DoesNotCompile),
                    Err(error) => return Err(error),
                }
            }
            let Some(program) = built.get(file.as_str()) else {
                continue;
            };
            let model = Model {
                program: program.clone(),
                ..model.clone()
            };
            match explore(&model, BOUND, self.most)?.end {
                End::Passed => {}
                End::OutOfTime => cut += 1,
                End::Failed => {
                    let key = (site.file.clone(), model.name.clone());
                    *self.kills.entry(key).or_default() += 1;
                    return Ok(Fate::Killed(model.name));
                }
            }
        }
        Ok(Fate::Survived { cut })
    }
}

/// Makes a copy of the tree, of which the tracer's package is real and the rest
/// are links.
fn copy() -> Result<Place, XtaskError> {
    let folder = target().join("mutants");
    let place = Place {
        root: folder.join("tree"),
        target: folder.join("build"),
    };
    if place.root.exists() {
        fs::remove_dir_all(&place.root).map_err(XtaskError::file("cannot empty", &place.root))?;
    }
    fs::create_dir_all(&place.root).map_err(XtaskError::file("cannot make", &place.root))?;
    let from = root();
    for name in names(&from)? {
        let (from, to) = (from.join(&name), place.root.join(&name));
        match name.as_str() {
            PACKAGE => copy_folder(&from, &to)?,
            "target" => {}
            name if name.starts_with('.') => {}
            _ if from.is_dir() => {
                std::os::unix::fs::symlink(&from, &to)
                    .map_err(XtaskError::file("cannot link", &to))?;
            }
            // Cargo writes to its lock file.
            _ => copy_file(&from, &to)?,
        }
    }
    Ok(place)
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), XtaskError> {
    fs::create_dir_all(to).map_err(XtaskError::file("cannot make", to))?;
    for name in names(from)? {
        let (from, to) = (from.join(&name), to.join(&name));
        if name == "target" {
            continue;
        }
        if from.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            copy_file(&from, &to)?;
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> Result<(), XtaskError> {
    // Not `fs::copy`: the copy is newer than what was built from the last one.
    let bytes = fs::read(from).map_err(XtaskError::file("cannot read", from))?;
    fs::write(to, bytes).map_err(XtaskError::file("cannot write", to))
}

/// What is in a folder.
fn names(folder: &Path) -> Result<Vec<String>, XtaskError> {
    let cannot = || XtaskError::file("cannot list", folder);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot())? {
        let name = entry.map_err(cannot())?.file_name();
        names.push(name.to_string_lossy().into_owned());
    }
    Ok(names)
}
