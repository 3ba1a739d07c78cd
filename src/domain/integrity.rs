//! Holds what the refs of a package's workspace show against what the ledger says of it: what somebody moved behind the doors.
//!
//! Every ref that a package revision stands on moves through Stoop, and the ledger has the value that it was left at. A ref
//! that has another value, or is gone, or is there without a word in the ledger, is a finding.
//! Never here: reading refs, and putting anything back.

use std::fmt;

use super::ledger::{Before, Deed, Entry};
use super::names::UserName;
use super::oid::ObjectId;
use super::refs::{RefName, RevisionNumber};

/// What kind of ref a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// The tag of a published revision.
    Tag,
    /// A draft.
    Draft,
    /// A proposal.
    Proposal,
    /// The marker that a deletion is proposed.
    Marker,
    /// The registered branch, which no longer holds what was published.
    Branch,
    /// The ledger itself.
    Ledger,
}

/// One ref that is not as the ledger says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of ref it is.
    pub subject: Subject,
    /// The ref.
    pub name: RefName,
    /// What it is by the ledger; `None`: it should not be there.
    pub ledger: Option<ObjectId>,
    /// What it shows; `None`: it is not there.
    pub shown: Option<ObjectId>,
    /// Who left it as the ledger says, where the ledger knows.
    pub by: Option<UserName>,
}

impl Finding {
    /// One word for programs: the reason of the condition and of the event.
    pub fn reason(&self) -> &'static str {
        let moved = self.ledger.is_some() && self.shown.is_some();
        match (self.subject, self.ledger.is_some()) {
            (Subject::Tag, true) if moved => "TagMoved",
            (Subject::Tag, true) => "TagMissing",
            (Subject::Tag, false) => "TagUnexplained",
            (Subject::Draft, true) if moved => "DraftMoved",
            (Subject::Draft, true) => "DraftMissing",
            (Subject::Draft, false) => "DraftUnexplained",
            (Subject::Proposal, true) if moved => "ProposalMoved",
            (Subject::Proposal, true) => "ProposalMissing",
            (Subject::Proposal, false) => "ProposalUnexplained",
            (Subject::Marker, true) if moved => "MarkerMoved",
            (Subject::Marker, true) => "MarkerMissing",
            (Subject::Marker, false) => "MarkerUnexplained",
            (Subject::Branch, _) => "BranchMovedBack",
            (Subject::Ledger, _) => "LedgerMovedBack",
        }
    }
}

impl fmt::Display for Finding {
    /// One sentence: what the ledger says, and what the ref shows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.shortened();
        let by = self.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        match (self.subject, self.ledger, self.shown) {
            (Subject::Branch | Subject::Ledger, Some(ledger), Some(shown)) => {
                write!(f, "{name} is at {}, which does not hold {}", shown.short(), ledger.short())
            }
            (_, Some(ledger), Some(shown)) => {
                write!(f, "{name} is at {}, and the ledger has it at {}{by}", shown.short(), ledger.short())
            }
            (_, Some(ledger), None) => write!(f, "{name} is gone, and the ledger has it at {}{by}", ledger.short()),
            (_, None, Some(shown)) => write!(f, "{name} is at {}, of which the ledger knows nothing", shown.short()),
            (_, None, None) => write!(f, "{name} is not as the ledger says"),
        }
    }
}

