//! What an entry remembers, what it forgets, and what it is read from.

use super::*;

fn entry() -> Entry {
    Entry::new(PackagePath::parse("a/b").expect("valid"), Workspace::parse("w").expect("valid"))
}

fn deed(by: &str) -> Deed {
    let commit = "a".repeat(40).parse().expect("valid");
    Deed::new(UserName::parse(by).expect("valid"), Micros(5), commit, Via::Push)
}

fn intent(action: Action, by: &str) -> Intent {
    let variables = BTreeMap::from([("GITEA_PUSHER_ID".to_owned(), "5".to_owned())]);
    Intent { action, deed: deed(by), revision: None, merge: None, moves: Vec::new(), variables, pushed: None }
}

#[test]
fn entries_round_trip_and_unknown_text_is_an_error() {
    let mut entry = entry();
    entry.record(Action::Save, deed("ann"), None);
    entry.record(Action::Propose, deed("ann"), None);
    entry.intent = Some(Intent { revision: Some(RevisionNumber(3)), ..intent(Action::Approve, "bob") });
    assert_eq!(Entry::from_bytes(&entry.to_bytes()).expect("readable"), entry);
    assert!(Entry::from_bytes(b"{}").is_err());
}

#[test]
fn everyone_who_saved_is_remembered_until_the_draft_ends_and_approvals_go_with_the_proposal() {
    let mut entry = entry();
    entry.record(Action::Save, deed("art"), None);
    entry.record(Action::Save, deed("ann"), None);
    entry.record(Action::Propose, deed("eve"), None);
    let savers = |entry: &Entry| entry.savers().map(|by| by.to_string()).collect::<Vec<_>>().join(" ");
    assert_eq!(savers(&entry), "ann art eve");
    entry.keep_approval(deed("bob"), 2);
    let tally = entry.tally(deed("bob").commit).expect("one");
    assert_eq!((tally.have(), tally.needed, tally.names().as_str()), (1, 2, "bob"));
    assert_eq!(entry.tally("b".repeat(40).parse().expect("valid")), None, "bound to the object id");
    assert_eq!(Entry::from_bytes(&entry.to_bytes()).expect("readable"), entry);
    for ending in [Action::Reject, Action::Save, Action::Propose, Action::DropProposal] {
        let mut entry = entry.clone();
        entry.record(ending, deed("ann"), None);
        assert!(entry.approvals_kept().is_empty(), "{ending:?}");
        assert_eq!(savers(&entry), if ending == Action::DropProposal { "" } else { "ann art eve" });
    }
    entry.record(Action::Approve, deed("amy"), Some(RevisionNumber(1)));
    assert_eq!(entry.approvals_kept().len(), 1, "who approved first stays known");
    let old = r#"{"package":"a","workspace":"w","saved":{"by":"art","at":1,"commit":"COMMIT","via":"push"}}"#;
    let old = Entry::from_bytes(old.replace("COMMIT", &"a".repeat(40)).as_bytes()).expect("an older ledger");
    assert_eq!(savers(&old), "art");
}

#[test]
fn a_dropped_draft_is_forgotten_unless_something_of_it_counts() {
    let mut ledger = Ledger::default();
    let mut draft = entry();
    draft.record(Action::Save, deed("ann"), None);
    ledger.insert(draft.clone());
    assert!(!draft.is_spent() && !entry().is_spent() && !ledger.is_empty());
    draft.record(Action::DropDraft, deed("ann"), None);
    assert!(draft.is_spent());
    let mut published = draft.clone();
    published.highest_revision = Some(RevisionNumber(2));
    let mut begun = draft.clone();
    begun.intent = Some(intent(Action::Save, "ann"));
    assert!(!published.is_spent() && !begun.is_spent());
    ledger.insert(draft);
    assert!(ledger.is_empty());
}

#[test]
fn a_number_survives_deletion_and_a_second_life() {
    let mut entry = entry();
    entry.record(Action::Propose, deed("ann"), None);
    entry.record(Action::Approve, deed("bob"), Some(RevisionNumber(7)));
    entry.record(Action::ProposeDeletion, deed("ann"), None);
    entry.record(Action::Delete, deed("bob"), None);
    assert_eq!((entry.highest_revision, entry.proposed.as_ref()), (Some(RevisionNumber(7)), None));
    entry.record(Action::Save, deed("ann"), None);
    assert_eq!(entry.highest_revision, Some(RevisionNumber(7)));
    assert!(entry.deleted.is_none() && entry.approved.is_none());
    let mut ledger = Ledger::default();
    let package = entry.package.clone();
    ledger.insert(entry);
    assert_eq!(ledger.highest_revision(&package), Some(RevisionNumber(7)));
}

#[test]
fn keys_tell_package_and_workspace_apart() {
    let key =
        |p: &str, w: &str| EntryKey::of(&PackagePath::parse(p).expect("valid"), &Workspace::parse(w).expect("valid"));
    assert_ne!(key("a", "b"), key("a/b", "c"));
    assert_eq!(key("a", "b").as_str().len(), 64);
}
