//! Models of `TraceMap`: every interleaving of racing inserts.
//!
//! Run by `cargo xtask loom`; without `--cfg loom` this file is empty. The
//! key's bytes are behind a tracked cell, so a key that could be read before it
//! is written is an error of the model.

#![cfg(loom)]

use std::sync::Arc;

use runtime_trace::lock::{Held, Rank};
use runtime_trace::map::{Id, TraceMap};
use runtime_trace::pages::{Env, Pages};

struct Table {
    map: TraceMap,
    pages: Pages,
}

fn table() -> Arc<Table> {
    Arc::new(Table {
        map: TraceMap::new(Rank::StackRegion),
        pages: Pages::new(usize::MAX),
    })
}

impl Table {
    fn put(&self, key: &[u8]) -> (Id, bool) {
        let held = Held::new();
        let env = Env::new(&self.pages, &held);
        self.map.put(key, &env).expect("no limit is set")
    }

    fn put_with_hash(&self, key: &[u8], hash: u64) -> (Id, bool) {
        let held = Held::new();
        let env = Env::new(&self.pages, &held);
        self.map
            .put_with_hash(key, hash, &env)
            .expect("no limit is set")
    }

    fn keys(&self) -> Vec<(u64, Vec<u8>)> {
        let mut keys = Vec::new();
        self.map.for_each(|id, key| keys.push((id.0, key.to_vec())));
        keys.sort_unstable();
        keys
    }
}

/// Runs `one` beside `two` in every interleaving, then `check`.
fn race<A, B>(
    one: impl Fn(&Table) -> A + Clone + Send + Sync + 'static,
    two: impl Fn(&Table) -> B + Clone + Send + Sync + 'static,
    check: impl Fn(&Table, A, B) + Send + Sync + 'static,
) where
    A: 'static,
    B: 'static,
{
    loom::model(move || {
        let table = table();
        let other = loom::thread::spawn({
            let (table, one) = (table.clone(), one.clone());
            move || one(&table)
        });
        let two = two(&table);
        let one = other.join().unwrap();
        check(&table, one, two);
    });
}

/// The same key from two threads: one ID, added once, one ID wasted at most.
#[test]
fn equal_keys() {
    race(
        |table| table.put(b"key"),
        |table| table.put(b"key"),
        |table, one, two| {
            assert_eq!(one.0, two.0);
            assert!(one.1 != two.1, "added by both or by none");
            assert!(one.0.0 <= 2);
            assert_eq!(table.keys(), [(one.0.0, b"key".to_vec())]);
        },
    );
}

/// Different keys that race for the same slot: both land.
#[test]
fn different_keys_on_one_slot() {
    race(
        |table| table.put_with_hash(b"one", 0),
        |table| table.put_with_hash(b"two", 1 << 62),
        |table, one, two| {
            assert!(one.1 && two.1);
            assert_eq!(one.0.0 + two.0.0, 3);
            assert_eq!(table.put_with_hash(b"one", 0), (one.0, false));
            assert_eq!(table.put_with_hash(b"two", 1 << 62), (two.0, false));
        },
    );
}

/// Equal hashes: the path is a list, and both still land.
#[test]
fn equal_hashes() {
    race(
        |table| table.put_with_hash(b"one", 5),
        |table| table.put_with_hash(b"two", 5),
        |table, one, two| {
            assert!(one.1 && two.1 && one.0 != two.0);
            assert_eq!(table.keys().len(), 2);
            assert_eq!(table.put_with_hash(b"one", 5), (one.0, false));
        },
    );
}

/// A key that both want, behind one that only one of them wants.
#[test]
fn equal_keys_behind_another() {
    race(
        |table| {
            table.put_with_hash(b"one", 0);
            table.put_with_hash(b"key", 0)
        },
        |table| table.put_with_hash(b"key", 0),
        |table, one, two| {
            assert_eq!(one.0, two.0);
            assert!(one.1 != two.1);
            assert_eq!(table.keys().len(), 2);
        },
    );
}

/// A reader beside an insert finds nothing or the whole key.
#[test]
fn get_beside_put() {
    race(
        // The reader is the spawned thread: loom runs the other first, and then
        // explores both what is there by then and what was there before.
        |table| table.map.get(b"key"),
        |table| table.put(b"key"),
        |table, got, put| {
            assert_eq!(put, (Id(1), true));
            assert!(got.is_none() || got == Some(Id(1)));
            assert_eq!(table.map.get(b"key"), Some(Id(1)));
        },
    );
}

/// A walk beside two inserts, one below the other, visits a key whole or not
/// at all.
#[test]
fn walk_beside_puts() {
    race(
        |table| table.keys(),
        |table| {
            [
                table.put_with_hash(b"one", 0),
                table.put_with_hash(b"two", 0),
            ]
        },
        |table, walked, _| {
            let all = [(1, b"one".to_vec()), (2, b"two".to_vec())];
            assert!(all.starts_with(&walked), "{walked:?}");
            assert_eq!(table.keys(), all);
        },
    );
}

/// A stolen ID is nobody's.
#[test]
fn steal_beside_put() {
    race(
        |table| table.put(b"key").0,
        |table| table.map.steal_id(),
        |_, put, stolen| assert_eq!(put.0 + stolen.0, 3),
    );
}

/// After the threads are gone a reset gives all back, and IDs start over.
#[test]
fn reset_after_quiescence() {
    race(
        |table| table.put(b"one").1,
        |table| table.put(b"two").1,
        |table, one, two| {
            assert!(one && two);
            let held = Held::new();
            let env = Env::new(&table.pages, &held);
            // SAFETY: the other thread has been joined.
            unsafe { table.map.reset(&env) };
            table.pages.unmap_kept();
            assert_eq!(table.pages.mapped(), 0);
            assert_eq!(table.put(b"two"), (Id(1), true));
        },
    );
}
