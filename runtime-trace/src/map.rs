//! `TraceMap`: an append-only concurrent hash-trie from bytes to IDs.
//!
//! # Why
//!
//! The tracer gives every string and every stack a small number. Many threads
//! ask at once, mostly for what is there already, and a generation's table dies
//! as a whole. So the map only grows, takes no lock, and a lookup writes
//! nothing. It follows the Go runtime's `traceMap` as rewritten in "runtime:
//! rewrite traceMap to scale better"; unlike it, the first level is wide, a link
//! says part of the hash behind it, the key lies inside the node (one
//! allocation), the hash is seeded by the system's randomness, and running out
//! of memory is an error. `docs/decisions/0013-map.md` has the measurements.
//!
//! # Shape
//!
//! ```text
//!  root ─► directory[hash bits 63..52] ─► Node(key a) ── children[51..50] ─► Node(key b) ─► …
//!                                            │ children[…] ─► null: the first empty
//!                                            │  slot on a key's path is its place
//!  a link:  │ 63..48: hash bits 15..0 of the key │ 47..0: the node's address │
//! ```
//!
//! The directory is made as the first key comes, the first thing in the region. The
//! hash's secrets stand in it, before its slots. Where memory is scarce it has two of
//! those, and everything hangs below them.
//!
//! # Invariants
//!
//! 1. A slot (of the directory or of a node's children) goes from null to a node
//!    once and never changes again until `reset`; so does `root`, from null to
//!    the directory.
//! 2. A node's ID and key are written before a link to it is, and never after. A mark
//!    beside the ID belongs to the one thread that walks over the map.
//! 3. A key's nodes lie on the path that its hash spells: the directory's slot by
//!    the first bits, then two bits a level from the thirteenth on; existing nodes
//!    do not move when children appear, so the key is compared at every level. A
//!    link whose hash bits differ from the key's leads to another key: that node is
//!    passed without looking at what it holds.
//! 4. No key has two nodes: both would end in the same first empty slot of the
//!    same path, where one wins and the other finds it. A racing insert of an
//!    equal key therefore wastes at most one node and one ID; racing inserts of
//!    different keys both land.
//! 5. After `LEVELS` levels the hash has no bits left and every node has at most
//!    its first child: keys of equal hash form a list, and a walk of what hangs
//!    in one slot of the directory has at most `3 × LEVELS + 1` nodes pending.
//! 6. IDs are handed out from 1 by one counter; 0 is the empty key, which is
//!    never stored.
//!
//! # Memory orderings
//!
//! | operation | ordering | pairs with |
//! | --- | --- | --- |
//! | `root` load, and the failed exchange | Acquire | the exchange that set it: the directory's slots are seen empty or later |
//! | `root` exchange | Release | the above |
//! | slot load, and the failed exchange | Acquire | the exchange that filled it: the node is seen whole (Invariant 2) |
//! | slot exchange | Release | the above |
//! | `next_id` | Relaxed | nothing: only distinctness matters |

use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use crate::hash::Hasher;
use crate::lock::Rank;
use crate::node::{FANOUT, Found, Node, link, node_of, tag};
use crate::pages::{Backing, Env};
use crate::region::{AllocError, Region};
use crate::sync::{AtomicPtr, AtomicU64, CachePadded, Ordering, const_unless_loom};

pub use crate::node::MAX_KEY;

/// What a key is known by. 0 is the empty key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u64);

impl Id {
    /// The ID of the empty key.
    pub const EMPTY: Self = Self(0);
}

/// Bits of the hash that choose a child.
const BITS: u32 = 2;
static_assertions::const_assert_eq!(FANOUT, 1 << BITS);

/// Bits of the hash that choose the directory's slot. In models few, so that
/// keys share a slot.
const WIDE: u32 = if cfg!(loom) { 1 } else { 12 };

/// The same where there is not enough memory.
const NARROW: u32 = 1;

