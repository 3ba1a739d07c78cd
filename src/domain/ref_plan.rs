//! Edits of refs as data: what a transition moves, and from which value.
//!
//! Never here: moving refs; `git` applies a plan as one transaction.

use std::fmt;

use super::oid::ObjectId;
use super::refs::RefName;

/// What a ref must be before it is edited. There is no "anything": every edit states what it expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The ref does not exist.
    Absent,
    /// The ref has exactly this value.
    At(ObjectId),
}

/// One edit of one ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefEdit {
    /// The ref.
    pub name: RefName,
    /// What it must be before.
    pub expected: Expected,
    /// What it becomes; `None` deletes it. Equal to the expected value, it only verifies.
    pub new: Option<ObjectId>,
}

impl RefEdit {
    /// Creates a ref that must not exist yet.
    pub fn create(name: RefName, new: ObjectId) -> Self {
        Self { name, expected: Expected::Absent, new: Some(new) }
    }

    /// Moves a ref.
    pub fn update(name: RefName, old: ObjectId, new: ObjectId) -> Self {
        Self { name, expected: Expected::At(old), new: Some(new) }
    }

    /// Deletes a ref.
    pub fn delete(name: RefName, old: ObjectId) -> Self {
        Self { name, expected: Expected::At(old), new: None }
    }

    /// Checks, under the transaction's locks, that a ref still has a value.
    pub fn verify(name: RefName, value: ObjectId) -> Self {
        Self { name, expected: Expected::At(value), new: Some(value) }
    }
}

impl fmt::Display for RefEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.expected, self.new) {
            (Expected::Absent, Some(new)) => write!(f, "create {} {}", self.name, new),
            (Expected::Absent, None) => write!(f, "verify-absent {}", self.name),
            (Expected::At(old), None) => write!(f, "delete {} {}", self.name, old),
            (Expected::At(old), Some(new)) if old == new => write!(f, "verify {} {}", self.name, old),
            (Expected::At(old), Some(new)) => write!(f, "update {} {} {}", self.name, old, new),
        }
    }
}
