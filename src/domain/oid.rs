//! Git object ids as values: 20 bytes in a SHA-1 repository, 32 in a SHA-256 one.
//!
//! Never here: reading or hashing objects; that is `git`'s.

use std::fmt;
use std::str::FromStr;

/// The id of a Git object. The all-zero id means "no object", as in Git's own hook input.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    length: u8,
    bytes: [u8; 32],
}

/// Why a text is not an object id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an object id: 40 or 64 hexadecimal digits are needed")]
pub struct InvalidObjectId(pub String);

impl ObjectId {
    /// Takes raw bytes; `None` unless there are 20 or 32.
    pub fn from_bytes(raw: &[u8]) -> Option<Self> {
        if raw.len() != 20 && raw.len() != 32 {
            return None;
        }
        let mut bytes = [0; 32];
        bytes[..raw.len()].copy_from_slice(raw);
        Some(Self { length: raw.len() as u8, bytes })
    }

    /// The "no object" id of the same length as `self`.
    pub fn zero_like(&self) -> Self {
        Self { length: self.length, bytes: [0; 32] }
    }

    /// The raw bytes, 20 or 32 of them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// Whether this is the all-zero "no object" id.
    pub fn is_zero(&self) -> bool {
        self.bytes.iter().all(|byte| *byte == 0)
    }

    /// The first ten hexadecimal digits, for people.
    pub fn short(&self) -> String {
        self.to_string()[..10].to_owned()
    }
}

impl FromStr for ObjectId {
    type Err = InvalidObjectId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidObjectId(text.chars().take(80).collect());
        if (text.len() != 40 && text.len() != 64) || !text.is_ascii() {
            return Err(invalid());
        }
        let mut raw = Vec::with_capacity(32);
        for pair in text.as_bytes().chunks(2) {
            let high = char::from(pair[0]).to_digit(16).ok_or_else(invalid)?;
            let low = char::from(pair[1]).to_digit(16).ok_or_else(invalid)?;
            raw.push((high * 16 + low) as u8);
        }
        Self::from_bytes(&raw).ok_or_else(invalid)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl serde::Serialize for ObjectId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for ObjectId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_round_trips_for_both_hashes() {
        for text in ["aac71d915c67456f8fd2902ef6da820eaac71d91", &"0123456789abcdef".repeat(4)] {
            assert_eq!(text.parse::<ObjectId>().expect("valid").to_string(), *text);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "abc", &"g".repeat(40), &"é".repeat(20), &"a".repeat(41)] {
            assert!(text.parse::<ObjectId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn zero_is_known_in_both_lengths() {
        let sha1: ObjectId = "0".repeat(40).parse().expect("valid");
        assert!(sha1.is_zero());
        let other: ObjectId = "a".repeat(64).parse().expect("valid");
        assert_eq!(other.zero_like().to_string(), "0".repeat(64));
    }
}
