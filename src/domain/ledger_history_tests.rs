//! Histories that are sound, and each way in which one is not.
//!
//! Never here: chains of commits.

use super::*;
use crate::domain::ledger::Via;
use crate::domain::names::UserName;
use crate::domain::timestamp::Micros;

/// One entry's life, told commit by commit.
#[derive(Default)]
struct Told {
    history: History,
    entry: Option<Entry>,
}

fn entry() -> Entry {
    Entry::new(PackagePath::parse("net/router").expect("valid"), Workspace::parse("w1").expect("valid"))
}

fn deed(by: &str) -> Deed {
    Deed::new(UserName::parse(by).expect("valid"), Micros(5), "a".repeat(40).parse().expect("valid"), Via::Push)
}

fn intent(action: Action, by: &str, number: Option<i64>) -> Intent {
    Intent {
        action,
        deed: deed(by),
        revision: number.map(RevisionNumber),
        merge: None,
        moves: Vec::new(),
        variables: Default::default(),
        pushed: None,
    }
}

impl Told {
    /// One commit in which the entry becomes something else.
    fn then(&mut self, change: impl FnOnce(&mut Entry)) -> Vec<Fault> {
        let mut new = self.entry.clone().unwrap_or_else(entry);
        change(&mut new);
        let new = (!new.is_spent()).then_some(new);
        let (_, faults) = self.history.follow(self.entry.as_ref(), new.as_ref());
        self.entry = new;
        faults
    }

    /// A transition as it should be: begun, then done.
    fn sound(&mut self, action: Action, number: Option<i64>) {
        assert_eq!(self.then(|entry| entry.intent = Some(intent(action, "ann", number))), [], "{action:?}");
        let number = number.map(RevisionNumber);
        assert_eq!(self.then(|entry| entry.record(action, deed("ann"), number)), [], "{action:?}");
    }
}

fn proposed() -> Told {
    let mut told = Told::default();
    told.sound(Action::Save, None);
    told.sound(Action::Propose, None);
    told
}

#[test]
fn a_whole_life_is_sound() {
    let mut told = proposed();
    told.sound(Action::Reject, None);
    told.sound(Action::DropDraft, None);
    assert_eq!(told.entry, None, "a dropped draft leaves nothing");
    told.sound(Action::Propose, None);
    assert_eq!(told.then(|entry| entry.intent = Some(intent(Action::Approve, "bob", Some(1)))), []);
    assert_eq!(told.then(|entry| entry.intent = None), [], "it never came to be");
    assert_eq!(told.history.published().count(), 0);
    told.sound(Action::Approve, Some(1));
    told.sound(Action::ProposeDeletion, None);
    told.sound(Action::RefuseDeletion, None);
    told.sound(Action::ProposeDeletion, None);
    told.sound(Action::Delete, Some(1));
    told.sound(Action::Propose, None);
    told.sound(Action::Approve, Some(2));
    let published: Vec<_> = told.history.published().map(|(_, number, of)| (number.0, of.deleted)).collect();
    assert_eq!(published, [(1, true), (2, false)]);
    assert_eq!(told.then(|entry| entry.metadata = Default::default()), [], "labels are nobody's transition");
}

#[test]
fn what_was_not_announced_is_found() {
    let mut told = proposed();
    let faults = told.then(|entry| entry.approved = Some(deed("eve")));
    assert_eq!(faults.iter().map(Fault::code).collect::<Vec<_>>(), ["deed-without-intent"]);
    assert!(faults[0].to_string().starts_with("it is approved at aaaaaaaaaa by eve"), "{}", faults[0]);
    // Announced by one, done by another.
    let mut told = proposed();
    assert_eq!(told.then(|entry| entry.intent = Some(intent(Action::Approve, "bob", Some(1)))), []);
    let faults = told.then(|entry| entry.record(Action::Approve, deed("eve"), Some(RevisionNumber(1))));
    assert_eq!(faults.iter().map(Fault::code).collect::<Vec<_>>(), ["deed-without-intent"]);
    let mut told = proposed();
    assert_eq!(
        told.then(|entry| entry.proposed = None)[0].to_string(),
        "it is no longer proposed by ann, which no intent before says"
    );
}

#[test]
fn what_the_table_does_not_allow_is_found() {
    let mut told = proposed();
    let faults = told.then(|entry| entry.intent = Some(intent(Action::ProposeDeletion, "ann", None)));
    assert_eq!(faults[0].to_string(), "propose-deletion is begun while it is Proposed");
    for action in [Action::Save, Action::Approve, Action::Delete] {
        let mut told = proposed();
        told.sound(Action::Approve, Some(3));
        let faults = told.then(|entry| entry.intent = Some(intent(action, "ann", None)));
        assert_eq!(faults.iter().map(Fault::code).collect::<Vec<_>>(), ["illegal-transition"], "{action:?}");
    }
}

#[test]
fn numbers_only_grow_and_are_not_forgotten() {
    let mut told = proposed();
    told.sound(Action::Approve, Some(3));
    told.sound(Action::ProposeDeletion, None);
    told.sound(Action::Delete, Some(3));
    told.sound(Action::Propose, None);
    let faults = told.then(|entry| entry.intent = Some(intent(Action::Approve, "ann", Some(3))));
    assert_eq!(faults[0].to_string(), "it is published as v3 after v3 was given");
    assert_eq!(told.then(|entry| entry.intent = None), []);
    assert_eq!(told.then(|entry| entry.highest_revision = None)[0].code(), "number-forgotten");
}

#[test]
fn nothing_goes_that_must_stay() {
    let mut told = proposed();
    let gone = told.history.follow(told.entry.as_ref(), None).1;
    assert_eq!(gone, [Fault::Removed]);
    let mut told = proposed();
    assert_eq!(told.then(|entry| entry.intent = Some(intent(Action::Approve, "bob", Some(1)))), []);
    assert_eq!(told.history.follow(told.entry.as_ref(), None).1, [Fault::Removed]);
    let mut told = proposed();
    assert_eq!(told.then(|entry| entry.intent = Some(intent(Action::Approve, "bob", Some(1)))), []);
    let faults = told.then(|entry| entry.intent = Some(intent(Action::Reject, "bob", None)));
    assert_eq!(faults, [Fault::Replaced(Action::Approve)]);
}
