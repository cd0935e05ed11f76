//! How a trace of ours says that something was lost: as a log event of a task,
//! which any tool for Go's traces shows.
//!
//! The message starts with the number of events that were lost since the trace
//! began, in digits; the causes follow in words. The last note holds.

/// The category of such a log. Go's programs have none like it.
pub const CATEGORY: &str = "runtime-trace";
