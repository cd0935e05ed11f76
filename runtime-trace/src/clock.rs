//! Trace time: the monotonic clock in units of 64 ns.
//!
//! The unit is Go's: a scheduler's events lie further apart than that, and the
//! difference between two events then mostly fits one byte of varint.
//!
//! Every event has a time, and asking the system for it costs more than the rest
//! of the event. So where the processor counts time by itself, at one rate and
//! alike on all cores, events are timed by its counter:
//!
//! ```text
//!  units = counter × scale ÷ 2⁶⁴ + offset          both set anew for each epoch
//!            ▲
//!  anchor ───┴── now: counter and monotonic clock read together, as long ago as
//!                they agree, give the scale; `now` alone gives the offset
//! ```
//!
//! So trace time is the monotonic clock's, but for what the rate is wrong by in
//! one generation (`docs/decisions/0008-clock.md`), and an epoch can be timed by
//! the one and the next by the other. No time orders events of different threads.
//! A thread's own times never step back, since it takes the maximum.
//!
//! All accesses are Relaxed: the mover sets an epoch's clock before it puts the
//! epoch in force, and has the rest to itself.

use core::cell::Cell;

use crate::sync::{AtomicBool, AtomicU64, Ordering, const_unless_loom};
use crate::sys;

/// Nanoseconds in a unit of trace time.
const NS_PER_UNIT: u64 = 64;

/// Units in a second, as the sync batch states them.
pub(crate) const UNITS_PER_SECOND: u64 = 1_000_000_000 / NS_PER_UNIT;

/// How far apart two readings are whose difference tells the rate, nanoseconds.
/// Either is wrong by some 20 ns, so the rate by 40 parts in a million at most,
/// and by less the older the anchor gets.
const ENOUGH_NS: u64 = 1_000_000;

/// By how much the counter and the clock may differ at a generation's end,
/// units: a millisecond. Beyond, one of them was stopped or set (as when a
/// machine sleeps), and what was learnt about their rates holds no more.
const SLIP: u64 = UNITS_PER_SECOND / 1000;

/// Now on the monotonic clock, in units.
pub(crate) fn coarse() -> u64 {
    sys::monotonic_ns() / NS_PER_UNIT
}

/// How one epoch's events are timed.
#[derive(Debug)]
pub(crate) struct Clock {
    /// Units in a tick of the counter, times 2⁶⁴; 0 if the counter is not used.
    scale: AtomicU64,
    /// Units at tick 0, modulo 2⁶⁴.
    offset: AtomicU64,
}

impl Clock {
    const_unless_loom! {
        /// The monotonic clock itself.
        pub(crate) fn new() -> Self {
            Self { scale: AtomicU64::new(0), offset: AtomicU64::new(0) }
        }
    }

    /// Now, in units.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        let rate = self.rate();
        match rate.scale {
            0 => coarse(),
            _ => rate.at(sys::counter()),
        }
    }

    #[inline]
    fn rate(&self) -> Rate {
        Rate {
            scale: self.scale.load(Ordering::Relaxed),
            offset: self.offset.load(Ordering::Relaxed),
        }
    }

    fn set(&self, rate: Rate) {
        self.scale.store(rate.scale, Ordering::Relaxed);
        self.offset.store(rate.offset, Ordering::Relaxed);
    }
}

/// A thread's clock: a copy of an epoch's, and the time of the thread's latest
/// event. What the counter says is used as it is when scaled, and the offset, which
/// is the same for all of the epoch, added only where trace time is asked for.
#[derive(Debug)]
pub(crate) struct OwnClock {
    scale: Cell<u64>,
    offset: Cell<u64>,
    /// Trace time less the offset, modulo 2⁶⁴.
    latest: Cell<u64>,
}

/// What a thread's clock says: trace time less the offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(u64);

impl Moment {
    /// None: the clock was not asked.
    pub(crate) const NONE: Self = Self(u64::MAX);
}

impl OwnClock {
    pub(crate) const fn new() -> Self {
        Self {
            scale: Cell::new(0),
            offset: Cell::new(0),
            latest: Cell::new(0),
        }
    }

    /// Goes like this clock from now on: whether [`now`](Self::now) can tell the
    /// time by it, which takes the counter.
    pub(crate) fn follow(&self, clock: &Clock) -> bool {
        let (latest, rate) = (self.latest(), clock.rate());
        self.scale.set(rate.scale);
        self.offset.set(rate.offset);
        self.set_latest(latest);
        cfg!(loom) || rate != Rate::NONE
    }

