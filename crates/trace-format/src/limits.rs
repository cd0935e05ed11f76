//! The bounds that readers of the format enforce.

/// Most bytes that a batch may hold after its header.
pub const MAX_BATCH_SIZE: usize = 64 << 10;

/// Most frames that one stack may have.
pub const MAX_FRAMES_PER_STACK: usize = 128;

/// Most bytes that one string may have.
pub const MAX_STRING_SIZE: usize = 1 << 10;

/// Most arguments that a timed event has, the time difference included.
pub const MAX_TIMED_ARGS: usize = 5;

/// Thread ID of a batch that belongs to no thread.
///
/// Readers take it as a signed −1: events in such a batch have no thread, proc
/// or task, so only statuses and tables may stand there.
pub const NO_THREAD: u64 = u64::MAX;

const _: () = assert!(MAX_STRING_SIZE < MAX_BATCH_SIZE);