/// Levels below the directory whose bits differ (Invariant 5).
const LEVELS: u32 = (u64::BITS - WIDE) / BITS;

/// Most nodes that a walk has pending (Invariant 5).
const MAX_PENDING: usize = (FANOUT - 1) * LEVELS as usize + 1;

/// A directory is wide only if so much memory is left: what it takes from a tight
/// budget would be missed elsewhere.
const ENOUGH_FOR_WIDE: usize = 64 * Directory::size(WIDE);

/// A place for a link: in the directory, or among a node's children.
type Slot = AtomicPtr<Node>;

/// The start of the directory, whose slots follow.
#[repr(C)]
struct Directory {
    hasher: Hasher,
    /// So many bits of the hash, the lower ones, do not choose a slot.
    shift: u32,
    slots: [Slot; 0],
}

/// The map; see the module's documentation.
#[derive(Debug)]
pub struct TraceMap {
    /// Null, or the directory in the region.
    root: CachePadded<AtomicPtr<Directory>>,
    next_id: CachePadded<AtomicU64>,
    memory: Region,
}

static_assertions::assert_impl_all!(TraceMap: Send, Sync);

impl TraceMap {
    const_unless_loom! {
        /// An empty map; `rank` is that of its region's lock.
        pub fn new(rank: Rank) -> Self {
            Self {
                root: CachePadded(AtomicPtr::new(ptr::null_mut())),
                next_id: CachePadded(AtomicU64::new(0)),
                // Nodes fill a block soon, and from its start.
                memory: Region::new(rank, Backing::Now),
            }
        }
    }

    /// Finds or adds `key`: its ID, and whether this call added it.
    ///
    /// The empty key is [`Id::EMPTY`] and is never added.
    ///
    /// # Errors
    ///
    /// [`AllocError`], if the key is not there and there is no room for it: the
    /// map is unchanged then.
    #[inline(always)]
    pub fn put(&self, key: &[u8], env: &Env<'_>) -> Result<(Id, bool), AllocError> {
        match self.find(key) {
            Ok(node) => Ok((node.id(), false)),
            Err(_) if key.is_empty() => Ok((Id::EMPTY, false)),
            Err(vacant) => self.add(vacant, key, env),
        }
    }

