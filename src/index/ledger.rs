//! The whole ledger, read into memory.
//!
//! Never here: writing it (see `commands`), and what its entries mean (see `domain::ledger`).

use crate::domain::ledger::{Before, Entry, Ledger};
use crate::git::{GitError, LedgerStore, Reader};

/// Reads the whole ledger. An entry that cannot be read is left out and told: it must not take the others with it.
pub fn read(reader: &Reader) -> Result<Ledger, GitError> {
    let (mut ledger, path) = (Ledger::default(), reader.path().display());
    let Some(head) = LedgerStore::head(reader)? else { return Ok(ledger) };
    for (key, bytes) in LedgerStore::read_at(reader, head)? {
        match Entry::from_bytes(&bytes) {
            Ok(entry) if entry.key().as_str() == key => ledger.insert(entry),
            Ok(_) => {
                tracing::warn!(repository = %path, key, "a ledger entry stands under another's key; it is left out")
            }
            Err(error) => {
                tracing::warn!(repository = %path, key, %error, "a ledger entry cannot be read; it is left out")
            }
        }
    }
    match LedgerStore::before(reader, head)?.map(|bytes| Before::parse(&bytes)) {
        Some(Some(before)) => ledger.set_before(before),
        Some(None) => {
            tracing::warn!(repository = %path, "the ledger's list of older refs cannot be read; it is left out")
        }
        None => {}
    }
    Ok(ledger)
}
