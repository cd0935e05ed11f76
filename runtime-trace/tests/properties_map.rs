//! `TraceMap` beside `hashbrown::HashMap`, in random sequences of operations.
//!
//! The map is built from the tracer's own files around another hash, one that
//! makes keys collide as they like: from bit to bit, but for their last bits, or
//! altogether. (The files bring their unit tests along, which hold with any hash.)
//!
//! `PROPTEST_CASES` sets how many cases are tried. A failure prints its smallest
//! case, which then becomes a unit test; no file of regressions is kept.

#![cfg(not(loom))]
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    unused_macros,
    reason = "the properties use a part of each file"
)]

#[path = "../src/lock.rs"]
mod lock;
#[path = "../src/map.rs"]
mod map;
#[path = "../src/node.rs"]
mod node;
#[path = "../src/pages.rs"]
mod pages;
#[path = "../src/region.rs"]
mod region;
#[path = "../src/sync.rs"]
mod sync;
#[path = "../src/sys/mod.rs"]
mod sys;

/// Stands for the tracer's own hash.
mod hash {
    /// Hashes a key by what its first byte says.
    #[derive(Debug)]
    pub(crate) struct Hasher;

    impl Hasher {
        pub(crate) fn draw() -> Self {
            Self
        }

        pub(crate) fn hash(&self, key: &[u8]) -> u64 {
            let first = key.first().copied().unwrap_or(0);
            let last = u64::from(key.last().copied().unwrap_or(0));
            match first % 4 {
                // All are the same.
                0 => u64::MAX,
                // The same but for the last level that the hash has bits for.
                1 => !3 | last & 3,
                // The same but for where the directory's bits end and the first
                // level's begin.
                2 => last << 50,
                // As they come.
                _ => (last + key.len() as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15),
            }
        }
    }
}

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use hashbrown::{HashMap, HashSet};
use proptest::collection::vec;
use proptest::prelude::*;

use lock::{Held, Rank};
use map::{Id, MAX_KEY, TraceMap};
use pages::{Env, NoMemory, Pages};
use region::AllocError;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

/// A key: how it hashes, its length and its last byte. All between is zero, so
/// that keys of one length differ at the end only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    family: u8,
    len: usize,
    last: u8,
}

impl Key {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len];
        if let Some(first) = bytes.first_mut() {
            *first = self.family;
        }
        if self.len > 1 {
            bytes[self.len - 1] = self.last;
        }
        bytes
    }
}

/// Few enough keys that they come again; `long` is the weight of those of which
/// a handful fill a block of the region, or do not fit into one.
fn key(long: u32) -> impl Strategy<Value = Key> {
    let len = prop_oneof![
        30 => 0..6usize,
        5 => 6..200usize,
        long => prop_oneof![MAX_KEY / 3..MAX_KEY / 2, MAX_KEY - 2..MAX_KEY + 3],
    ];
    (0..4u8, len, 0..20u8).prop_map(|(family, len, last)| Key { family, len, last })
}

#[derive(Clone, Debug)]
enum Op {
    Put(Key),
    Get(Key),
    StealId,
    Reset,
    /// From here on there are no more pages, or there are again.
    Refuse(bool),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        60 => key(3).prop_map(Op::Put),
        20 => key(3).prop_map(Op::Get),
        3 => Just(Op::StealId),
        1 => Just(Op::Reset),
        4 => any::<bool>().prop_map(Op::Refuse),
    ]
}

/// What there is after all that: the keys that a walk meets, each once.
fn walked(map: &TraceMap) -> Result<HashMap<Vec<u8>, Id>, TestCaseError> {
    let mut all = HashMap::new();
    let mut twice = None;
    map.for_each(|id, key| {
        if all.insert(key.to_vec(), id).is_some() {
            twice = Some(id);
        }
    });
    prop_assert_eq!(twice, None, "a key was visited twice");
    Ok(all)
}

