//! Entries of a ledger, which comes with a repository that is taken over.

use stoop::domain::dropped;
use stoop::domain::ledger::{Before, Deed, Entry, Ledger, Via};
use stoop::domain::lifecycle::Action;
use stoop::domain::names::UserName;
use stoop::domain::refs::RevisionNumber;
use stoop::domain::timestamp::Micros;

/// The input is an entry's file, the list of older refs, or the message of a commit that keeps what was dropped.
pub fn run(data: &[u8]) {
    if let Some(before) = Before::parse(data) {
        assert_eq!(Before::parse(&before.to_bytes()), Some(before), "the list is read as it was written");
    }
    if let Ok(message) = std::str::from_utf8(data) {
        assert!(dropped::read(message, &[], 0).0.is_empty(), "what a commit does not hold is not kept");
    }
    let Ok(entry) = Entry::from_bytes(data) else { return };
    let written = entry.to_bytes();
    let again = Entry::from_bytes(&written).expect("what was written can be read");
    assert_eq!(again, entry, "an entry is read as it was written");
    assert_eq!(again.to_bytes(), written);
    assert_eq!(entry.key(), again.key());

    let mut ledger = Ledger::default();
    ledger.insert(entry.clone());
    assert_eq!(ledger.get(&entry.package, &entry.workspace), Some(&entry));
    assert_eq!(ledger.with_intent().count(), usize::from(entry.intent.is_some()));
    assert_eq!(ledger.highest_revision(&entry.package), entry.highest_revision);

    for action in Action::ALL {
        let mut next = entry.clone();
        let commit = "c".repeat(40).parse().expect("an id");
        let deed = Deed::new(UserName::parse("ann").expect("valid"), Micros(7), commit, Via::Push);
        next.record(action, deed, Some(RevisionNumber(3)));
        assert!(next.highest_revision >= entry.highest_revision.max(Some(RevisionNumber(3))), "no number is forgotten");
        assert_eq!((next.intent.as_ref(), &next.package, &next.workspace), (None, &entry.package, &entry.workspace));
        ledger.insert(next.clone());
        assert_eq!(ledger.with_intent().count(), 0);
        assert_eq!(Entry::from_bytes(&next.to_bytes()).ok(), Some(next));
    }
}