    #[cfg(not(loom))]
    #[inline(always)]
    pub(crate) fn now(&self) -> Moment {
        Moment(scaled(sys::counter(), self.scale.get()))
    }

    /// Models have no counter, and go the same ways as if they had.
    #[cfg(loom)]
    pub(crate) fn now(&self) -> Moment {
        Moment(coarse().wrapping_sub(self.offset.get()))
    }

    /// Units since the latest event. `None` if the clock has stepped back.
    #[inline(always)]
    pub(crate) fn since_latest(&self, now: Moment) -> Option<u64> {
        now.0.checked_sub(self.latest.get())
    }

    /// The latest event was then.
    #[inline(always)]
    pub(crate) fn set(&self, latest: Moment) {
        self.latest.set(latest.0);
    }

    /// Trace time of the latest event.
    pub(crate) fn latest(&self) -> u64 {
        self.time(Moment(self.latest.get()))
    }

    pub(crate) fn set_latest(&self, time: u64) {
        self.latest.set(time.wrapping_sub(self.offset.get()));
    }

    /// Trace time at a moment.
    pub(crate) fn time(&self, moment: Moment) -> u64 {
        since_zero(moment.0, self.offset.get())
    }
}

/// What a [`Clock`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    scale: u64,
    offset: u64,
}

impl Rate {
    const NONE: Self = Self {
        scale: 0,
        offset: 0,
    };

    #[inline]
    fn at(self, ticks: u64) -> u64 {
        since_zero(scaled(ticks, self.scale), self.offset)
    }

    /// The same scale, and `units` at this tick.
    fn through(self, ticks: u64, units: u64) -> Self {
        Self {
            offset: units.wrapping_sub(scaled(ticks, self.scale)),
            ..self
        }
    }
}

/// Trace time from what the counter says when scaled. 0 if that is before time 0:
/// the offset is negative where the counter runs for longer than the clock, and then
/// a counter that begins anew is earlier than anything. (No trace lasts for 2⁶³
/// units, 18,000 years.)
#[inline]
fn since_zero(scaled: u64, offset: u64) -> u64 {
    let units = scaled.wrapping_add(offset);
    if units >> 63 == 0 { units } else { 0 }
}

#[inline(always)]
fn scaled(ticks: u64, scale: u64) -> u64 {
    ((u128::from(ticks) * u128::from(scale)) >> 64) as u64
}

/// The counter and the monotonic clock at one moment.
#[derive(Clone, Copy, Debug)]
struct Reading {
    ticks: u64,
    ns: u64,
}

impl Reading {
    /// The best of several tries: the one with the least time around it.
    fn take() -> Self {
        (0..8)
            .map(|_| {
                let before = sys::counter();
                let ns = sys::monotonic_ns();
                let around = sys::counter().wrapping_sub(before);
                let ticks = before.wrapping_add(around / 2);
                (around, Self { ticks, ns })
            })
            .min_by_key(|(around, _)| *around)
            .map_or(Self { ticks: 0, ns: 0 }, |(_, reading)| reading)
    }

    /// Units in a tick since `anchor`, times 2⁶⁴; `None` if that is too short
    /// ago to tell, or no counter runs at such a rate.
    fn scale_since(self, anchor: Self) -> Option<u64> {
        let ns = self.ns.checked_sub(anchor.ns)?;
        let ticks = self.ticks.checked_sub(anchor.ticks)?;
        if ns < ENOUGH_NS || ticks == 0 {
            return None;
        }
        const { assert!(NS_PER_UNIT == 1 << 6) };
        let scale = (u128::from(ns) << (64 - 6)) / u128::from(ticks);
        // More than a tick a unit, and less than 2¹⁶.
        u64::try_from(scale).ok().filter(|scale| scale >> 48 != 0)
    }
}

/// What is known of the counter. The mover's.
#[derive(Debug)]
pub(crate) struct Timekeeper {
    /// Whether the counter is used in this file.
    counting: AtomicBool,
    anchor: Anchor,
}

#[derive(Debug)]
struct Anchor {
    ticks: AtomicU64,
    /// 0 if there is none.
    ns: AtomicU64,
}

impl Anchor {
    fn get(&self) -> Reading {
        Reading {
            ticks: self.ticks.load(Ordering::Relaxed),
            ns: self.ns.load(Ordering::Relaxed),
        }
    }

    fn set(&self, reading: Reading) {
        self.ticks.store(reading.ticks, Ordering::Relaxed);
        self.ns.store(reading.ns, Ordering::Relaxed);
    }
}

