//! A profile as folded stacks, one a line, which flame graphs are made from:
//!
//! ```text
//! main.main;main.serve;[chan_receive] 1200
//! ```
//!
//! Frames are functions, outermost first, then a blank and the value:
//! nanoseconds, or a count where there is no time. If there is a reason, it is
//! the last frame. What the format needs for itself is replaced in names: `;` by
//! `,`, and blanks and what cannot be printed by `_`, since some readers
//! take a second number before the value for one of a comparison.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::escape::folded;
use crate::memory;
use crate::profile::{Profile, Sample};

/// What stands for a stack without frames.
const NO_STACK: &str = "(no_stack)";

/// What stands for a function without a name.
const NO_NAME: &str = "(unknown)";

/// Writes a profile.
///
/// # Errors
///
/// If `out` fails.
pub fn write(profile: &Profile, out: &mut impl Write) -> io::Result<()> {
    for (stack, value) in stacks(profile)? {
        writeln!(out, "{stack} {value}")?;
    }
    Ok(())
}

/// The folded stacks and their values, by name.
pub(super) fn stacks(profile: &Profile) -> io::Result<BTreeMap<String, u64>> {
    let mut stacks = BTreeMap::new();
    for sample in &profile.samples {
        memory::check()?;
        let value: &mut u64 = stacks.entry(fold(profile, sample)).or_default();
        *value = value.saturating_add(profile.value(sample));
    }
    Ok(stacks)
}

fn fold(profile: &Profile, sample: &Sample) -> String {
    let mut line = String::new();
    let frames = profile.frames(sample);
    for frame in frames.iter().rev() {
        push(&mut line, profile.text(frame.function), NO_NAME);
    }
    if frames.is_empty() {
        push(&mut line, NO_STACK, NO_STACK);
    }
    if let Some(reason) = profile.reason(sample.reason) {
        push(&mut line, &format!("[{reason}]"), NO_NAME);
    }
    line
}

/// Adds a frame to a line.
fn push(line: &mut String, name: &str, unnamed: &str) {
    if !line.is_empty() {
        line.push(';');
    }
    if name.is_empty() {
        line.push_str(unnamed);
    }
    line.extend(name.chars().map(folded));
}
