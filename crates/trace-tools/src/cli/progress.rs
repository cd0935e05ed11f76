//! A bar on standard error for what takes long, if that is a terminal.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use trace_tools::input::{STDIN, Watch};

/// How long something takes before a bar is shown. Nothing flashes up for what
/// is done at once.
const PATIENCE: Duration = Duration::from_millis(500);

/// How often the bar is drawn, times a second.
const DRAWN: u8 = 5;

/// A bar that shows how much of a file has been read.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// A bar for this file, whose size is not known if it is no regular file.
    pub(super) fn of(path: &Path) -> Self {
        let file = match path == Path::new(STDIN) {
            true => None,
            false => fs::metadata(path).ok().filter(|file| file.is_file()),
        };
        let hidden = ProgressDrawTarget::hidden();
        let (bar, template) = match file {
            Some(file) => (
                ProgressBar::with_draw_target(Some(file.len()), hidden),
                "{wide_bar} {bytes} of {total_bytes}, {eta} left",
            ),
            None => (
                ProgressBar::with_draw_target(None, hidden),
                "{spinner} {bytes}, {bytes_per_sec}",
            ),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Progress(bar)
    }

    /// What tells the bar how much has been read.
    pub(super) fn watch(&self) -> Watcher {
        Watcher {
            bar: self.0.clone(),
            since: Some(Instant::now()),
        }
    }

    /// Makes it go away for good, whoever may still be reading.
    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
        self.0.set_draw_target(ProgressDrawTarget::hidden());
    }
}

/// Tells a bar how much has been read, and shows it when its time has come.
pub(super) struct Watcher {
    bar: ProgressBar,
    /// When reading began, until the bar is shown.
    since: Option<Instant>,
}

impl Watch for Watcher {
    fn read(&mut self, bytes: u64) {
        self.bar.inc(bytes);
        if self.since.is_some_and(|since| since.elapsed() >= PATIENCE) && !self.bar.is_finished() {
            self.since = None;
            // Draws nothing where no terminal is.
            self.bar
                .set_draw_target(ProgressDrawTarget::stderr_with_hz(DRAWN));
        }
    }
}