proptest! {
    #![proptest_config(config(100))]

    /// One thread: every answer is the model's, IDs count up from 1 without a
    /// gap, and what is refused changes nothing.
    #[test]
    fn one_thread(ops in vec(op(), 0..250)) {
        let pages = Pages::new(usize::MAX);
        let map = TraceMap::new(Rank::StackRegion);
        let held = Held::new();
        let env = Env::new(&pages, &held);
        let mut model = HashMap::<Vec<u8>, Id>::new();
        let mut last_id = 0;
        let mut refuses = false;
        for op in ops {
            match op {
                Op::Put(key) => {
                    let bytes = key.bytes();
                    let put = map.put(&bytes, &env);
                    if bytes.is_empty() {
                        prop_assert_eq!(put, Ok((Id::EMPTY, false)));
                    } else if let Some(&id) = model.get(&bytes) {
                        prop_assert_eq!(put, Ok((id, false)), "{:?} is there", key);
                    } else if bytes.len() > MAX_KEY {
                        prop_assert_eq!(put, Err(AllocError::TooLarge));
                    } else if refuses && put.is_err() {
                        let limit = Err(AllocError::NoMemory(NoMemory::Limit));
                        prop_assert_eq!(put, limit);
                        prop_assert_eq!(map.get(&bytes), None);
                    } else {
                        last_id += 1;
                        prop_assert_eq!(put, Ok((Id(last_id), true)), "{:?} is new", key);
                        model.insert(bytes, Id(last_id));
                    }
                }
                Op::Get(key) => {
                    let bytes = key.bytes();
                    let empty = bytes.is_empty().then_some(Id::EMPTY);
                    let expected = model.get(&bytes).copied().or(empty);
                    prop_assert_eq!(map.get(&bytes), expected, "{:?}", key);
                }
                Op::StealId => {
                    last_id += 1;
                    prop_assert_eq!(map.steal_id(), Id(last_id));
                }
                Op::Reset => {
                    prop_assert_eq!(&walked(&map)?, &model);
                    // SAFETY: this thread alone uses the map.
                    unsafe { map.reset(&env) };
                    model.clear();
                    last_id = 0;
                }
                Op::Refuse(from_here) => {
                    refuses = from_here;
                    pages.set_limit(if refuses { 0 } else { usize::MAX });
                }
            }
        }
        prop_assert_eq!(&walked(&map)?, &model);
        // SAFETY: this thread alone uses the map.
        unsafe { map.reset(&env) };
        pages.unmap_kept();
        prop_assert_eq!(pages.mapped(), 0);
    }
}

/// What one of several threads does. Nobody resets: that is for one alone.
fn deeds() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        40 => key(1).prop_map(Op::Put),
        5 => key(1).prop_map(Op::Get),
        2 => Just(Op::StealId),
        1 => any::<bool>().prop_map(Op::Refuse),
    ];
    vec(op, 0..120)
}

/// The answer to a put: the ID, and whether the key was new.
type Put = Result<(Id, bool), AllocError>;

/// What a thread was told.
#[derive(Debug, Default)]
struct Told {
    put: Vec<(Vec<u8>, Put)>,
    got: Vec<(Vec<u8>, Id)>,
    stolen: Vec<Id>,
}

fn does(map: &TraceMap, pages: &Pages, deeds: &[Op]) -> Told {
    let held = Held::new();
    let env = Env::new(pages, &held);
    let mut told = Told::default();
    for op in deeds {
        match op {
            Op::Put(key) => told.put.push((key.bytes(), map.put(&key.bytes(), &env))),
            Op::Get(key) => {
                let got = map.get(&key.bytes()).map(|id| (key.bytes(), id));
                told.got.extend(got);
            }
            Op::StealId => told.stolen.push(map.steal_id()),
            Op::Refuse(refuses) => {
                pages.set_limit(if *refuses { 0 } else { usize::MAX });
            }
            Op::Reset => {}
        }
    }
    told
}