/// What is wrong with the refs of one package's workspace, by its entry in the ledger. `shown` gives what a ref points at,
/// and `before` the refs that are older than the ledger: where it is not known, nothing is called unexplained.
///
/// A transition that is under way moves refs ahead of the ledger, so nothing is said of its entry.
pub fn judge(entry: &Entry, shown: impl Fn(&RefName) -> Option<ObjectId>, before: Option<&Before>) -> Vec<Finding> {
    if entry.intent.is_some() {
        return Vec::new();
    }
    let (package, workspace) = (&entry.package, &entry.workspace);
    let mut findings = Vec::new();
    let mut expect = |subject, name: RefName, ledger: Option<ObjectId>, deed: Option<&Deed>| {
        let shows = shown(&name);
        let explained = ledger.is_none() && shows.is_some_and(|shows| is_older(before, &name, shows));
        if ledger != shows && !explained {
            let by = deed.map(|deed| deed.by.clone());
            findings.push(Finding { subject, name, ledger, shown: shows, by });
        }
    };
    let lives = entry.deleted.is_none();
    let published = lives && (entry.published.is_some() || entry.approved.is_some());
    let proposed = entry.proposed.as_ref().filter(|_| lives && !published);
    let drafted = entry.rejected.as_ref().or(entry.saved.as_ref());
    let drafted = drafted.filter(|_| lives && !published && proposed.is_none());
    expect(Subject::Draft, RefName::draft(package, workspace), drafted.map(|deed| deed.commit), drafted);
    expect(Subject::Proposal, RefName::proposed(package, workspace), proposed.map(|deed| deed.commit), proposed);
    if let Some(standing) = entry.published.as_ref().filter(|_| published) {
        let by = entry.approved.as_ref().or(entry.imported.as_ref());
        expect(Subject::Tag, standing.tag.clone(), Some(standing.target), by);
        let doomed = entry.deletion_proposed.as_ref();
        let marker = marker(entry, &standing.tag, &shown);
        expect(Subject::Marker, marker, doomed.map(|deed| deed.commit), doomed);
    }
    findings
}

/// Whether a ref that the ledger says nothing of needs no explanation: it is older than the ledger.
pub fn is_older(before: Option<&Before>, name: &RefName, shown: ObjectId) -> bool {
    before.is_none_or(|before| before.contains(name, shown))
}

