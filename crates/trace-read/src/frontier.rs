//! Which worker's next event is the earliest.
//!
//! A binary heap, of the plain textbook kind that Go's reader has as well: events
//! of the same time then come in the same order from both.

/// The cursors that have a next event, by its time.
#[derive(Debug, Default)]
pub(crate) struct Frontier(Vec<Entry>);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub time: i64,
    /// The cursor, by its number.
    pub cursor: u32,
}

impl Frontier {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The earliest.
    #[inline(always)]
    pub fn first(&self) -> Option<Entry> {
        self.0.first().copied()
    }

    /// All of them, in no order that means anything.
    pub fn all(&self) -> &[Entry] {
        &self.0
    }

    /// The entry at this position of the heap, or of the order of times after
    /// [`sort`](Self::sort).
    pub fn get(&self, at: usize) -> Option<Entry> {
        self.0.get(at).copied()
    }

    /// Up to which time the first one stays the first, if it is given a later one.
    #[inline(always)]
    pub fn limit(&self) -> i64 {
        match self.0.as_slice() {
            [_, left, right, ..] => left.time.min(right.time),
            [_, left] => left.time,
            _ => i64::MAX,
        }
    }

    /// Adds a cursor.
    pub fn push(&mut self, entry: Entry) {
        self.0.push(entry);
        self.up(self.0.len() - 1);
    }

    /// Gives the first entry a new time. Mostly it stays the first one.
    #[inline(always)]
    pub fn update_first(&mut self, time: i64) {
        match self.0.as_mut_slice() {
            [first, left, right, ..] => {
                first.time = time;
                if time > left.time || time > right.time {
                    self.down(0);
                }
            }
            [first, left] => {
                first.time = time;
                if time > left.time {
                    std::mem::swap(first, left);
                }
            }
            [first] => first.time = time,
            [] => {}
        }
    }

    /// Gives the entry at `at` a new time.
    pub fn update(&mut self, at: usize, time: i64) {
        self.0[at].time = time;
        if self.up(at) == at {
            self.down(at);
        }
    }

    /// Removes the entry at `at`.
    pub fn remove(&mut self, mut at: usize) {
        while at > 0 {
            let parent = (at - 1) / 2;
            self.0.swap(parent, at);
            at = parent;
        }
        self.0.swap_remove(0);
        self.down(0);
    }

    /// Puts all entries in the order of their times. They are still a heap.
    pub fn sort(&mut self) {
        self.0.sort_by_key(|entry| entry.time);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn up(&mut self, mut at: usize) -> usize {
        while at > 0 {
            let parent = (at - 1) / 2;
            if self.0[parent].time <= self.0[at].time {
                break;
            }
            self.0.swap(parent, at);
            at = parent;
        }
        at
    }

    fn down(&mut self, mut at: usize) {
        let Some(&entry) = self.0.get(at) else { return };
        loop {
            let mut child = 2 * at + 1;
            let Some(mut least) = self.get(child) else {
                break;
            };
            if let Some(right) = self.get(child + 1)
                && right.time < least.time
            {
                least = right;
                child += 1;
            }
            if least.time >= entry.time {
                break;
            }
            self.0[at] = least;
            at = child;
        }
        self.0[at] = entry;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(times: &[i64]) -> Frontier {
        let mut frontier = Frontier::default();
        for (at, &time) in times.iter().enumerate() {
            let cursor = at as u32;
            frontier.push(Entry { time, cursor });
        }
        frontier
    }

    fn emptied(mut frontier: Frontier) -> Vec<i64> {
        let mut times = Vec::new();
        while let Some(entry) = frontier.first() {
            times.push(entry.time);
            frontier.remove(0);
        }
        times
    }

    #[test]
    fn comes_out_in_order() {
        let times = [5, -3, 9, 5, 0, i64::MAX, 2, i64::MIN, 7, 7];
        let mut sorted = times;
        sorted.sort_unstable();
        assert_eq!(emptied(filled(&times)), sorted);
        for at in 0..times.len() {
            let mut frontier = filled(&times);
            let gone = frontier.get(at).unwrap().time;
            frontier.remove(at);
            let mut left = sorted.to_vec();
            left.remove(left.iter().position(|&time| time == gone).unwrap());
            assert_eq!(emptied(frontier), left, "without the one at {at}");

            for time in -5..10 {
                let mut rotated = times;
                rotated.rotate_left(at);
                let mut frontier = filled(&rotated);
                // The least is gone.
                frontier.update_first(time);
                let mut changed = sorted[1..].to_vec();
                changed.push(time);
                changed.sort_unstable();
                assert_eq!(emptied(frontier), changed, "the first is {time}");
            }

            for time in [-4, 6, 100] {
                let mut frontier = filled(&times);
                frontier.sort();
                frontier.update(at, time);
                let mut changed = sorted.to_vec();
                changed[at] = time;
                changed.sort_unstable();
                assert_eq!(emptied(frontier), changed, "the one at {at} is {time}");
            }
        }
    }
}
