//! The queue of full and empty batches.

use std::sync::Arc;

use super::output::{Output, Piece, Reading, created};
use crate::pages::BLOCK_SIZE;

/// The tasks that each thread's batches create, in the order of the file.
fn by_thread(pieces: &[Piece], thread: u64) -> Vec<u64> {
    let batches = pieces.iter().filter_map(|piece| match piece {
        Piece::Batch(_, by, bytes) if *by == thread => Some(created(bytes)),
        _ => None,
    });
    batches.flatten().collect()
}

/// Two writers and a reader: every batch comes out once and whole, those of one
/// thread in its order, and all memory is given back.
#[test]
fn two_writers_and_a_reader() {
    loom::model(|| {
        let output = Arc::new(Output::new());
        let writer = |thread: u64, ids: &'static [u64]| {
            let output = output.clone();
            loom::thread::spawn(move || ids.iter().for_each(|&id| output.push(1, thread, id)))
        };
        let writers = [writer(1, &[11, 12]), writer(2, &[21])];
        let mut reading = Reading::default();
        for _ in 0..2 {
            reading.pull(&output);
        }
        for writer in writers {
            writer.join().unwrap();
        }
        output.complete(1, true);
        let pieces = reading.finish(&output);
        assert_eq!(pieces.first(), Some(&Piece::Header));
        assert_eq!(pieces.last(), Some(&Piece::EndOfGeneration));
        assert_eq!(pieces.len(), 5);
        assert_eq!(by_thread(&pieces, 1), [11, 12]);
        assert_eq!(by_thread(&pieces, 2), [21]);
    });
}

/// A batch that the reader gives back is written again, while the reader looks
/// at the next: never at the same one.
#[test]
fn an_empty_batch_comes_back() {
    loom::model(|| {
        let output = Arc::new(Output::new());
        output.push(1, 1, 11);
        let writer = loom::thread::spawn({
            let output = output.clone();
            move || {
                output.push(1, 1, 12);
                output.push(1, 1, 13);
            }
        });
        let mut reading = Reading::default();
        for _ in 0..3 {
            reading.pull(&output);
        }
        writer.join().unwrap();
        assert!(output.pages.mapped() <= 3 * BLOCK_SIZE);
        output.complete(1, true);
        assert_eq!(by_thread(&reading.finish(&output), 1), [11, 12, 13]);
    });
}

/// The mark behind a generation is read after all of its batches and before any
/// of the next, whenever the reader looks.
#[test]
fn the_mark_comes_last() {
    loom::model(|| {
        let output = Arc::new(Output::new());
        let writer = loom::thread::spawn({
            let output = output.clone();
            move || {
                output.push(1, 1, 11);
                output.push(2, 1, 21);
                output.complete(1, false);
                output.complete(2, true);
            }
        });
        let mut reading = Reading::default();
        for _ in 0..4 {
            reading.pull(&output);
        }
        writer.join().unwrap();
        let pieces = reading.finish(&output);
        let generations: Vec<_> = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Header => 0,
                Piece::Batch(generation, ..) => *generation,
                Piece::EndOfGeneration => u64::MAX,
            })
            .collect();
        assert_eq!(generations, [0, 1, u64::MAX, 2, u64::MAX]);
    });
}
