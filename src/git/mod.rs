//! Git: reading and writing bare repositories, moving refs, watching and finding repositories.
//!
//! Everything here blocks; callers on an async runtime use `spawn_blocking`. Only this module knows gix and notify.
//! Never here: what a ref or a change means (`domain`), what may be done (`commands`), and what is known (`index`).

mod abandoned_locks;
mod changes;
mod command;
mod commit;
mod create;
mod discover;
mod error;
mod history;
mod import;
mod ledger_store;
mod living_gits;
mod maintenance;
mod program;
mod push_nonce;
mod quarantine;
mod reader;
mod ref_files;
mod ref_session;
mod ref_transaction;
mod refs;
mod store;
mod trees;
mod watch;
mod write;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use changes::ChangedFile;
pub use commit::{Commit, Person};
pub use create::{ObjectFormat, create_bare};
pub use discover::repositories;
pub use error::GitError;
pub use import::import_bare;
pub use ledger_store::{BEFORE, LedgerStore};
pub use maintenance::{Pack, gc_runs, pack_refs};
pub use program::{Setting, exec_path, git_version, settings};
pub use quarantine::clear_abandoned_overlays;
pub use reader::Reader;
pub use ref_transaction::{TransactError, name_conflict, transact};
pub use refs::{RefSnapshot, RefValue, Refs};
pub use store::Store;
pub use trees::{File, LARGEST_KPTFILE, Mode};
pub use watch::{WatchEvent, Watcher};
pub use write::NewCommit;
