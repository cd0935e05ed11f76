//! Reading and building the next generation on a thread of its own.

use std::io::Read;
use std::panic;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

use crate::error::{Place, ReadError};
use crate::generation::{Generation, Generations};
use crate::reader::{Allow, Reader, Source};

impl<R: Read + Send + 'static> Reader<R> {
    /// As [`new`](Self::new), but a thread reads and builds the next generation
    /// while the events of this one are asked for. Two generations are in memory
    /// then.
    ///
    /// The thread ends with the file or, after the next generation, with the
    /// reader.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and [`ReadError::Io`] if there can be no thread.
    pub fn ahead(input: R) -> Result<Self, ReadError> {
        Self::ahead_within(input, || true)
    }

    /// As [`ahead`](Self::ahead), as long as `allow` says that there is memory: see
    /// [`within`](Self::within).
    ///
    /// # Errors
    ///
    /// As [`ahead`](Self::ahead).
    pub fn ahead_within(input: R, allow: Allow) -> Result<Self, ReadError> {
        let generations = Generations::within(input, allow)?;
        let (version, offset) = (generations.version(), generations.offset());
        let source = Source::Ahead(Ahead::start(generations).map_err(|error| {
            let at = Place {
                offset,
                ..Place::default()
            };
            ReadError::Io { at, error }
        })?);
        Ok(Self::with_source(source, version, offset))
    }
}

/// A thread that is one generation ahead.
#[derive(Debug)]
pub(super) struct Ahead {
    /// Generations, and at the end of the file none.
    built: Receiver<Option<Box<Generation>>>,
    spent: Sender<Box<Generation>>,
    thread: Option<JoinHandle<()>>,
}

impl Ahead {
    fn start<R: Read + Send + 'static>(generations: Generations<R>) -> std::io::Result<Self> {
        // Without room in between: the thread waits with what it has built.
        let (to_reader, built) = sync_channel(0);
        let (spent, from_reader) = channel();
        let thread = Builder::new()
            .name("trace-read".to_owned())
            .spawn(move || build(generations, &to_reader, &from_reader))?;
        Ok(Self {
            built,
            spent,
            thread: Some(thread),
        })
    }

    /// Waits for the next generation.
    ///
    /// # Panics
    ///
    /// If reading the input panicked.
    pub fn next(&mut self, spent: Option<Box<Generation>>) -> Option<Box<Generation>> {
        if let Some(spent) = spent {
            // At the end there is nobody to take it.
            let _ = self.spent.send(spent);
        }
        if let Ok(next) = self.built.recv() {
            return next;
        }
        if let Some(Err(panicked)) = self.thread.take().map(JoinHandle::join) {
            panic::resume_unwind(panicked);
        }
        None
    }
}

/// What the thread does: it builds generations until nobody wants them.
fn build<R: Read>(
    mut generations: Generations<R>,
    to_reader: &SyncSender<Option<Box<Generation>>>,
    from_reader: &Receiver<Box<Generation>>,
) {
    loop {
        let next = generations.read(from_reader.try_recv().ok());
        let ends = match &next {
            Some(generation) => generation.broken.is_some(),
            None => true,
        };
        if to_reader.send(next).is_err() || ends {
            return;
        }
    }
}
