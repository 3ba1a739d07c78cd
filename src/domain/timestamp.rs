//! Moments as values: microseconds since 1970, the unit of resource versions and of the ledger.
//!
//! Never here: reading a clock; the caller brings the time.

use std::fmt;

/// A moment in microseconds since 1970-01-01T00:00:00Z; never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Micros(pub u64);

impl Micros {
    /// From whole seconds, as commits keep them; before 1970 counts as 1970.
    pub fn from_seconds(seconds: i64) -> Self {
        Self(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000))
    }

    /// Whole seconds, rounded down.
    pub fn seconds(self) -> i64 {
        i64::try_from(self.0 / 1_000_000).unwrap_or(i64::MAX)
    }
}

impl fmt::Display for Micros {
    /// RFC 3339 in UTC, to the second: the form of Kubernetes times.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.seconds()) {
            Ok(time) => write!(f, "{time}"),
            Err(_) => write!(f, "9999-12-31T23:59:59Z"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_as_kubernetes_does() {
        assert_eq!(Micros::from_seconds(1_700_000_000).to_string(), "2023-11-14T22:13:20Z");
        assert_eq!(Micros::from_seconds(-5), Micros(0));
        assert_eq!(Micros(u64::MAX).to_string(), "9999-12-31T23:59:59Z");
    }
}