/// One moment on the three clocks that a sync batch ties together.
pub(crate) struct Snapshot {
    /// Trace time, units.
    pub(crate) trace: u64,
    /// The monotonic clock, nanoseconds.
    pub(crate) mono: u64,
    /// The wall clock: seconds since 1970, nanoseconds.
    pub(crate) wall: (u64, u32),
}

impl Timekeeper {
    const_unless_loom! {
        /// Knows nothing.
        pub(crate) fn new() -> Self {
            Self {
                counting: AtomicBool::new(false),
                anchor: Anchor { ticks: AtomicU64::new(0), ns: AtomicU64::new(0) },
            }
        }
    }

    /// A file begins: decides whether the counter is used, if it may be. Takes a
    /// millisecond the first time.
    pub(crate) fn begin(&self, may_count: bool) {
        let counting = may_count && sys::counter_is_steady();
        self.counting.store(counting, Ordering::Relaxed);
        if counting && self.anchor.get().ns == 0 {
            let anchor = Reading::take();
            self.anchor.set(anchor);
            while sys::monotonic_ns() < anchor.ns.saturating_add(ENOUGH_NS) {
                core::hint::spin_loop();
            }
        }
    }

    /// An epoch begins: sets its clock, and reads all clocks as close together
    /// as can be. `before` is the clock of the epoch before.
    pub(crate) fn open(&self, before: &Clock, clock: &Clock) -> Snapshot {
        let wall = sys::wall_clock();
        if !self.counting.load(Ordering::Relaxed) {
            clock.set(Rate::NONE);
            let mono = sys::monotonic_ns();
            return Snapshot {
                trace: mono / NS_PER_UNIT,
                mono,
                wall,
            };
        }
        let now = Reading::take();
        let mut anchor = self.anchor.get();
        let rate = next_rate(&mut anchor, before.rate(), now);
        self.anchor.set(anchor);
        clock.set(rate);
        let trace = match rate.scale {
            0 => now.ns / NS_PER_UNIT,
            _ => rate.at(now.ticks),
        };
        Snapshot {
            trace,
            mono: now.ns,
            wall,
        }
    }
}

