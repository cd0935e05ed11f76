//! A node of the map, the key behind it, and the links that lead to it.
//!
//! ```text
//!  link: │ 63..48: hash bits 15..0 of the key │ 47..0: address │
//!                                                   ▼
//!  node: │ children: 4 links │ ID, length, mark │ key … │
//! ```
//!
//! Invariants and orderings are those of [the map](crate::map).

use core::marker::PhantomData;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU64, Ordering};

use crate::map::Id;
use crate::pages::{Env, NoMemory};
use crate::region::{AllocError, MAX_ALLOC, Region};
use crate::sync::{AtomicPtr, UnsafeCell};

/// Children of a node.
pub(crate) const FANOUT: usize = 4;

/// Longest key, bytes.
pub const MAX_KEY: usize = MAX_ALLOC - size_of::<Node>();

#[repr(C, align(8))]
pub(crate) struct Node {
    pub(crate) children: [AtomicPtr<Node>; FANOUT],
    /// The ID, above the mark and the key's length.
    ///
    /// Relaxed, all: the link publishes it, and only the mark changes after that,
    /// which one thread at a time sets and reads. It is `core`'s in models, too.
    id_and_len: AtomicU64,
    /// Stands for the bytes of the key, which follow the node: who reads or
    /// writes them goes through this cell, so that models see it.
    key: UnsafeCell<()>,
}

#[cfg(not(loom))]
static_assertions::const_assert_eq!(size_of::<Node>(), 40);

/// Bits of the key's length below the mark.
const LEN_BITS: u32 = 16;
static_assertions::const_assert!(MAX_KEY < 1 << LEN_BITS);

/// Set on a node that a walk has done with.
const MARK: u64 = 1 << LEN_BITS;

/// The ID's bits begin above the mark; no counter exhausts the other 47.
const ID_SHIFT: u32 = LEN_BITS + 1;

impl Node {
    #[inline]
    pub(crate) fn id(&self) -> Id {
        Id(self.id_and_len.load(Ordering::Relaxed) >> ID_SHIFT)
    }

    /// Whether a walk has done with it.
    pub(crate) fn is_marked(&self) -> bool {
        self.id_and_len.load(Ordering::Relaxed) & MARK != 0
    }

    /// Says so.
    pub(crate) fn mark(&self) {
        self.id_and_len.fetch_or(MARK, Ordering::Relaxed);
    }

    /// Makes a node for `key`, of at most [`MAX_KEY`] bytes, known to nobody yet.
    pub(crate) fn make(
        key: &[u8],
        id: impl FnOnce() -> Id,
        memory: &Region,
        env: &Env<'_>,
    ) -> Result<NonNull<Self>, AllocError> {
        let node = memory.alloc(size_of::<Self>() + key.len(), env)?;
        let node = node.cast::<Self>();
        if !is_linkable(node) {
            // No system gives such addresses unasked.
            return Err(NoMemory::System.into());
        }
        // SAFETY: the allocation is ours, aligned to 8 and as large as the node
        // and the key together; the key is not part of it. Nothing of it is
        // assumed to be zero.
        unsafe {
            node.write(Self {
                children: core::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
                id_and_len: AtomicU64::new(id().0 << ID_SHIFT | key.len() as u64),
                key: UnsafeCell::new(()),
            });
            node.as_ref().key.with_mut(|_| {
                ptr::copy_nonoverlapping(key.as_ptr(), node.as_ptr().add(1).cast(), key.len());
            });
        }
        Ok(node)
    }

    /// Calls `read` with the key's bytes.
    ///
    /// # Safety
    ///
    /// `this` came out of a link of a map that has not been reset since.
    #[inline]
    pub(crate) unsafe fn with_key<R>(this: NonNull<Self>, read: impl FnOnce(&[u8]) -> R) -> R {
        // SAFETY: Invariant 2 and the caller's word: the node is initialised,
        // and nobody writes to it apart from its children and the mark.
        let node = unsafe { this.as_ref() };
        let len = node.id_and_len.load(Ordering::Relaxed) as usize % (1 << LEN_BITS);
        node.key.with(|_| {
            // SAFETY: `make` allocated and wrote `len` bytes behind the
            // node before publishing it.
            read(unsafe { core::slice::from_raw_parts(this.as_ptr().add(1).cast(), len) })
        })
    }
}

