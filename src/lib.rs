//! Stoop.

pub mod api;
pub mod commands;
pub mod domain;
pub mod index;
pub mod krm;
