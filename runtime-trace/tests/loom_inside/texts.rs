//! The string table: an ID stands for its string in the file.

use std::collections::BTreeMap;
use std::sync::Arc;

use loom::sync::atomic::{AtomicU64, Ordering};

use super::output::{Output, Piece, Reading, defined, endless, enter};
use crate::lock::Held;
use crate::map::Id;
use crate::pages::{BLOCK_SIZE, NoMemory, Pages};
use crate::strings::StringTable;
use crate::thread::Threads;

struct Texts {
    table: StringTable,
    output: Output,
}

fn texts() -> Arc<Texts> {
    Arc::new(Texts {
        table: StringTable::new(),
        output: Output::new(),
    })
}

impl Texts {
    fn put(&self, text: &str) -> Result<Id, NoMemory> {
        let held = Held::new();
        self.table.put(text, &self.output.out(1, &held))
    }

    /// What the file defines, once nobody adds to the table any more.
    fn file(&self) -> BTreeMap<u64, String> {
        let held = Held::new();
        self.table.flush(&self.output.out(1, &held));
        self.output.complete(1, true);
        // SAFETY: nobody uses the table any more.
        unsafe { self.table.reset(&self.output.env(&held)) };
        let mut strings = BTreeMap::new();
        for piece in Reading::default().finish(&self.output) {
            if let Piece::Batch(_, _, bytes) = piece {
                defined(&bytes, &mut strings);
            }
        }
        strings
    }
}

/// The same text from two threads: one ID, written once.
#[test]
fn equal_texts() {
    loom::model(|| {
        let texts = texts();
        let other = loom::thread::spawn({
            let texts = texts.clone();
            move || texts.put("text").unwrap()
        });
        let one = texts.put("text").unwrap();
        let two = other.join().unwrap();
        assert_eq!(one, two);
        assert_eq!(texts.file(), [(one.0, "text".to_owned())].into());
    });
}

/// Different texts, of which one is not kept: each under an ID of its own.
#[test]
fn different_texts() {
    loom::model(|| {
        let texts = texts();
        let other = loom::thread::spawn({
            let texts = texts.clone();
            move || {
                let held = Held::new();
                let out = texts.output.out(1, &held);
                texts.table.emit("same", &out).unwrap()
            }
        });
        let kept = texts.put("same").unwrap();
        let once = other.join().unwrap();
        assert_ne!(kept, once);
        assert_eq!(texts.put("same"), Ok(kept));
        let same = || "same".to_owned();
        assert_eq!(texts.file(), [(kept.0, same()), (once.0, same())].into());
    });
}

/// Memory runs out while two threads add texts that need a batch each: whoever
/// gets an ID, even from a call that only finds it, finds its text in the file.
#[test]
fn memory_runs_out() {
    loom::model(|| {
        // Each takes most of a block, in the map and in a batch.
        let long = |c: &str| c.repeat(300);
        let texts = Arc::new(Texts {
            table: StringTable::new(),
            output: Output {
                pages: Pages::new(3 * BLOCK_SIZE),
                ..Output::new()
            },
        });
        let other = loom::thread::spawn({
            let (texts, text) = (texts.clone(), long("b"));
            move || [texts.put(&text), texts.put(&text)]
        });
        let first = texts.put(&long("a"));
        let seconds = other.join().unwrap();
        let third = texts.put(&long("b"));
        let given: Vec<_> = [first]
            .into_iter()
            .flatten()
            .map(|id| (id.0, long("a")))
            .chain(
                seconds
                    .into_iter()
                    .chain([third])
                    .flatten()
                    .map(|id| (id.0, long("b"))),
            )
            .collect();
        assert!(given.len() < 4, "the limit was not reached");
        let file = texts.file();
        for (id, text) in given {
            assert_eq!(file.get(&id), Some(&text), "{file:?}");
        }
    });
}

/// Two threads use the ID of one text in the same generation, one of them
/// without having written it, while the generation ends: the file has the text
/// before the generation's mark.
#[test]
fn an_id_stands_in_the_file_of_its_generation() {
    loom::model(|| {
        struct Tracer {
            texts: Arc<Texts>,
            threads: Threads,
            epoch: AtomicU64,
        }
        let tracer = Arc::new(Tracer {
            texts: texts(),
            threads: Threads::new(),
            epoch: AtomicU64::new(1),
        });
        let worker = || {
            let tracer = tracer.clone();
            loom::thread::spawn(move || {
                let held = Held::new();
                let env = tracer.texts.output.env(&held);
                let slot = tracer.threads.claim(&env).unwrap();
                let epoch = enter(slot, &tracer.epoch, |_| {})?;
                assert_eq!(epoch, 1);
                let id = tracer.texts.put("text").unwrap();
                slot.leave();
                Some(id)
            })
        };
        let workers = [worker(), worker()];
        // Relaxed: ordered by the fence in `settle`, as where tracing stops.
        tracer.epoch.store(0, Ordering::Relaxed);
        assert!(tracer.threads.settle(1, &mut endless(), |_| {}));
        let file = {
            let held = Held::new();
            let texts = &tracer.texts;
            texts.table.flush(&texts.output.out(1, &held));
            texts.output.complete(1, true);
            let mut strings = BTreeMap::new();
            let mut reading = Reading::default();
            while reading.pull(&texts.output) {}
            for piece in reading.pieces {
                if let Piece::Batch(_, _, bytes) = piece {
                    defined(&bytes, &mut strings);
                }
            }
            strings
        };
        for worker in workers {
            if let Some(id) = worker.join().unwrap() {
                assert_eq!(file.get(&id.0).map(String::as_str), Some("text"));
            }
        }
    });
}
