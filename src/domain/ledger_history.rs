//! The ledger's history, followed entry by entry: whether every transition in it is one that the lifecycle's table allows, was
//! announced before it was done, and took nothing away.
//!
//! Never here: reading the chain, certificates, and what the refs show.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::{Deed, Entry, Intent};
use super::lifecycle::{Action, State, step};
use super::names::{PackagePath, Workspace};
use super::oid::ObjectId;
use super::refs::RevisionNumber;

/// A package's workspace.
pub type Id = (PackagePath, Workspace);

/// Something somebody was about to do, as the ledger first says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// The package's workspace.
    pub id: Id,
    /// What.
    pub action: Action,
    /// Who, when, to which commit.
    pub deed: Deed,
    /// Whether it was announced just before: one that is carried out for a push is announced twice.
    pub again: bool,
}

/// A revision that the ledger says was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The workspace.
    pub workspace: Workspace,
    /// Who approved which commit.
    pub deed: Deed,
    /// The merge commit that the tag is to be at, where Stoop made it.
    pub merge: Option<ObjectId>,
    /// Whether it was deleted since.
    pub deleted: bool,
    /// Whether the ledger does not say yet that its publication, or its deletion, is done.
    pub under_way: bool,
}

/// What is wrong with one step of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The table does not allow the action in any state that the entry may be in.
    Illegal(Action, BTreeSet<State>),
    /// The entry says that something was done which was not announced before, or says it otherwise.
    Unannounced(String),
    /// An intent took another one's place before that one was done or dropped.
    Replaced(Action),
    /// The number of an approval was given before, or a higher one was.
    Number(RevisionNumber, RevisionNumber),
    /// The highest number that the entry had is gone.
    Forgotten(RevisionNumber),
    /// The entry is gone, and says things that must stay.
    Removed,
}

impl Fault {
    /// One word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Illegal(..) => "illegal-transition",
            Self::Unannounced(_) => "deed-without-intent",
            Self::Replaced(_) => "intent-replaced",
            Self::Number(..) => "number-reused",
            Self::Forgotten(_) => "number-forgotten",
            Self::Removed => "entry-removed",
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Illegal(action, states) => {
                let states: Vec<String> = states.iter().map(State::to_string).collect();
                write!(f, "{} is begun while it is {}", action.as_str(), states.join(" or "))
            }
            Self::Unannounced(what) => write!(f, "{what}, which no intent before says"),
            Self::Replaced(action) => write!(f, "{} was under way and neither done nor dropped", action.as_str()),
            Self::Number(given, highest) => {
                write!(f, "it is published as {} after {} was given", given.segment(), highest.segment())
            }
            Self::Forgotten(number) => write!(f, "the entry no longer says that {} was given", number.segment()),
            Self::Removed => write!(f, "the entry is removed although it says what must stay"),
        }
    }
}

/// What the history has said so far.
#[derive(Debug, Default)]
pub struct History {
    /// The states that a workspace may be in. What is older than the ledger may be in any.
    states: BTreeMap<Id, BTreeSet<State>>,
    highest: BTreeMap<PackagePath, RevisionNumber>,
    published: BTreeMap<(PackagePath, RevisionNumber), Publication>,
}

impl History {
    /// Everything that was published, by package and number.
    pub fn published(&self) -> impl Iterator<Item = (&PackagePath, RevisionNumber, &Publication)> {
        self.published.iter().map(|((package, number), publication)| (package, *number, publication))
    }

    /// One revision.
    pub fn publication(&self, package: &PackagePath, number: RevisionNumber) -> Option<&Publication> {
        self.published.get(&(package.clone(), number))
    }

    /// Follows one entry through one commit of the ledger. Gives what it announces, and what is wrong.
    pub fn follow(&mut self, old: Option<&Entry>, new: Option<&Entry>) -> (Vec<Announced>, Vec<Fault>) {
        let Some(id) = new.or(old).map(|entry| (entry.package.clone(), entry.workspace.clone())) else {
            return (Vec::new(), Vec::new());
        };
        let mut faults = Vec::new();
        let none = Entry::new(id.0.clone(), id.1.clone());
        let before = old.unwrap_or(&none);
        self.finish(&id, before, new, &mut faults);
        let Some(new) = new else { return (Vec::new(), faults) };
        if let Some(number) = before.highest_revision.filter(|number| new.highest_revision < Some(*number)) {
            faults.push(Fault::Forgotten(number));
        }
        let approvals = new.approvals_kept().iter().filter(|kept| !before.approvals_kept().contains(kept));
        let approval =
            |deed: &Deed| Announced { id: id.clone(), action: Action::Approve, deed: deed.clone(), again: false };
        let mut announced: Vec<Announced> = approvals.map(|kept| approval(&kept.deed)).collect();
        if let Some(intent) = new.intent.as_ref().filter(|intent| before.intent.as_ref() != Some(intent)) {
            self.begin(&id, before.intent.as_ref(), intent, &mut faults);
            let again = before.intent.as_ref().is_some_and(|before| is_same(before, intent));
            announced.push(Announced { id: id.clone(), action: intent.action, deed: intent.deed.clone(), again });
        }
        (announced, faults)
    }

