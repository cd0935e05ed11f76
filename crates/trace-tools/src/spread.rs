//! How long many things took: how many, in all, on average, the longest, and
//! how long 99 of 100 took at most.
//!
//! The last of these comes from a histogram. Durations up to 64 ns have a
//! bucket each; beyond, every doubling has 32 buckets of equal width. A
//! percentile is the middle of its bucket, so it is wrong by at most one part in
//! [`ERROR`], and memory depends on how far durations lie apart, not on how many
//! there are.

/// Buckets to a doubling.
const PARTS: u64 = 1 << PART_BITS;

/// The binary logarithm of [`PARTS`].
const PART_BITS: u32 = 5;

/// Durations below have a bucket of their own.
const EXACT: u64 = 2 * PARTS;

/// A percentile is wrong by at most this part of itself: half a bucket's width.
pub const ERROR: u64 = 2 * PARTS;

/// Durations, gathered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    count: u64,
    total: u64,
    min: u64,
    max: u64,
    /// How many durations are in each bucket that has any, by bucket.
    buckets: Vec<(u16, u64)>,
}

impl Spread {
    /// Adds a duration, nanoseconds.
    pub fn add(&mut self, duration: u64) {
        self.add_bucket(bucket(duration), 1);
        self.min = match self.count {
            0 => duration,
            _ => self.min.min(duration),
        };
        self.max = self.max.max(duration);
        self.total = self.total.saturating_add(duration);
        self.count += 1;
    }

    /// Adds all durations of another one.
    pub fn merge(&mut self, other: &Spread) {
        for &(bucket, count) in &other.buckets {
            self.add_bucket(bucket, count);
        }
        self.min = match (self.count, other.count) {
            (0, _) => other.min,
            (_, 0) => self.min,
            _ => self.min.min(other.min),
        };
        self.max = self.max.max(other.max);
        self.total = self.total.saturating_add(other.total);
        self.count += other.count;
    }

    fn add_bucket(&mut self, bucket: u16, count: u64) {
        match self.buckets.binary_search_by_key(&bucket, |&(at, _)| at) {
            Ok(at) => self.buckets[at].1 += count,
            Err(at) => self.buckets.insert(at, (bucket, count)),
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum, nanoseconds.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The longest, nanoseconds; 0 if there is none.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// Their mean, whole nanoseconds; 0 if there is none.
    pub fn mean(&self) -> u64 {
        self.total.checked_div(self.count).unwrap_or(0)
    }

    /// How long 99 of 100 took at most, within one part in [`ERROR`],
    /// nanoseconds; 0 if there is none.
    pub fn p99(&self) -> u64 {
        self.percentile(99)
    }

    /// The smallest duration that so many percent do not exceed.
    fn percentile(&self, percent: u64) -> u64 {
        let rank = (u128::from(self.count) * u128::from(percent)).div_ceil(100);
        let mut seen = 0;
        for &(bucket, count) in &self.buckets {
            seen += u128::from(count);
            if seen >= rank {
                return middle(bucket).clamp(self.min, self.max);
            }
        }
        self.max
    }
}

/// The bucket that a duration belongs to.
fn bucket(duration: u64) -> u16 {
    if duration < EXACT {
        return duration as u16;
    }
    let doubling = duration.ilog2() - (PART_BITS + 1);
    let part = (duration >> (doubling + 1)) - PARTS;
    (EXACT + u64::from(doubling) * PARTS + part) as u16
}

/// The duration in the middle of a bucket.
fn middle(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    if bucket < EXACT {
        return bucket;
    }
    let (doubling, part) = ((bucket - EXACT) / PARTS, (bucket - EXACT) % PARTS);
    ((PARTS + part) << (doubling + 1)) + (1 << doubling)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other() {
        let powers = (0..64).map(|shift| 1u64 << shift);
        let mut durations: Vec<u64> = powers
            .flat_map(|power| [power - 1, power, power + power / 3, power + power / 2])
            .chain([u64::MAX])
            .collect();
        durations.sort_unstable();
        let mut last = 0;
        for duration in durations {
            let at = bucket(duration);
            assert!(at >= last, "{duration}");
            last = at;
            let wrong = middle(at).abs_diff(duration);
            assert!(wrong <= duration / ERROR, "{duration}: {}", middle(at));
        }
        let all = bucket(u64::MAX);
        for at in 0..=all {
            assert_eq!(bucket(middle(at)), at);
        }
    }

    #[test]
    fn against_a_sorted_list() {
        let mut number = 1u64;
        let mut next = || {
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            ((number >> 33) * (number >> 40)) >> (number >> 59)
        };
        for count in [1, 2, 99, 100, 101, 5_000] {
            let mut list: Vec<u64> = (0..count).map(|_| next()).collect();
            let mut spread = Spread::default();
            let (mut front, mut back) = (Spread::default(), Spread::default());
            for (at, &duration) in list.iter().enumerate() {
                spread.add(duration);
                match at % 3 {
                    0 => front.add(duration),
                    _ => back.add(duration),
                }
            }
            front.merge(&back);
            assert_eq!(front, spread);
            list.sort_unstable();
            let total: u64 = list.iter().sum();
            assert_eq!(spread.total(), total);
            assert_eq!(spread.mean(), total / list.len() as u64);
            assert_eq!(spread.max(), list[list.len() - 1]);
            let exact = list[(list.len() * 99).div_ceil(100) - 1];
            let wrong = spread.p99().abs_diff(exact);
            assert!(wrong <= exact / ERROR, "{} for {exact}", spread.p99());
        }
    }

    #[test]
    fn nothing_and_too_much() {
        let mut spread = Spread::default();
        assert_eq!((spread.mean(), spread.p99(), spread.max()), (0, 0, 0));
        spread.merge(&Spread::default());
        assert_eq!(spread, Spread::default());
        spread.add(u64::MAX);
        spread.add(u64::MAX);
        assert_eq!((spread.count(), spread.total()), (2, u64::MAX));
        assert_eq!(spread.p99(), u64::MAX);
    }
}
