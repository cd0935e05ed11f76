//! Storms, and Go's judgement over the traces that they keep.

use std::process::Command;

use super::Figures;
use crate::error::XtaskError;
use crate::go::Toolchain;
use crate::go_check;
use crate::process::{capture_shown, release};
use crate::root::{root, target};
use crate::test::{empty, traces_in};

/// Ten minutes.
pub(super) fn full() -> Figures {
    run("600")
}

pub(super) fn slice() -> Figures {
    run("30")
}

fn run(seconds: &str) -> Figures {
    let folder = target().join("storms");
    empty(&folder)?;
    let mut storm = Command::new(release("e2e", "storm")?);
    storm
        .args(["--seconds", seconds, "--keep"])
        .arg(&folder)
        .current_dir(root());
    let said = capture_shown(&mut storm, "the storm")?;
    let Some(figures) = said.lines().last().filter(|line| !line.is_empty()) else {
        return Err(XtaskError::NoFigures {
            what: "the storm".to_owned(),
        });
    };
    let traces = traces_in(&folder, "trace")?;
    if traces.is_empty() {
        return Err(XtaskError::NoTraces { folder });
    }
    let early = traces_in(&folder, "early")?;
    let toolchain = Toolchain::find()?;
    go_check::check(&toolchain, &traces, &["-strict", "-quiet"])?;
    // A trace that had to end need not mention every task in its last generation.
    go_check::check(&toolchain, &early, &["-quiet"])?;
    Ok(format!(
        "{figures}, all accepted by Go ({} of them ended early)",
        early.len()
    ))
}
