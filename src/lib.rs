//! Stoop.

pub mod commands;
pub mod domain;
pub mod git;
pub mod hooks;
pub mod index;
pub mod krm;
