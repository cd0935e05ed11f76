//! Go's own tools: where the toolchain comes from, what is built with it, and
//! how its viewer is asked for pages.

mod recordings;
mod toolchain;
mod tools;
mod views;

pub(crate) use recordings::record;
pub(crate) use toolchain::{Toolchain, available};
pub(crate) use tools::{bencher, checker, converter, pprof, reader, viewer};
pub(crate) use views::check_views;
