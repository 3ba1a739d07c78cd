//! Stoop.

pub mod config;
pub mod domain;
pub mod githttp;
pub mod identity;
pub mod listen;
pub mod telemetry;