    /// Finds `key` without adding it.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<Id> {
        match self.find(key) {
            Ok(node) => Some(node.id()),
            Err(_) => key.is_empty().then_some(Id::EMPTY),
        }
    }

    /// As [`put`](Self::put) with the hash given, so that keys collide.
    ///
    /// # Errors
    ///
    /// As there.
    #[cfg(any(test, loom))]
    pub fn put_with_hash(
        &self,
        key: &[u8],
        hash: u64,
        env: &Env<'_>,
    ) -> Result<(Id, bool), AllocError> {
        let root = match self.root() {
            Some(root) => root,
            None => self.first(env)?,
        };
        match root.path(hash).descend(key, hash) {
            Ok(node) => Ok((node.id(), false)),
            Err(path) => self.add(Vacant(Some((path, hash))), key, env),
        }
    }

    /// The node of `key`, or where it would go. The empty key never has one.
    // Always in place: a call would save and restore what the walk has in registers,
    // a quarter of what finding a short key takes.
    #[inline(always)]
    pub(crate) fn find(&self, key: &[u8]) -> Result<Found<'_>, Vacant<'_>> {
        let Some(root) = self.root() else {
            return Err(Vacant(None));
        };
        let hash = root.hasher().hash(key);
        root.path(hash)
            .descend(key, hash)
            .map_err(|path| Vacant(Some((path, hash))))
    }

    /// Adds `key`, which is not empty, unless somebody else does. It was not found,
    /// and `vacant` is where.
    #[inline(never)]
    pub(crate) fn add(
        &self,
        vacant: Vacant<'_>,
        key: &[u8],
        env: &Env<'_>,
    ) -> Result<(Id, bool), AllocError> {
        if key.len() > MAX_KEY {
            return Err(AllocError::TooLarge);
        }
        let (mut path, hash) = match vacant.0 {
            Some(end) => end,
            None => {
                let root = self.first(env)?;
                let hash = root.hasher().hash(key);
                (root.path(hash), hash)
            }
        };
        let fresh = Node::make(key, || self.steal_id(), &self.memory, env)?;
        loop {
            // Release: publishes the node (Invariant 2). Acquire on failure:
            // the winner's node is about to be read. Both pair with each other.
            let Err(found) = path.slot.compare_exchange(
                ptr::null_mut(),
                link(fresh, hash),
                Ordering::Release,
                Ordering::Acquire,
            ) else {
                // SAFETY: the node is initialised, and stays until `reset`.
                return Ok((unsafe { fresh.as_ref() }.id(), true));
            };
            // Somebody was first. If it was with our key, ours is wasted
            // (Invariant 4); else ours goes further down.
            match path.follow(found, key, hash) {
                Step::Found(node) => return Ok((node.id(), false)),
                Step::Down(below) => path = below,
            }
            match path.descend(key, hash) {
                Ok(node) => return Ok((node.id(), false)),
                Err(below) => path = below,
            }
        }
    }

    /// Reserves an ID that no key will get.
    pub fn steal_id(&self) -> Id {
        // Relaxed: only distinctness matters (Invariant 6).
        Id(self.next_id.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Calls `visit` once for every key, in no particular order.
    ///
    /// Keys that are added meanwhile may or may not be visited. Takes about
    /// 700 bytes of stack whatever the map's size or shape.
    pub fn for_each(&self, mut visit: impl FnMut(Id, &[u8])) {
        self.walk(|node| {
            // SAFETY: from a slot; `&self` with `reset`'s contract keeps it.
            unsafe { Node::with_key(node, |key| visit(node.as_ref().id(), key)) };
        });
    }

    /// As [`for_each`](Self::for_each), without the keys for which `visit` has returned
    /// true in another walk. One walk at a time.
    pub(crate) fn for_each_left(&self, mut visit: impl FnMut(Id, &[u8]) -> bool) {
        self.walk(|node| {
            // SAFETY: as above.
            let there = unsafe { node.as_ref() };
            // SAFETY: as above.
            let mut visit = || unsafe { Node::with_key(node, |key| visit(there.id(), key)) };
            if !there.is_marked() && visit() {
                there.mark();
            }
        });
    }

    /// Calls `visit` with every node.
    fn walk(&self, mut visit: impl FnMut(NonNull<Node>)) {
        let mut pending = [ptr::null_mut(); MAX_PENDING];
        for slot in self.root().map_or(&[][..], Root::slots) {
            // Acquire: pairs with the exchange that filled the slot.
            pending[0] = slot.load(Ordering::Acquire);
            self.for_each_pending(&mut pending, &mut visit);
        }
    }

    /// Visits what hangs below the first pending link.
    fn for_each_pending(
        &self,
        pending: &mut [*mut Node; MAX_PENDING],
        visit: &mut impl FnMut(NonNull<Node>),
    ) {
        let mut count = usize::from(!pending[0].is_null());
        while count > 0 {
            count -= 1;
            let Some(node) = NonNull::new(node_of(pending[count])) else {
                continue;
            };
            // SAFETY: from a slot; `&self` with `reset`'s contract keeps it.
            let children = unsafe { &node.as_ref().children };
            visit(node);
            for child in children {
                // Acquire: as for the first.
                let child = child.load(Ordering::Acquire);
                if !child.is_null() {
                    // Within bounds by Invariant 5.
                    pending[count] = child;
                    count += 1;
                }
            }
        }
    }

    /// Forgets every key, starts IDs at 1 again and gives all blocks back.
    ///
    /// # Safety
    ///
    /// Until it returns nobody else uses the map, nor a node that it has given. `env`
    /// is of the same [`Pages`](crate::pages::Pages) as that of every call that added
    /// a key since the map was empty.
    pub unsafe fn reset(&self, env: &Env<'_>) {
        // Relaxed: the caller has the map to itself, and orders this against
        // earlier and later users.
        self.root.store(ptr::null_mut(), Ordering::Relaxed);
        self.next_id.store(0, Ordering::Relaxed);
        // SAFETY: nothing leads to a node any more, and nobody is inside; the pages
        // are the caller's word.
        unsafe { self.memory.release(env) };
    }

    /// Leaves all pages to the system, as [`Region::forget`].
    pub(crate) fn forget(&mut self) {
        self.memory.forget();
    }

    /// The directory, if there was any key yet.
    #[inline(always)]
    fn root(&self) -> Option<Root<'_>> {
        // Acquire: pairs with the exchange in `first`.
        let root = NonNull::new(self.root.load(Ordering::Acquire))?;
        Some(Root(root, PhantomData))
    }

    /// The directory, made unless somebody else does.
    #[cold]
    fn first(&self, env: &Env<'_>) -> Result<Root<'_>, AllocError> {
        let wide = match env.left() >= ENOUGH_FOR_WIDE {
            true => Directory::make(WIDE, &self.memory, env).ok(),
            false => None,
        };
        let made = match wide {
            Some(made) => made,
            None => Directory::make(NARROW, &self.memory, env)?,
        };
        let other = self.root.compare_exchange(
            ptr::null_mut(),
            made.as_ptr(),
            // Release: publishes the directory, and pairs with the loads.
            Ordering::Release,
            // Acquire: the winner's directory is about to be read.
            Ordering::Acquire,
        );
        // If somebody was first, ours is wasted.
        let root = other.err().and_then(NonNull::new).unwrap_or(made);
        Ok(Root(root, PhantomData))
    }
}

impl Directory {
    const fn size(width: u32) -> usize {
        size_of::<Self>() + (size_of::<Slot>() << width)
    }

    /// Makes a directory of empty slots.
    fn make(width: u32, memory: &Region, env: &Env<'_>) -> Result<NonNull<Self>, AllocError> {
        let this = memory.alloc(Self::size(width), env)?.cast::<Self>();
        // SAFETY: the allocation is ours, aligned to 8 and as large as the directory
        // and so many slots together.
        unsafe {
            this.write(Self {
                hasher: Hasher::draw(),
                shift: u64::BITS - width,
                slots: [],
            });
            for at in 0..1 << width {
                let slot = this.add(1).cast::<Slot>().add(at);
                slot.write(AtomicPtr::new(ptr::null_mut()));
            }
        }
        Ok(this)
    }
}

/// A map's directory, as long as that is borrowed.
// Invariant: a `Directory::make` made it, with its slots, and the map has it as `root`.
#[derive(Clone, Copy)]
struct Root<'m>(NonNull<Directory>, PhantomData<&'m TraceMap>);

