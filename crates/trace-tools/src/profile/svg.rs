//! A profile as a flame graph, drawn by `inferno`. It can be searched and zoomed
//! in a browser; a function has the same colour in every graph.

use std::fmt::Write as _;
use std::io::{self, Write};

use inferno::flamegraph;

use crate::escape::picture;
use crate::profile::{Profile, folded};

/// Writes a flame graph of the trace of that name.
///
/// # Errors
///
/// If `out` fails.
pub fn write(profile: &Profile, name: &str, out: &mut impl Write) -> io::Result<()> {
    let stacks = folded::stacks(profile)?;
    if stacks.is_empty() {
        return write_empty(profile, out);
    }
    // All values together have to fit what adds them up.
    let total: u128 = stacks.values().map(|&value| u128::from(value)).sum();
    let unit = u64::try_from(total >> 64).map_or(u64::MAX, |over| over + 1);
    // The texts, which may be much, are there once.
    let lines: Vec<String> = stacks
        .into_iter()
        .map(|(mut stack, value)| {
            let _ = write!(stack, " {}", value / unit);
            stack
        })
        .collect();

    let mut options = flamegraph::Options::default();
    options.title = profile.options.what.title().to_owned();
    options.subtitle = Some(picture(name));
    options.deterministic = true;
    options.factor = unit as f64;
    options.count_name = match profile.options.what.is_timed() {
        true => "ns",
        false => "samples",
    }
    .to_owned();
    options.name_type = "Function:".to_owned();
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), out)
}

/// A picture that says that there is nothing to see. `inferno` calls that an
/// error.
fn write_empty(profile: &Profile, out: &mut impl Write) -> io::Result<()> {
    let what = profile.options.what;
    writeln!(
        out,
        "<?xml version=\"1.0\" standalone=\"no\"?>\n\
         <svg version=\"1.1\" width=\"1200\" height=\"80\" xmlns=\"http://www.w3.org/2000/svg\">\n\
         <text x=\"600\" y=\"30\" text-anchor=\"middle\" font-family=\"monospace\">{}</text>\n\
         <text x=\"600\" y=\"60\" text-anchor=\"middle\" font-family=\"monospace\">\
         There are no {} in this trace.</text>\n\
         </svg>",
        what.title(),
        what.plural()
    )
}
