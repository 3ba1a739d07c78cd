//! Stoop.

pub mod domain;
pub mod hooks;
