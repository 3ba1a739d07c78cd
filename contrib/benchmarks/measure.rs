//! Samples of a time, their median and their 95th percentile.
//!
//! Never here: what is measured, and what it should be.

use std::time::{Duration, Instant};

/// Times of one thing, in milliseconds, in the order they were taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// Runs `act` and keeps how long it took.
    pub(crate) fn time<T>(&mut self, act: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let result = act();
        self.add(begin.elapsed());
        result
    }

    /// Keeps a time.
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64() * 1_000.0);
    }

    /// Keeps how much later `now` was than `then`, in milliseconds: less than nothing when it was earlier.
    pub(crate) fn add_between(&mut self, then: Instant, now: Instant) {
        let later = now.saturating_duration_since(then).as_secs_f64();
        let earlier = then.saturating_duration_since(now).as_secs_f64();
        self.0.push((later - earlier) * 1_000.0);
    }

    /// What these took more than `others`, sample by sample: they were taken in turns.
    pub(crate) fn more_than(&self, others: &Self) -> Self {
        Self(self.0.iter().zip(&others.0).map(|(mine, theirs)| mine - theirs).collect())
    }

    /// What these took together with `others`, sample by sample.
    pub(crate) fn together(&self, others: &Self) -> Self {
        Self(self.0.iter().zip(&others.0).map(|(mine, theirs)| mine + theirs).collect())
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The middle one, or the mean of the two in the middle; not a number when there are none.
    pub(crate) fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            even if even % 2 == 0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        }
    }

    /// The smallest that at least 95 of 100 do not exceed; not a number when there are none.
    pub(crate) fn p95(&self) -> f64 {
        let sorted = self.sorted();
        let rank = (sorted.len() * 95).div_ceil(100);
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }

    /// The smallest that at least 99 of 100 do not exceed, alone.
    pub(crate) fn p99(&self) -> Self {
        let sorted = self.sorted();
        let rank = (sorted.len() * 99).div_ceil(100);
        Self(sorted.get(rank.saturating_sub(1)).copied().into_iter().collect())
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}
