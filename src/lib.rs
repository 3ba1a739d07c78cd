//! Stoop.

pub mod cli;
pub mod config;
pub mod domain;
pub mod githttp;
pub mod identity;
pub mod listen;
pub mod telemetry;
