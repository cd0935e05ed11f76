//! bumpalo, as a peer of the tracer's region.

use bumpalo::Bump;

use crate::case::{BenchError, Case, Ran};
use crate::region::Workload;

/// bumpalo cannot be shared, so every thread has its own, made anew each round.
pub(super) struct OnePerThread(pub(super) Workload);

impl Case for OnePerThread {
    fn run(&mut self, operations: u64) -> Result<Ran, BenchError> {
        let workload = &self.0;
        let work = |count| {
            let bump = Bump::new();
            // The layout is right by construction: 8 is a power of two, and
            // sizes are small.
            let layout = std::alloc::Layout::from_size_align(workload.size, 8);
            if let Ok(layout) = layout {
                for _ in 0..count {
                    workload.use_it(bump.alloc_layout(layout).as_ptr());
                }
            }
        };
        Ok(workload.run(operations, work, || {}))
    }
}