impl<'m> Root<'m> {
    #[inline(always)]
    fn hasher(self) -> &'m Hasher {
        // SAFETY: what `root` leads to is written, and stays until `reset`.
        unsafe { &self.0.as_ref().hasher }
    }

    /// The start of the path that `hash` spells.
    #[inline(always)]
    fn path(self, hash: u64) -> Path<'m> {
        // SAFETY: as above; there are as many slots as these bits can name.
        let slot = unsafe {
            let at = hash >> self.0.as_ref().shift;
            self.0.add(1).cast::<Slot>().add(at as usize).as_ref()
        };
        Path {
            slot,
            bits: hash << WIDE,
        }
    }

    fn slots(self) -> &'m [Slot] {
        // SAFETY: as above.
        unsafe {
            let count = 1 << (u64::BITS - self.0.as_ref().shift);
            NonNull::slice_from_raw_parts(self.0.add(1).cast(), count).as_ref()
        }
    }
}

/// Where a key was not found: the end of its path, and its hash, if there was a
/// directory.
pub(crate) struct Vacant<'m>(Option<(Path<'m>, u64)>);

/// A place on the path that a hash spells: a slot, and the bits left below it.
struct Path<'m> {
    slot: &'m Slot,
    bits: u64,
}

enum Step<'m> {
    Found(Found<'m>),
    Down(Path<'m>),
}

impl<'m> Path<'m> {
    /// Follows the path to `key`'s node or to the first empty slot.
    #[inline(always)]
    fn descend(mut self, key: &[u8], hash: u64) -> Result<Found<'m>, Self> {
        loop {
            // Acquire: pairs with the exchange that filled the slot.
            let link = self.slot.load(Ordering::Acquire);
            if link.is_null() {
                return Err(self);
            }
            match self.follow(link, key, hash) {
                Step::Found(node) => return Ok(node),
                Step::Down(below) => self = below,
            }
        }
    }

    /// Compares with the node behind `link`, found in this slot, and goes one
    /// level down.
    #[inline(always)]
    fn follow(&self, link: *mut Node, key: &[u8], hash: u64) -> Step<'m> {
        let at = node_of(link);
        // SAFETY: only called with what an Acquire load of a slot gave, not
        // null: Invariant 2 makes the node initialised, and `reset` does not run
        // beside us, so it lives as long as the map is borrowed.
        let found = unsafe { Found::new(NonNull::new_unchecked(at)) };
        if link.addr() ^ at.addr() == tag(hash) && found.is(key) {
            return Step::Found(found);
        }
        Step::Down(Path {
            slot: &found.children()[(self.bits >> (u64::BITS - BITS)) as usize],
            bits: self.bits << BITS,
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::lock::Held;
    use crate::pages::{BLOCK_SIZE, NoMemory, Pages};
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    fn with_map(test: impl FnOnce(&TraceMap, &Pages)) {
        let pages = Pages::new(usize::MAX);
        let map = TraceMap::new(Rank::StackRegion);
        test(&map, &pages);
        let held = Held::new();
        // SAFETY: the test is over.
        unsafe { map.reset(&Env::new(&pages, &held)) };
        pages.unmap_kept();
        assert_eq!(pages.mapped(), 0, "pages left behind");
    }

    /// The seed's first test: IDs count from 1 in order, again after a reset.
    #[test]
    fn ids_are_stable_and_start_over_after_reset() {
        with_map(|map, pages| {
            let held = Held::new();
            let env = Env::new(pages, &held);
            for _ in 0..3 {
                let keys = ["a", "b", "aa", "ab", "ba", "bb"];
                for added in [true, false] {
                    for (key, id) in keys.iter().zip(1..) {
                        assert_eq!(map.put(key.as_bytes(), &env), Ok((Id(id), added)), "{key}");
                    }
                }
                // SAFETY: this thread alone uses the map.
                unsafe { map.reset(&env) };
            }
        });
    }

    /// The seed's second test: threads with keys of their own do not disturb
    /// each other's.
    #[test]
    fn threads_with_their_own_keys() {
        with_map(|map, pages| {
            std::thread::scope(|scope| {
                for thread in 0..3 {
                    scope.spawn(move || {
                        let held = Held::new();
                        let env = Env::new(pages, &held);
                        let keys =
                            ["a", "b", "aa", "ab", "ba", "bb"].map(|k| format!("{k}{thread}"));
                        let ids = keys.each_ref().map(|key| {
                            let (id, added) = map.put(key.as_bytes(), &env).unwrap();
                            assert!(added, "{key}");
                            id
                        });
                        for (key, id) in keys.iter().zip(ids) {
                            assert_eq!(map.put(key.as_bytes(), &env), Ok((id, false)));
                        }
                    });
                }
            });
        });
    }

    #[test]
    fn threads_with_the_same_keys_agree() {
        const KEYS: usize = 2000;
        with_map(|map, pages| {
            let rows: Vec<Vec<(Id, bool)>> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4)
                    .map(|thread| {
                        scope.spawn(move || {
                            let held = Held::new();
                            let env = Env::new(pages, &held);
                            let mut row = std::vec![(Id::EMPTY, false); KEYS];
                            for step in 0..KEYS {
                                // Each thread in an order of its own (KEYS and 7 are coprime).
                                let key = (step * 7 + thread * 500) % KEYS;
                                row[key] = map.put(format!("key {key}").as_bytes(), &env).unwrap();
                            }
                            row
                        })
                    })
                    .collect();
                threads.into_iter().map(|t| t.join().unwrap()).collect()
            });
            let mut seen = hashbrown::HashSet::new();
            for key in 0..KEYS {
                let id = rows[0][key].0;
                assert!(
                    rows.iter().all(|row| row[key].0 == id),
                    "key {key} has two IDs"
                );
                assert_eq!(rows.iter().filter(|row| row[key].1).count(), 1, "key {key}");
                assert!(id != Id::EMPTY && seen.insert(id), "ID {id:?} given twice");
            }
        });
    }

    /// Every key has the same hash: the trie is a list, and still a map.
    #[test]
    fn equal_hashes_make_a_list() {
        with_map(|map, pages| {
            let held = Held::new();
            let env = Env::new(pages, &held);
            for added in [true, false] {
                for key in 1..=1000u64 {
                    let found = map.put_with_hash(&key.to_le_bytes(), u64::MAX, &env);
                    assert_eq!(found, Ok((Id(key), added)));
                }
            }
            let mut visited = 0;
            map.for_each(|_, _| visited += 1);
            assert_eq!(visited, 1000);
        });
    }

    /// Hashes that leave the most siblings pending on the way down.
    #[test]
    fn the_walk_fits_its_bound() {
        with_map(|map, pages| {
            let held = Held::new();
            let env = Env::new(pages, &held);
            let mut count = 0u64;
            let mut put = |hash: u64| {
                count += 1;
                map.put_with_hash(&count.to_le_bytes(), hash, &env).unwrap();
            };
            put(!(u64::MAX >> WIDE));
            for level in 0..LEVELS {
                // Four children for the node that the path of threes reaches.
                let used = WIDE + BITS * level;
                let prefix = !(u64::MAX >> used);
                for child in 0..4u64 {
                    put(prefix | child << (u64::BITS - BITS - used));
                }
            }
            put(u64::MAX);
            let mut visited = 0;
            map.for_each(|_, _| visited += 1);
            assert_eq!(visited, count);
        });
    }

    #[test]
    fn agrees_with_a_hash_map() {
        with_map(agree_with_a_hash_map);
    }

    /// Too little memory for a wide directory: everything hangs below two slots.
    #[test]
    fn agrees_with_a_hash_map_when_narrow() {
        let pages = Pages::new(ENOUGH_FOR_WIDE - 1);
        let map = TraceMap::new(Rank::StackRegion);
        agree_with_a_hash_map(&map, &pages);
        assert_eq!(map.root().unwrap().slots().len(), 1 << NARROW);
    }

    fn agree_with_a_hash_map(map: &TraceMap, pages: &Pages) {
        let held = Held::new();
        let env = Env::new(pages, &held);
        let mut oracle = hashbrown::HashMap::<Vec<u8>, Id>::new();
        let mut state = 1u64;
        for _ in 0..20_000 {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let len = (state >> 60) as usize % 6;
            let key: Vec<u8> = state.to_le_bytes()[2..2 + len]
                .iter()
                .map(|b| b % 5)
                .collect();
            assert_eq!(
                map.get(&key),
                oracle
                    .get(&key)
                    .copied()
                    .or((len == 0).then_some(Id::EMPTY))
            );
            let (id, added) = map.put(&key, &env).unwrap();
            if len == 0 {
                assert_eq!((id, added), (Id::EMPTY, false));
                continue;
            }
            assert_eq!(added, !oracle.contains_key(&key));
            assert_eq!(*oracle.entry(key).or_insert(id), id);
        }
        let mut walked = hashbrown::HashMap::new();
        map.for_each(|id, key| assert!(walked.insert(key.to_vec(), id).is_none()));
        assert_eq!(walked, oracle);
    }

    /// Keys of every length, equal but for one byte, and told apart.
    #[test]
    fn keys_that_differ_in_one_byte() {
        with_map(|map, pages| {
            let held = Held::new();
            let env = Env::new(pages, &held);
            for len in (1..=40).chain([127, 128, 255, 256, 257, 300]) {
                let key = std::vec![7; len];
                let (id, added) = map.put_with_hash(&key, 0, &env).unwrap();
                assert!(added, "{len}");
                for at in 0..len {
                    let mut other = key.clone();
                    other[at] = 8;
                    let root = map.root().unwrap();
                    assert!(root.path(0).descend(&other, 0).is_err(), "{len}, {at}");
                }
                assert_eq!(map.put_with_hash(&key, 0, &env), Ok((id, false)));
            }
        });
    }

    /// Links whose tags are equal though the hashes are not, and the other way
    /// round where nothing but the tags differs.
    #[test]
    fn tags_only_save_looking() {
        with_map(|map, pages| {
            let held = Held::new();
            let env = Env::new(pages, &held);
            let hashes = [0, 1 << 20, 1, 0xffff, 1 << 20 | 1];
            for added in [true, false] {
                for (hash, id) in hashes.into_iter().zip(1..) {
                    let key = std::format!("key {hash}");
                    let found = map.put_with_hash(key.as_bytes(), hash, &env);
                    assert_eq!(found, Ok((Id(id), added)));
                }
            }
        });
    }

    /// The system is asked for a block's pages once and not for each page.
    #[cfg(all(target_os = "linux", not(heap_pages)))]
    #[test]
    fn blocks_come_with_their_pages() {
        with_map(|map, pages| {
            let held = Held::new();
            map.put(b"key", &Env::new(pages, &held)).unwrap();
            // It lies behind the directory, with the rest of the block to come.
            let node = map.find(b"key").ok().unwrap().node();
            let rest = BLOCK_SIZE - Directory::size(WIDE);
            let (there, all) = crate::sys::resident(node.cast(), rest);
            assert_eq!(there, all);
        });
    }

    #[test]
    fn stolen_ids_are_never_given_to_keys() {
        with_map(|map, pages| {
            let held = Held::new();
            let env = Env::new(pages, &held);
            assert_eq!(map.put(b"a", &env), Ok((Id(1), true)));
            assert_eq!(map.steal_id(), Id(2));
            assert_eq!(map.put(b"b", &env), Ok((Id(3), true)));
        });
    }

    #[test]
    fn no_room_leaves_the_map_as_it_was() {
        // A block for the directory, and one for the longest key.
        let pages = Pages::new(2 * BLOCK_SIZE);
        let held = Held::new();
        let env = Env::new(&pages, &held);
        let map = TraceMap::new(Rank::StackRegion);
        let long = std::vec![1; MAX_KEY + 1];
        assert_eq!(map.put(&long, &env), Err(AllocError::TooLarge));
        assert_eq!(map.put(&long[..MAX_KEY], &env), Ok((Id(1), true)));
        let refused = AllocError::NoMemory(NoMemory::Limit);
        assert_eq!(map.put(b"more", &env), Err(refused));
        assert_eq!(map.get(b"more"), None);
        assert_eq!(map.put(&long[..MAX_KEY], &env), Ok((Id(1), false)));
        let keys: String = format!("{:?}", map.get(b""));
        assert_eq!(keys, "Some(Id(0))");
    }
}
