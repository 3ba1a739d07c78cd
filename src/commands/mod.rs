//! The verbs: what the doors ask for, decided by the table and the rules, planned, then applied.
//!
//! Never here: HTTP, the hook socket, and texts of one door only.

pub mod announce;
pub mod api;
pub mod collect;
pub mod compare;
mod completed;
pub mod decide;
pub mod explain;
mod findings;
mod keep;
pub mod lease;
mod notice;
mod on_top;
pub mod push;
pub mod put_back;
pub mod record;
pub mod repositories;
pub mod repository;
pub mod request;
pub mod restore;
mod ruled;
mod seen;
pub mod settle;
pub mod terms;
pub mod transition;
mod verdict_refs;
