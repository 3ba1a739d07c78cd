//! What the world looks like now, built from Git; the change feed; the cache beneath it.
//!
//! Never here: writing to Git, deciding, HTTP.

pub mod assemble;
pub mod audit;
pub mod branch_line;
pub mod cache;
pub mod catalog;
pub mod clock;
pub mod dropped;
pub mod facts;
pub mod feed;
pub mod guarded;
pub mod integrity;
pub mod ledger;
pub mod notices;
mod numbers;
pub mod scan;
