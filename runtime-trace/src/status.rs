//! What the tracer remembers about a task and a proc between events.
//!
//! # Why
//!
//! Readers put events of different threads in order by sequence numbers, one
//! count per task and per proc, which start over in each generation; and each
//! generation must say of every task and proc what state it is in when first
//! mentioned. Both need a few words of memory per task and proc. The embedder
//! keeps them inside its own tasks and procs, as values it cannot look into.
//!
//! ```text
//!            mention(epoch): already there ──► nothing
//!  stamp ───┤
//!            mention(epoch): older ──► stamp = epoch, sequence = 0, "say its status"
//! ```
//!
//! # Invariants
//!
//! 1. Only the thread that owns a task or proc (runs it, or holds it still)
//!    mentions it or numbers an event of it; ownership passes from thread to
//!    thread through the embedder's synchronisation.
//! 2. So the stamps that a resource gets never decrease: the later owner reads
//!    the tracer's epoch after the earlier one did.
//!
//! By 1 no two threads race for the first mention, and by 2 one stamp is enough
//! where Go keeps a flag per generation over three generations: Go looks back
//! at the old generation after the new one has begun; we mention what is held
//! still before it begins. `docs/decisions/0002-first-mention.md` says more.
//!
//! All accesses are Relaxed: by 1 they are ordered by the embedder. The words
//! are atomics so that an embedder that breaks the rule gets a wrong trace and
//! not undefined behaviour.

use crate::sync::{AtomicU64, Ordering, const_unless_loom};

#[derive(Debug)]
struct Mentions {
    stamp: AtomicU64,
    sequence: AtomicU64,
}

impl Mentions {
    const_unless_loom! {
        fn new() -> Self {
            Self { stamp: AtomicU64::new(0), sequence: AtomicU64::new(0) }
        }
    }

    /// Notes that the resource is mentioned in `epoch`: whether for the first time.
    #[inline]
    fn mention(&self, epoch: u64) -> bool {
        if self.stamp.load(Ordering::Relaxed) == epoch {
            return false;
        }
        self.stamp.store(epoch, Ordering::Relaxed);
        self.sequence.store(0, Ordering::Relaxed);
        true
    }

    #[inline]
    fn next(&self) -> u64 {
        let next = self.sequence.load(Ordering::Relaxed) + 1;
        self.sequence.store(next, Ordering::Relaxed);
        next
    }
}

macro_rules! resource {
    ($(#[$doc:meta])* $name:ident($id:ty), $(#[$new_doc:meta])*) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            id: $id,
            mentions: Mentions,
        }

        impl $name {
            const_unless_loom! {
                $(#[$new_doc])*
                pub fn new(id: $id) -> Self {
                    Self { id, mentions: Mentions::new() }
                }
            }

            /// The ID it was made with.
            #[inline]
            pub const fn id(&self) -> $id {
                self.id
            }

            #[inline]
            pub(crate) fn mention(&self, epoch: u64) -> bool {
                self.mentions.mention(epoch)
            }

            /// The epoch of the latest mention, 0 if none.
            #[inline]
            pub(crate) fn latest_mention(&self) -> u64 {
                self.mentions.stamp.load(Ordering::Relaxed)
            }

            #[inline]
            pub(crate) fn next_sequence(&self) -> u64 {
                self.mentions.next()
            }
        }
    };
}

resource! {
    /// The tracer's state of one task; the embedder keeps it inside the task, which is
    /// in one trace at a time: another tracer may have it when this one has stopped.
    TaskTrace(u64),
    /// The state of a task that has this ID: 1 or more, below 2⁶³ − 1, never
    /// used for another task.
}

resource! {
    /// The tracer's state of one proc; the embedder keeps it inside the proc, which
    /// lives as long as the tracer is used, and is in one trace at a time.
    ProcTrace(u32),
    /// The state of the proc that has this ID, from 0.
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_start_over_with_each_generation() {
        let task = TaskTrace::new(7);
        assert!(task.mention(1));
        assert_eq!([task.next_sequence(), task.next_sequence()], [1, 2]);
        assert!(!task.mention(1));
        assert_eq!(task.next_sequence(), 3);
        assert!(task.mention(2));
        assert_eq!(task.next_sequence(), 1);
    }
}