/// Together the threads have put what is there, each key was added by one of them
/// and has one ID, and no more IDs are wasted than inserts that another was
/// faster with.
fn they_agree(map: &TraceMap, told: &[Told]) -> Result<(), TestCaseError> {
    let mut model = HashMap::<Vec<u8>, Id>::new();
    let mut added = HashSet::new();
    let mut not_added = 0;
    for (key, put) in told.iter().flat_map(|told| &told.put) {
        match put {
            Ok((id, _)) if key.is_empty() => prop_assert_eq!(*id, Id::EMPTY),
            Ok((id, new)) => {
                let known = *model.entry(key.clone()).or_insert(*id);
                prop_assert_eq!(known, *id, "one key, two IDs");
                if *new {
                    prop_assert!(added.insert(key.clone()), "one key, added twice");
                } else {
                    not_added += 1;
                }
            }
            Err(AllocError::TooLarge) => prop_assert!(key.len() > MAX_KEY),
            Err(AllocError::NoMemory(NoMemory::Limit)) => {}
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
    prop_assert_eq!(added.len(), model.len(), "a key was added by nobody");
    prop_assert_eq!(&walked(map)?, &model);
    for (key, id) in told.iter().flat_map(|told| &told.got) {
        let expected = if key.is_empty() {
            Some(&Id::EMPTY)
        } else {
            model.get(key)
        };
        prop_assert_eq!(Some(id), expected);
    }
    for (key, id) in &model {
        prop_assert_eq!(map.get(key), Some(*id));
    }

    let stolen = told.iter().flat_map(|told| &told.stolen);
    let ids: Vec<Id> = model.values().chain(stolen).copied().collect();
    let distinct: HashSet<Id> = ids.iter().copied().collect();
    prop_assert_eq!(distinct.len(), ids.len(), "an ID was given out twice");
    let next = map.steal_id().0 as usize;
    prop_assert!(ids.iter().all(|id| (1..next).contains(&(id.0 as usize))));
    let wasted = next - 1 - ids.len();
    prop_assert!(
        wasted <= not_added,
        "{} IDs wasted, {} races lost",
        wasted,
        not_added
    );
    Ok(())
}

/// Runs each on a thread of its own.
fn on_threads<T: Sync>(those: &[T], run: impl Fn(&T) -> Told + Sync) -> Vec<Told> {
    let run = &run;
    thread::scope(|scope| {
        let threads: Vec<_> = those
            .iter()
            .map(|it| scope.spawn(move || run(it)))
            .collect();
        let told = threads.into_iter().map(|thread| thread.join());
        told.map(|told| told.expect("it ends")).collect()
    })
}

proptest! {
    #![proptest_config(config(60))]

    /// Several threads, each with deeds of its own.
    #[test]
    fn several_threads(deeds in vec(deeds(), 2..5)) {
        let pages = Pages::new(usize::MAX);
        let map = TraceMap::new(Rank::StackRegion);
        let start = Barrier::new(deeds.len());
        let told = on_threads(&deeds, |deeds| {
            start.wait();
            does(&map, &pages, deeds)
        });
        they_agree(&map, &told)?;
    }

    /// Two threads that put the same keys at the same moments, most of them long: to
    /// make a node takes longer then, and another may be faster meanwhile.
    #[test]
    fn equal_keys_at_once(keys in vec(key(60), 1..25)) {
        let pages = Pages::new(usize::MAX);
        let map = TraceMap::new(Rank::StackRegion);
        let arrived = AtomicUsize::new(0);
        let told = on_threads(&[1, 2], |_| {
            let mut told = Told::default();
            for (key, round) in keys.iter().zip(1..) {
                // AcqRel, Acquire: each comes out after both came in.
                arrived.fetch_add(1, Ordering::AcqRel);
                while arrived.load(Ordering::Acquire) < 2 * round {
                    // On one processor the other would never come.
                    thread::yield_now();
                }
                told.put.extend(does(&map, &pages, &[Op::Put(*key)]).put);
            }
            told
        });
        they_agree(&map, &told)?;
    }
}
