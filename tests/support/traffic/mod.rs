//! Random writes through both doors: writers with packages of their own who know what they were told, and what must be there.
//!
//! Never here: watching (see `recording`).

use std::collections::BTreeMap;
use std::sync::Mutex;

pub mod commits;
mod look;
pub mod shelf;
pub mod writer;

/// Small random numbers from a seed: the same seed, the same traffic.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`, which must not be 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or(0) % limit
    }

    /// Whether one of `chances` came.
    pub fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }
}

/// How a request or a push ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Acknowledged.
    Done,
    /// The daemon was down, or went down while it ran.
    Down,
    /// Refused, as one of two at the same moment is.
    Race,
    /// Refused or failed, and nobody asked for it.
    Unasked,
}

/// What was done, counted by kind, and what nobody asked for.
#[derive(Debug, Default)]
pub struct Tally {
    counts: Mutex<BTreeMap<(&'static str, End), usize>>,
    unasked: Mutex<Vec<String>>,
}

impl Tally {
    /// Counts operations of a kind that ended in one way.
    pub fn add(&self, kind: &'static str, end: End, count: usize) {
        *self.counts.lock().expect("no panic").entry((kind, end)).or_default() += count;
    }

    /// Counts an error that nobody asked for.
    pub fn unasked(&self, kind: &'static str, text: String) {
        self.add(kind, End::Unasked, 1);
        self.unasked.lock().expect("no panic").push(format!("{kind}: {text}"));
    }

    /// How many operations of a kind were acknowledged.
    pub fn done(&self, kind: &'static str) -> usize {
        self.counts.lock().expect("no panic").get(&(kind, End::Done)).copied().unwrap_or(0)
    }

    /// All counts.
    pub fn counts(&self) -> BTreeMap<(&'static str, End), usize> {
        self.counts.lock().expect("no panic").clone()
    }

    /// The errors that nobody asked for.
    pub fn errors(&self) -> Vec<String> {
        self.unasked.lock().expect("no panic").clone()
    }
}
