//! Stoop.

pub mod commands;
pub mod domain;
pub mod git;
pub mod index;
pub mod krm;
