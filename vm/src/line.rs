//! A queue from which anybody may leave.
//!
//! Entries come out in the order in which they went in, but one can also be
//! taken out of the middle, by the number it got. That leaves a gap, which costs
//! nothing but its place: gaps at the front go when they get there, and once
//! half of the queue is gaps they all go. So each operation takes constant time
//! in the long run, apart from the binary search for a number.

use std::collections::VecDeque;

/// First in, first out, unless one leaves earlier.
pub(crate) struct Line<T> {
    /// By number, ascending; `None` for whoever has left.
    entries: VecDeque<(u64, Option<T>)>,
    /// The number of the next entry.
    next: u64,
    gaps: usize,
}

impl<T> Line<T> {
    pub(crate) const fn new() -> Self {
        Line {
            entries: VecDeque::new(),
            next: 0,
            gaps: 0,
        }
    }

    /// Adds an entry at the end; gives its number.
    #[inline]
    pub(crate) fn push(&mut self, entry: T) -> u64 {
        let number = self.next;
        self.next += 1;
        self.entries.push_back((number, Some(entry)));
        number
    }

    /// Takes out the first entry.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        while let Some((_, entry)) = self.entries.pop_front() {
            if entry.is_some() {
                return entry;
            }
            self.gaps -= 1;
        }
        None
    }

    /// Takes out the entry of this number, if it is there still.
    pub(crate) fn remove(&mut self, number: u64) -> Option<T> {
        let at = self
            .entries
            .binary_search_by_key(&number, |&(number, _)| number)
            .ok()?;
        let entry = self.entries[at].1.take()?;
        self.gaps += 1;
        if self.gaps * 2 >= self.entries.len() {
            self.entries.retain(|(_, entry)| entry.is_some());
            self.gaps = 0;
        }
        Some(entry)
    }

    /// Takes out all entries, in their order.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.gaps = 0;
        std::mem::take(&mut self.entries)
            .into_iter()
            .filter_map(|(_, entry)| entry)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn entries_leave_from_anywhere_and_the_rest_keep_their_order() {
        let mut line = Line::new();
        let numbers: Vec<u64> = (0..10).map(|i| line.push(i)).collect();
        for i in [3, 0, 9, 4] {
            assert_eq!(line.remove(numbers[i]), Some(i));
            assert_eq!(line.remove(numbers[i]), None, "it has left");
        }
        assert_eq!(
            (line.pop(), line.pop(), line.pop()),
            (Some(1), Some(2), Some(5))
        );
        assert_eq!(line.remove(numbers[1]), None, "it has been served");
        let last = line.push(10);
        assert_eq!(line.take_all().collect::<Vec<_>>(), [6, 7, 8, 10]);
        assert_eq!((line.remove(last), line.pop()), (None, None));
        line.push(11);
        assert_eq!(line.pop(), Some(11));
    }

    #[test]
    fn a_line_that_is_left_in_any_order_ends_up_empty() {
        for step in [1, 3, 7, 501] {
            let mut line = Line::new();
            let numbers: Vec<u64> = (0..1000).map(|i| line.push(i)).collect();
            for i in 0..1000 {
                let at = i * step % 1000;
                assert_eq!(line.remove(numbers[at]), Some(at));
                let left = 1000 - i - 1;
                assert!(line.entries.len() <= 2 * left + 1, "gaps go in time");
            }
            assert_eq!(line.pop(), None);
        }
    }
}
