//! Go's own tools: where the toolchain comes from, what is built with it, and
//! how its viewer is asked for pages.

mod toolchain;
mod tools;
mod views;

pub(crate) use toolchain::{Toolchain, available};
pub(crate) use tools::{checker, pprof, viewer};
pub(crate) use views::check_views;
