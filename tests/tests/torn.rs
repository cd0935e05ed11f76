//! Traces that were cut anywhere: `check` calls sound only what holds a whole
//! generation and no part of another, and only of what was recorded to its end
//! does it keep from saying that it may have been cut.

use std::io::Cursor;

use e2e::kept::pump;
use e2e::lone::{Lone, Silent};
use runtime_trace::{Config, ProcTrace, TaskTrace, Tracer, Version};
use trace_format::end::End;
use trace_read::raw::{Item, RawReader};
use trace_tools::check::Check;

/// A trace of a few generations, and where each of them ends.
fn recorded(version: Version, generations: usize) -> (Vec<u8>, Vec<usize>) {
    let (tracer, proc, task) = (Tracer::new(), ProcTrace::new(0), TaskTrace::new(1));
    let mut config = Config::new(1);
    config.version = version;
    tracer.start(&config, &Silent).expect("it starts");
    let mut reader = tracer.reader().expect("nobody else reads");
    let mut file = Vec::new();
    let lone = Lone::new(&tracer, &proc, &task);
    lone.begins();
    for _ in 1..generations {
        lone.logs("a message");
        lone.checkpoint();
        pump(&mut reader, &mut file);
        tracer.advance(&Silent).expect("it advances");
        lone.checkpoint();
    }
    lone.ends();
    tracer.stop(&Silent).expect("it stops");
    assert!(pump(&mut reader, &mut file), "it has an end");

    let mut raw = RawReader::new(&file[..]).expect("a trace");
    let (mut ends, mut end) = (Vec::new(), 0);
    while let Some(item) = raw.next_item().expect("it is whole") {
        if let Item::Batch(batch) = item {
            // Counted from 1.
            let begun = batch.head().header.generation as usize;
            if begun > ends.len() + 1 {
                ends.push(end);
            }
        }
        end = raw.offset() as usize;
    }
    ends.push(end);
    assert_eq!((ends.len(), end), (generations, file.len()));
    (file, ends)
}

fn check(bytes: &[u8]) -> Check {
    let bytes = Cursor::new(bytes.to_vec());
    Check::of(Box::new(bytes)).expect("checking does not fail")
}

#[test]
fn only_what_ends_as_it_says_is_ok() {
    for (version, generations) in [
        (Version::Go126, 1),
        (Version::Go126, 3),
        (Version::Go125, 3),
    ] {
        let (file, ends) = recorded(version, generations);
        for len in 0..file.len() {
            let check = check(&file[..len]);
            let what = format!("{version}, {len} of {ends:?}: {check:?}");
            // Before 1.26 no mark says that a generation is whole.
            if version == Version::Go126 || ends.contains(&len) {
                assert_eq!(check.passed(), ends.contains(&len), "{what}");
            }
            match check.passed() {
                true => {
                    assert_eq!(check.end, None, "{what}");
                    assert!(check.notes()[0].contains("may have been cut"), "{what}");
                }
                false => assert_eq!(check.findings().len(), 1, "{what}"),
            }
        }
        let whole = check(&file);
        assert_eq!(whole.end, Some(End::Stopped));
        assert!(whole.passed() && whole.notes().is_empty(), "{whole:?}");
    }
}
