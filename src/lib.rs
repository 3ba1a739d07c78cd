//! Stoop.

pub mod domain;
pub mod git;