/// A node that was found, and stays as long as its map is borrowed.
#[derive(Clone, Copy)]
pub(crate) struct Found<'m> {
    node: NonNull<Node>,
    map: PhantomData<&'m Node>,
}

impl<'m> Found<'m> {
    /// # Safety
    ///
    /// `node` came out of a link of a map that is not reset during `'m`.
    #[inline]
    pub(crate) unsafe fn new(node: NonNull<Node>) -> Self {
        Self {
            node,
            map: PhantomData,
        }
    }

    #[inline]
    pub(crate) fn id(self) -> Id {
        // SAFETY: as `new` was told; what leads to a node leads to a whole one.
        unsafe { self.node.as_ref() }.id()
    }

    /// Whether its key is this one.
    #[inline(always)]
    pub(crate) fn is(self, key: &[u8]) -> bool {
        // SAFETY: as above.
        unsafe { Node::with_key(self.node, |there| equal(there, key)) }
    }

    #[inline]
    pub(crate) fn children(self) -> &'m [AtomicPtr<Node>; FANOUT] {
        // SAFETY: as above.
        unsafe { &self.node.as_ref().children }
    }

    /// For who knows by other means how long it stays.
    #[inline]
    pub(crate) fn node(self) -> NonNull<Node> {
        self.node
    }
}

/// Where a link keeps bits of the hash: above the 48 bits that addresses have
/// unless a program asks for more. Narrower addresses leave no room for any.
const TAG_SHIFT: u32 = if usize::BITS == 64 { 48 } else { 0 };

/// What a link to a node of a key with this hash has in its upper bits.
#[inline]
pub(crate) fn tag(hash: u64) -> usize {
    match TAG_SHIFT {
        0 => 0,
        shift => (hash as usize) << shift,
    }
}

/// The link to a node.
pub(crate) fn link(node: NonNull<Node>, hash: u64) -> *mut Node {
    node.as_ptr().map_addr(|at| at | tag(hash))
}

/// The node that a link leads to.
#[inline]
pub(crate) fn node_of(link: *mut Node) -> *mut Node {
    match TAG_SHIFT {
        0 => link,
        shift => link.map_addr(|at| at & ((1 << shift) - 1)),
    }
}

/// Whether an address leaves a link's upper bits free.
fn is_linkable(node: NonNull<Node>) -> bool {
    node_of(node.as_ptr()) == node.as_ptr()
}

/// Whether two keys are the same. For most names this is less than a call; from
/// some length on a call is faster.
#[inline(always)]
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len()
        && match a.len() {
            33.. => a == b,
            17.. => equal_ends(a, b, |sixteen| u128::from_ne_bytes(*sixteen)),
            9.. => equal_ends(a, b, |eight| u64::from_ne_bytes(*eight).into()),
            4.. => equal_ends(a, b, |four| u32::from_ne_bytes(*four).into()),
            _ => a == b,
        }
}

/// The same for keys of one length, at least `N` and at most twice that. (The last
/// bytes overlap the first, unless they are all the others.)
#[inline(always)]
fn equal_ends<const N: usize>(a: &[u8], b: &[u8], word: impl Fn(&[u8; N]) -> u128) -> bool {
    let differ = |a: Option<&[u8; N]>, b: Option<&[u8; N]>| match (a, b) {
        (Some(a), Some(b)) => word(a) ^ word(b),
        _ => 1,
    };
    differ(a.first_chunk(), b.first_chunk()) | differ(a.last_chunk(), b.last_chunk()) == 0
}
