//! What the world looks like now, built from Git; the change feed; the cache beneath it.
//!
//! Never here: writing to Git, deciding, HTTP.

pub mod catalog;
pub mod feed;
