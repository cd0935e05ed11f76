//! The word that says whether tracing is on, which a fork turns off.
//!
//! A child of `fork` has a copy of everything: of batches half full, of locks
//! that threads held which it has not got, and of the file's descriptor. So it
//! must find tracing off, whatever its parent was at, and without a test of its
//! own in `acquire`. The word therefore lies on a page that the system wipes in
//! the child (`MADV_WIPEONFORK`, Linux 4.14): the child reads 0, which is "off".
//! A second word beside it, wiped as well, says that this happened.
//!
//! ```text
//!               parent           child
//!   epoch       e, or 0          0        read by `acquire`
//!   ours        1                0        read where something begins
//! ```
//!
//! Elsewhere, where the system does not know how, and where pages come from the
//! heap, the words are copied: an embedder that forks stops tracing before, or
//! the child executes another program without emitting anything.

#[cfg(not(all(target_os = "linux", not(any(loom, heap_pages)))))]
pub(crate) use self::plain::Switch;
#[cfg(all(target_os = "linux", not(any(loom, heap_pages))))]
pub(crate) use self::wiped::Switch;

#[cfg(all(target_os = "linux", not(any(loom, heap_pages))))]
mod wiped {
    use core::ptr;

    use crate::pages::{BLOCK_SIZE, Backing, Env, NoMemory};
    use crate::sync::{AtomicPtr, AtomicU64, Ordering};
    use crate::sys;

    #[derive(Debug)]
    struct Words {
        epoch: AtomicU64,
        ours: AtomicU64,
    }

    /// The switch; see the module's documentation.
    #[derive(Debug)]
    pub(crate) struct Switch {
        /// Null, or words at the start of a block that stays until `unmap`.
        at: AtomicPtr<Words>,
        /// Stands for the epoch as long as there is no page: 0.
        off: AtomicU64,
    }

    impl Switch {
        pub(crate) const fn new() -> Self {
            Self {
                at: AtomicPtr::new(ptr::null_mut()),
                off: AtomicU64::new(0),
            }
        }

        fn words(&self) -> Option<&Words> {
            // Acquire: pairs with the Release exchange in `map`.
            // mutant: models have no page to wipe, and so not this module.
            let at = self.at.load(Ordering::Acquire);
            // SAFETY: null or as `map` made it, which stays until `unmap`.
            unsafe { at.as_ref() }
        }

        /// Makes sure that there is a page.
        pub(crate) fn map(&self, env: &Env<'_>) -> Result<(), NoMemory> {
            if self.words().is_some() {
                return Ok(());
            }
            let block = env.take(Backing::Later)?;
            // SAFETY: the block is ours, and never kept for others from here on;
            // 0 is a value of both words. If the system does not know how to set
            // them to that in a child, they are copied.
            unsafe { sys::wipe_on_fork(block, BLOCK_SIZE) };
            let words = block.cast::<Words>();
            // SAFETY: the block is ours, page-aligned and large enough.
            unsafe {
                words.write(Words {
                    epoch: AtomicU64::new(0),
                    ours: AtomicU64::new(1),
                });
            }
            // Relaxed on failure: it is loaded again.
            let other = self.at.compare_exchange(
                ptr::null_mut(),
                words.as_ptr(),
                // Release: pairs with the Acquire load in `words`.
                // mutant: models have no page to wipe, and so not this module.
                Ordering::Release,
                Ordering::Relaxed,
            );
            if other.is_err() {
                // SAFETY: nobody else knows of this block.
                unsafe { env.pages.unmap(block) };
            }
            Ok(())
        }

        /// The epoch in force, 0 when tracing is off. The same word for good,
        /// once there is a page.
        pub(crate) fn epoch(&self) -> &AtomicU64 {
            self.words().map_or(&self.off, |words| &words.epoch)
        }

        /// Whether this process is a fork of the one that traced.
        pub(crate) fn is_forked(&self) -> bool {
            self.words()
                // Relaxed: written once, before it could be seen; wiped before
                // the child runs.
                .is_some_and(|words| words.ours.load(Ordering::Relaxed) == 0)
        }
    }

    impl Drop for Switch {
        fn drop(&mut self) {
            if let Some(block) = ptr::NonNull::new(*self.at.get_mut()) {
                // SAFETY: from `map`; nobody borrows the switch any more. No
                // budget outlives it to be credited.
                unsafe { sys::unmap(block.cast(), BLOCK_SIZE) };
            }
        }
    }
}

#[cfg(not(all(target_os = "linux", not(any(loom, heap_pages)))))]
mod plain {
    use crate::pages::{Env, NoMemory};
    use crate::sync::{AtomicU64, const_unless_loom};

    /// The switch, where nothing can be done about forks.
    #[derive(Debug)]
    pub(crate) struct Switch(AtomicU64);

    impl Switch {
        const_unless_loom! {
            pub(crate) fn new() -> Self {
                Self(AtomicU64::new(0))
            }
        }

        pub(crate) fn map(&self, _: &Env<'_>) -> Result<(), NoMemory> {
            Ok(())
        }

        pub(crate) fn epoch(&self) -> &AtomicU64 {
            &self.0
        }

        pub(crate) fn is_forked(&self) -> bool {
            false
        }
    }
}
