//! Whoever can turn bytes into numbers, behind one interface: what the tracer's
//! map and its peers have in common.

use runtime_trace::lock::{Held, Rank};
use runtime_trace::map::TraceMap;
use runtime_trace::pages::{Env, Pages};

/// Bytes to numbers.
pub(crate) trait Interner: Sync + Sized + 'static {
    /// An empty one.
    fn new() -> Self;

    /// An empty one in the place of this, whose memory it may use again. For most
    /// peers the C library's allocator sees to that.
    fn emptied(self) -> Self {
        drop(self);
        Self::new()
    }

    /// Finds or adds every key, and gives the sum of their numbers. What a
    /// thread needs to use the map is set up once here, not once a key.
    fn put_all<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) -> u64;

    /// A new one after `fill`, and how much memory that took, bytes.
    fn measured(fill: impl FnOnce(&Self)) -> (Self, usize) {
        let before = allocated();
        let map = Self::new();
        fill(&map);
        let bytes = allocated().saturating_sub(before);
        (map, bytes)
    }
}

/// What the C library's allocator has given out, bytes, as it counts: with
/// headers and padding.
fn allocated() -> usize {
    // SAFETY: it only reads, and has no preconditions.
    let figures = unsafe { libc::mallinfo2() };
    figures.uordblks + figures.hblkhd
}

/// The tracer's own map.
pub(crate) struct Ours {
    map: TraceMap,
    pages: Pages,
}

impl Interner for Ours {
    fn new() -> Self {
        Self {
            map: TraceMap::new(Rank::StackRegion),
            pages: Pages::new(usize::MAX),
        }
    }

    /// As the tracer does between two generations.
    fn emptied(mut self) -> Self {
        self.reset();
        self
    }

    #[inline]
    fn put_all<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) -> u64 {
        let held = Held::new();
        let env = Env::new(&self.pages, &held);
        keys.map(|key| self.map.put(key, &env).map_or(0, |(id, _)| id.0))
            .fold(0, u64::wrapping_add)
    }

    fn measured(fill: impl FnOnce(&Self)) -> (Self, usize) {
        let map = Self::new();
        fill(&map);
        let bytes = map.pages.mapped();
        (map, bytes)
    }
}

impl Ours {
    /// Forgets all keys.
    fn reset(&mut self) {
        let held = Held::new();
        // SAFETY: nobody else has the map: it is borrowed exclusively.
        unsafe { self.map.reset(&Env::new(&self.pages, &held)) };
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.reset();
    }
}
