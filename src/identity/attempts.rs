//! How long a name must wait after wrong passwords.
//!
//! Five may go wrong at once; then each further one doubles the wait, up to half a minute. A right one forgives all.
//! What is verified already, and tokens, never wait. Names that nobody has are counted like all others, so that the wait
//! tells nothing.
//! Never here: a clock; the caller brings the time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::domain::names::UserName;

/// So many may go wrong before anyone waits.
const FREE: u32 = 5;
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);
/// So many names are remembered; then the one that failed longest ago is forgotten.
const NAMES: usize = 4096;

#[derive(Default)]
pub(super) struct Attempts {
    failed: HashMap<UserName, (u32, Instant)>,
}

impl Attempts {
    /// How long the name must still wait; `None` when it may try.
    pub(super) fn wait(&self, name: &UserName, now: Instant) -> Option<Duration> {
        let (failures, last) = self.failed.get(name)?;
        let doublings = failures.checked_sub(FREE)?.min(10);
        let until = *last + Duration::from_secs(1 << doublings).min(LONGEST);
        until.checked_duration_since(now).filter(|wait| !wait.is_zero())
    }

    pub(super) fn failed(&mut self, name: &UserName, now: Instant) {
        if self.failed.len() >= NAMES && !self.failed.contains_key(name) {
            let oldest = self.failed.iter().min_by_key(|(_, (_, last))| *last).map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                self.failed.remove(&oldest);
            }
        }
        let entry = self.failed.entry(name.clone()).or_insert((0, now));
        *entry = (entry.0.saturating_add(1), now);
    }

    pub(super) fn succeeded(&mut self, name: &UserName) {
        self.failed.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_and_is_forgiven() {
        let (mut attempts, start) = (Attempts::default(), Instant::now());
        let ann = UserName::parse("ann").expect("valid");
        for _ in 0..4 {
            attempts.failed(&ann, start);
        }
        assert_eq!(attempts.wait(&ann, start), None);
        attempts.failed(&ann, start);
        assert_eq!(attempts.wait(&ann, start), Some(Duration::from_secs(1)));
        assert_eq!(attempts.wait(&ann, start + Duration::from_secs(1)), None);
        for _ in 0..100 {
            attempts.failed(&ann, start);
        }
        assert_eq!(attempts.wait(&ann, start), Some(LONGEST));
        assert_eq!(attempts.wait(&UserName::parse("bob").expect("valid"), start), None);
        attempts.succeeded(&ann);
        assert_eq!(attempts.wait(&ann, start), None);
    }

    #[test]
    fn memory_is_bounded() {
        let (mut attempts, start) = (Attempts::default(), Instant::now());
        for number in 0..NAMES as u64 + 10 {
            let name = UserName::parse(&format!("user{number}")).expect("valid");
            attempts.failed(&name, start + Duration::from_secs(number));
        }
        assert_eq!(attempts.failed.len(), NAMES);
        assert!(!attempts.failed.contains_key(&UserName::parse("user0").expect("valid")), "the oldest went");
    }
}