/// The marker of a published revision: named by the tag's last segment, or by `v<N>` as Porch writes it.
fn marker(entry: &Entry, tag: &RefName, shown: impl Fn(&RefName) -> Option<ObjectId>) -> RefName {
    let segment = tag.as_str().rsplit('/').next().unwrap_or_default();
    let own = RefName::deletion_proposed(&entry.package, segment);
    let number = RevisionNumber::from_segment(segment);
    let standard = RefName::deletion_proposed(&entry.package, &number.segment());
    if number.is_published() && shown(&own).is_none() && shown(&standard).is_some() { standard } else { own }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ledger::{Deed, Intent, Published, Via};
    use crate::domain::lifecycle::Action;
    use crate::domain::names::{PackagePath, Workspace};
    use crate::domain::timestamp::Micros;

    fn oid(digit: char) -> ObjectId {
        digit.to_string().repeat(40).parse().expect("valid")
    }

    fn deed(by: &str, commit: char) -> Deed {
        Deed::new(UserName::parse(by).expect("valid"), Micros(1), oid(commit), Via::Push)
    }

    fn entry(actions: &[(Action, char)]) -> Entry {
        let mut entry = Entry::new(PackagePath::parse("a").expect("valid"), Workspace::parse("w").expect("valid"));
        for (action, commit) in actions {
            entry.record(*action, deed("ann", *commit), None);
            if *action == Action::Approve {
                let tag = RefName::parse("refs/tags/a/v1").expect("valid");
                entry.published = Some(Published { tag, target: oid('e') });
            }
        }
        entry
    }

    fn reasons(entry: &Entry, refs: &[(&str, char)]) -> Vec<&'static str> {
        let shown = |name: &RefName| refs.iter().find(|(ref_name, _)| *ref_name == name.as_str()).map(|(_, c)| oid(*c));
        let before = Before::parse(format!("{} refs/heads/drafts/a/w\n", oid('9')).as_bytes()).expect("readable");
        judge(entry, shown, Some(&before)).iter().map(Finding::reason).collect()
    }

    #[test]
    fn each_state_of_the_ledger_explains_its_own_refs_and_no_others() {
        const D: &str = "refs/heads/drafts/a/w";
        const P: &str = "refs/heads/proposed/a/w";
        const T: &str = "refs/tags/a/v1";
        const M: &str = "refs/heads/deletionProposed/a/v1";
        use Action::{Approve, DropDraft, Propose, ProposeDeletion, Reject, Save};
        type Case<'a> = (&'a [(Action, char)], &'a [(&'a str, char)], &'a [&'a str]);
        let cases: [Case<'_>; 18] = [
            (&[], &[], &[]),
            (&[], &[(D, 'a')], &["DraftUnexplained"]),
            (&[], &[(D, '9')], &[]),
            (&[(Save, 'a')], &[(D, 'a')], &[]),
            (&[(Save, 'a')], &[(D, 'b')], &["DraftMoved"]),
            (&[(Save, 'a')], &[], &["DraftMissing"]),
            (&[(Save, 'a')], &[(P, 'a')], &["DraftMissing", "ProposalUnexplained"]),
            (&[(Save, 'a'), (Propose, 'b')], &[(P, 'b')], &[]),
            (&[(Save, 'a'), (Propose, 'b')], &[(P, 'c')], &["ProposalMoved"]),
            (&[(Save, 'a'), (Propose, 'b')], &[(P, 'b'), (D, 'a')], &["DraftUnexplained"]),
            (&[(Save, 'a'), (Propose, 'b'), (Reject, 'b')], &[(D, 'b')], &[]),
            (&[(Save, 'a'), (Propose, 'b'), (Reject, 'b'), (Save, 'c')], &[(D, 'c')], &[]),
            (&[(Propose, 'b'), (Approve, 'b')], &[(T, 'e')], &[]),
            (&[(Propose, 'b'), (Approve, 'b')], &[(T, 'f')], &["TagMoved"]),
            (&[(Propose, 'b'), (Approve, 'b')], &[(P, 'b')], &["ProposalUnexplained", "TagMissing"]),
            (&[(Propose, 'b'), (Approve, 'b')], &[(T, 'e'), (M, 'e')], &["MarkerUnexplained"]),
            (&[(Propose, 'b'), (Approve, 'b'), (ProposeDeletion, 'e')], &[(T, 'e')], &["MarkerMissing"]),
            (&[(Save, 'a'), (DropDraft, 'a')], &[(D, 'a')], &["DraftUnexplained"]),
        ];
        for (actions, refs, wanted) in cases {
            assert_eq!(reasons(&entry(actions), refs), wanted, "{actions:?} {refs:?}");
        }
    }

    #[test]
    fn nothing_is_said_of_what_is_under_way_nor_of_what_an_old_ledger_cannot_know() {
        let mut under_way = entry(&[(Action::Save, 'a')]);
        under_way.intent = Some(Intent {
            action: Action::Save,
            deed: deed("ann", 'b'),
            revision: None,
            merge: None,
            moves: Vec::new(),
            variables: std::collections::BTreeMap::new(),
            pushed: None,
        });
        assert!(reasons(&under_way, &[("refs/heads/drafts/a/w", 'b')]).is_empty());
        let unknown = judge(&entry(&[]), |_| Some(oid('a')), None);
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn a_finding_says_what_both_say() {
        let name = RefName::parse("refs/tags/a/v1").expect("valid");
        let by = UserName::parse("bob").ok();
        let mut finding = Finding { subject: Subject::Tag, name, ledger: Some(oid('a')), shown: Some(oid('b')), by };
        assert_eq!(finding.to_string(), "a/v1 is at bbbbbbbbbb, and the ledger has it at aaaaaaaaaa by bob");
        finding.shown = None;
        assert_eq!(finding.to_string(), "a/v1 is gone, and the ledger has it at aaaaaaaaaa by bob");
        (finding.ledger, finding.shown) = (None, Some(oid('c')));
        assert_eq!(finding.to_string(), "a/v1 is at cccccccccc, of which the ledger knows nothing");
    }
}
