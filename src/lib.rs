//! Stoop.

pub mod domain;
