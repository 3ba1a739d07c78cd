//! Stoop.

pub mod config;
pub mod domain;
pub mod identity;
pub mod listen;
