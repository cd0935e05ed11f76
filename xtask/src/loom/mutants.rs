//! Would a model notice if an ordering were weaker?
//!
//! Every ordering in the tracer that is stronger than `Relaxed`, and every
//! fence, is weakened alone in a copy of the tree, and the models are run
//! against it. If none fails, either a model is missing or the ordering is
//! stronger than needed; whatever stays says why in a comment directly above it
//! that contains `mutant:` and the reason.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::explore::{Bound, End, explore};
use super::models::{Model, Place, build, model_files, models};
use super::sites::{self, Mutation, Site};
use crate::error::XtaskError;
use crate::root::target;
use crate::scratch;

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
pub(crate) fn run(filter: Option<&str>, time: Duration) -> Result<Tally, XtaskError> {
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
    let mut tally = Tally {
        sites: sites.len(),
        models: models.all.len(),
        ..Tally::default()
    };
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
            tally.killed += usize::from(matches!(fate, Fate::Killed(_)));
            println!("{}", line(site, mutation, &fate, begin.elapsed()));
        }
        tally.add(site, survivors);
    }
    tally.finish()
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
pub(crate) struct Tally {
    sites: usize,
    /// Models that fit their time, and so were run against the mutants.
    models: usize,
    mutants: usize,
    killed: usize,
    /// Sites that a model watches over.
    watched: usize,
    explained: usize,
    unexplained: usize,
    /// Sites with a reason although a model notices.
    stale: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sites,
            models,
            mutants,
            killed,
            watched,
            explained,
            unexplained,
            stale,
        } = self;
        write!(
            f,
            "{sites} sites, {mutants} mutants, {killed} killed by {models} models; {watched} sites \
             watched by models, {explained} explained, {unexplained} unexplained, {stale} \
             explained for nothing"
        )
    }
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

    /// The figures, if they are as they should be.
    fn finish(self) -> Result<Self, XtaskError> {
        match (self.unexplained, self.stale) {
            (0, 0) => Ok(self),
            (unexplained, stale) => {
                println!("{self}");
                Err(XtaskError::Mutants { unexplained, stale })
            }
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

/// Makes a copy of the tree in which the tracer may be changed.
fn copy() -> Result<Place, XtaskError> {
    let folder = target().join("mutants");
    let place = Place {
        root: folder.join("tree"),
        target: folder.join("build"),
    };
    scratch::copy(PACKAGE, &place.root)?;
    Ok(place)
}