/// The rate from `now` on. Moves the anchor if counter and clock have slipped.
fn next_rate(anchor: &mut Reading, before: Rate, now: Reading) -> Rate {
    let mut units = now.ns / NS_PER_UNIT;
    let mut scale = now.scale_since(*anchor).unwrap_or(before.scale);
    if before.scale != 0 {
        let expected = before.at(now.ticks);
        if expected.abs_diff(units) > SLIP {
            *anchor = now;
            scale = before.scale;
            // Threads that wrote later times already would stand still.
            units = units.max(expected);
        }
    }
    match scale {
        0 => Rate::NONE,
        scale => Rate { scale, offset: 0 }.through(now.ticks, units),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A counter of 2.5 GHz that began at some time.
    fn reading(ms: u64) -> Reading {
        Reading {
            ticks: 77 + ms * 2_500_000,
            ns: ms * 1_000_000,
        }
    }

    fn units(ms: u64) -> u64 {
        ms * UNITS_PER_SECOND / 1000
    }

    #[test]
    fn the_counter_follows_the_clock() {
        let mut anchor = reading(5);
        let rate = next_rate(&mut anchor, Rate::NONE, reading(7));
        for ms in [7, 8, 1007, 3_600_000] {
            assert!(rate.at(reading(ms).ticks).abs_diff(units(ms)) <= 1, "{ms}");
        }
        assert_eq!(anchor.ns, reading(5).ns);
    }

    /// A rate that was wrong by 100 parts in a million is put right after a
    /// second, and so is what came of it.
    #[test]
    fn a_wrong_rate_is_put_right() {
        let mut anchor = reading(5);
        let good = next_rate(&mut anchor, Rate::NONE, reading(7));
        let bad = Rate {
            scale: good.scale + good.scale / 10_000,
            offset: 0,
        };
        let bad = bad.through(reading(7).ticks, units(7));
        assert!(bad.at(reading(1007).ticks) > units(1007) + 1000);
        let next = next_rate(&mut anchor, bad, reading(1007));
        assert!(next.at(reading(2007).ticks).abs_diff(units(2007)) <= 1);
    }

    /// The machine slept for an hour, and one of the two went on.
    #[test]
    fn a_slip_moves_the_anchor() {
        let hour = 3_600_000;
        for (ticks, ns, expected) in [(hour, 0, units(hour + 1000)), (0, hour, units(hour + 1000))]
        {
            let mut anchor = reading(5);
            let before = next_rate(&mut anchor, Rate::NONE, reading(7));
            let now = Reading {
                ticks: reading(1000 + ticks).ticks,
                ns: reading(1000 + ns).ns,
            };
            let rate = next_rate(&mut anchor, before, now);
            assert_eq!(anchor.ns, now.ns);
            assert!(rate.at(now.ticks).abs_diff(expected) <= 1);
            assert!(rate.at(now.ticks + 2_500_000).abs_diff(expected + units(1)) <= 1);
        }
    }

    /// The counter began again at 0.
    #[test]
    fn a_counter_that_was_reset() {
        let mut anchor = reading(5000);
        let before = next_rate(&mut anchor, Rate::NONE, reading(7000));
        let now = Reading {
            ticks: 1000,
            ns: reading(8000).ns,
        };
        let rate = next_rate(&mut anchor, before, now);
        assert!(rate.at(1000).abs_diff(units(8000)) <= 1);
        assert!(rate.at(1000 + 2_500_000).abs_diff(units(8001)) <= 1);
    }

    /// The same of one that ran for an hour before the clock did: it says a time
    /// before any, which is not one after all others.
    #[test]
    fn a_counter_that_was_reset_to_before_time_began() {
        let long = |ms| Reading {
            ticks: reading(ms + 3_600_000).ticks,
            ..reading(ms)
        };
        let mut anchor = long(5000);
        let before = next_rate(&mut anchor, Rate::NONE, long(7000));
        assert!(before.at(long(7500).ticks).abs_diff(units(7500)) <= 1);
        let (clock, own) = (Clock::new(), OwnClock::new());
        clock.set(before);
        own.set_latest(units(7500));
        assert!(own.follow(&clock));
        for ticks in [0, 1000, long(0).ticks - 2_500_000] {
            assert_eq!(before.at(ticks), 0, "{ticks}");
            let moment = Moment(scaled(ticks, before.scale));
            assert_eq!(own.since_latest(moment), None, "{ticks}");
            assert_eq!(own.time(moment), 0, "{ticks}");
        }
        assert_eq!(own.latest(), units(7500));
        let now = Reading {
            ticks: 1000,
            ns: long(8000).ns,
        };
        let rate = next_rate(&mut anchor, before, now);
        assert!(rate.at(1000).abs_diff(units(8000)) <= 1);
        assert!(rate.at(1000 + 2_500_000).abs_diff(units(8001)) <= 1);
    }

    #[test]
    fn what_cannot_be_a_counter_is_not_used() {
        let mut anchor = reading(5);
        let rate = next_rate(&mut anchor, Rate::NONE, reading(5));
        assert_eq!(rate, Rate::NONE, "no time to tell");
        let now = Reading {
            ticks: anchor.ticks + 3,
            ns: reading(9).ns,
        };
        assert_eq!(next_rate(&mut anchor, Rate::NONE, now), Rate::NONE);
    }

    /// Whatever the clocks of two epochs say, a thread's latest time stays.
    #[test]
    fn a_threads_latest_time_outlives_epochs() {
        let own = OwnClock::new();
        own.set_latest(1000);
        let clock = Clock::new();
        assert!(!own.follow(&clock), "the system's");
        assert_eq!(own.latest(), 1000);
        for offset in [400, 5000, 0_u64.wrapping_sub(300), 900] {
            clock.set(Rate {
                scale: 1 << 60,
                offset,
            });
            assert!(own.follow(&clock));
            assert_eq!(own.latest(), 1000);
            let later = Moment(1100_u64.wrapping_sub(offset));
            assert_eq!(own.time(later), 1100);
            assert_eq!(own.since_latest(later), Some(100));
            let earlier = Moment(999_u64.wrapping_sub(offset));
            assert_eq!(own.since_latest(earlier), None);
        }
        own.set(Moment(7));
        assert_eq!(own.latest(), 907);
    }

    /// Whatever this machine has.
    #[test]
    fn trace_time_is_close_to_the_clock() {
        let keeper = Timekeeper::new();
        let [one, two] = [Clock::new(), Clock::new()];
        keeper.begin(true);
        keeper.open(&two, &one);
        let snapshot = keeper.open(&one, &two);
        assert!(snapshot.trace.abs_diff(snapshot.mono / NS_PER_UNIT) <= SLIP);
        let before = two.now();
        assert!(before >= snapshot.trace);
        assert!(two.now() >= before);
    }
}