    /// What became of the intent that the entry had.
    fn finish(&mut self, id: &Id, before: &Entry, new: Option<&Entry>, faults: &mut Vec<Fault>) {
        let mut dropped = before.clone();
        dropped.intent = None;
        let Some(intent) = &before.intent else {
            match new {
                Some(new) if slots(new) != slots(before) => faults.push(Fault::Unannounced(difference(before, new))),
                None if !before.is_spent() => faults.push(Fault::Removed),
                _ => {}
            }
            return;
        };
        if new.is_some_and(|new| new.intent.is_some()) {
            // The same transition goes on; whether it is the same is asked where the new one begins.
            if let Some(new) = new.filter(|new| slots(new) != slots(before)) {
                faults.push(Fault::Unannounced(difference(before, new)));
            }
            return;
        }
        let mut done = before.clone();
        done.record(intent.action, intent.deed.clone(), intent.revision);
        let (is_done, is_dropped) = match new {
            Some(new) => (slots(new) == slots(&done), slots(new) == slots(&dropped)),
            None => (done.is_spent(), dropped.is_spent()),
        };
        match (is_done, is_dropped, new) {
            (false, false, Some(new)) => faults.push(Fault::Unannounced(difference(&done, new))),
            (false, false, None) => faults.push(Fault::Removed),
            (true, also_dropped, _) => self.done(id, intent, also_dropped),
            (false, true, _) => self.undone(id, intent),
        }
    }

    fn begin(&mut self, id: &Id, before: Option<&Intent>, intent: &Intent, faults: &mut Vec<Fault>) {
        if let Some(before) = before {
            if !is_same(before, intent) {
                faults.push(Fault::Replaced(before.action));
            }
            self.undone(id, before);
        }
        let states = self.states.entry(id.clone()).or_insert_with(|| State::ALL.into());
        if !states.iter().any(|state| step(*state, intent.action).is_ok()) {
            faults.push(Fault::Illegal(intent.action, states.clone()));
        }
        let Some(number) = intent.revision else { return };
        if intent.action == Action::Delete {
            self.set_under_way(&id.0, number, true);
        }
        if !matches!(intent.action, Action::Approve | Action::Publish) {
            return;
        }
        if let Some(highest) = self.highest.get(&id.0).filter(|highest| number <= **highest) {
            faults.push(Fault::Number(number, *highest));
        }
        let publication = Publication {
            workspace: id.1.clone(),
            deed: intent.deed.clone(),
            merge: intent.merge,
            deleted: false,
            under_way: true,
        };
        self.published.entry((id.0.clone(), number)).or_insert(publication);
    }

    fn done(&mut self, id: &Id, intent: &Intent, also_dropped: bool) {
        let states = self.states.entry(id.clone()).or_insert_with(|| State::ALL.into());
        let before = std::mem::take(states);
        let after: BTreeSet<State> =
            before.iter().filter_map(|state| Some(step(*state, intent.action).ok()?.to)).collect();
        // One that was not legal is told already: what follows is judged from where it claims to have led.
        let anywhere =
            || State::ALL.into_iter().filter_map(|state| Some(step(state, intent.action).ok()?.to)).collect();
        *states = if after.is_empty() { anywhere() } else { after };
        if also_dropped {
            states.extend(before);
        }
        let Some(number) = intent.revision else { return };
        let key = (id.0.clone(), number);
        match intent.action {
            Action::Approve | Action::Publish => {
                let highest = self.highest.entry(id.0.clone()).or_insert(number);
                *highest = (*highest).max(number);
                self.set_under_way(&id.0, number, false);
            }
            Action::Delete => {
                self.set_under_way(&id.0, number, false);
                if let Some(publication) = self.published.get_mut(&key) {
                    publication.deleted = true;
                }
            }
            _ => {}
        }
    }

    /// An intent of which nothing came, or that another one of the same transition follows.
    fn undone(&mut self, id: &Id, intent: &Intent) {
        let Some(number) = intent.revision else { return };
        let key = (id.0.clone(), number);
        match intent.action {
            Action::Approve | Action::Publish
                if self.published.get(&key).is_some_and(|publication| publication.under_way) =>
            {
                self.published.remove(&key);
            }
            Action::Delete => self.set_under_way(&id.0, number, false),
            _ => {}
        }
    }

    fn set_under_way(&mut self, package: &PackagePath, number: RevisionNumber, under_way: bool) {
        if let Some(publication) = self.published.get_mut(&(package.clone(), number)) {
            publication.under_way = under_way;
        }
    }
}

/// Whether two intents are of one transition.
fn is_same(one: &Intent, other: &Intent) -> bool {
    (one.action, one.deed.commit, &one.deed.by) == (other.action, other.deed.commit, &other.deed.by)
}

/// What deeds change, with the word for each.
fn slots(entry: &Entry) -> [(&'static str, Option<&Deed>); 5] {
    [
        ("saved", entry.saved.as_ref()),
        ("proposed", entry.proposed.as_ref()),
        ("approved", entry.approved.as_ref()),
        ("proposed for deletion", entry.deletion_proposed.as_ref()),
        ("deleted", entry.deleted.as_ref()),
    ]
}

/// The first of them that is not as it should be, in words.
fn difference(wanted: &Entry, found: &Entry) -> String {
    let pairs = slots(wanted).into_iter().zip(slots(found));
    let differing = pairs.into_iter().find(|((_, wanted), (_, found))| wanted != found);
    match differing {
        Some(((word, _), (_, Some(deed)))) => format!("it is {word} at {} by {}", deed.commit.short(), deed.by),
        Some(((word, Some(deed)), _)) => format!("it is no longer {word} by {}", deed.by),
        _ => "it is changed".to_owned(),
    }
}

#[cfg(test)]
#[path = "ledger_history_tests.rs"]
mod tests;
