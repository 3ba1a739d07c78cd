//! Pushes to the registered branch: the setting that says what they may do, which proposal a moved package approves, and how
//! a revision is named that nobody proposed.
//!
//! Never here: trees and history (see `commands::push`), and whether a change may happen (see `lifecycle`).

use serde::{Deserialize, Serialize};

use super::names::Workspace;
use super::oid::ObjectId;
use super::refs::RevisionNumber;

/// What becomes of a push to the registered branch that changes packages and approves no proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trunk {
    /// It is refused.
    #[default]
    Refuse,
    /// Each package that it changes is published as its next revision.
    Publish,
    /// It passes, and publishes nothing.
    Allow,
}

/// A proposal whose tree is the one that the branch would hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its workspace.
    pub workspace: Workspace,
    /// Its commit.
    pub commit: ObjectId,
    /// Whether what is pushed holds that commit.
    pub merged: bool,
}

/// Which of the proposals with the pushed tree is approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// There is none.
    Nothing,
    /// This one.
    One(Standing),
    /// The push does not say which of these.
    Unclear(Vec<Workspace>),
}

/// Chooses: the only one there is, else the only one whose commit is pushed.
pub fn choose(mut standing: Vec<Standing>) -> Choice {
    if standing.iter().filter(|proposal| proposal.merged).count() == 1 {
        standing.retain(|proposal| proposal.merged);
    }
    match standing.len() {
        0 => Choice::Nothing,
        1 => Choice::One(standing.remove(0)),
        _ => Choice::Unclear(standing.into_iter().map(|proposal| proposal.workspace).collect()),
    }
}

/// The workspace of a revision that is published without a proposal: `v<N>`, or `v<N>-2` and so on where that is taken.
/// `None` when all of them are.
pub fn workspace(number: RevisionNumber, is_taken: impl Fn(&Workspace) -> bool) -> Option<Workspace> {
    let names = (1..=100).map(|at| match at {
        1 => number.segment(),
        _ => format!("{}-{at}", number.segment()),
    });
    names.filter_map(|name| Workspace::parse(&name).ok()).find(|workspace| !is_taken(workspace))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(name: &str, merged: bool) -> Standing {
        let workspace = Workspace::parse(name).expect("valid");
        Standing { workspace, commit: "a".repeat(40).parse().expect("valid"), merged }
    }

    #[test]
    fn a_push_says_which_proposal_it_approves() {
        assert_eq!(choose(vec![]), Choice::Nothing);
        for merged in [false, true] {
            assert_eq!(choose(vec![standing("w1", merged)]), Choice::One(standing("w1", merged)));
        }
        let (one, two) = (standing("w1", false), standing("w2", true));
        assert_eq!(choose(vec![one.clone(), two.clone()]), Choice::One(two.clone()));
        for merged in [false, true] {
            let unclear = choose(vec![standing("w1", merged), standing("w2", merged)]);
            assert_eq!(unclear, Choice::Unclear(vec![one.workspace.clone(), two.workspace.clone()]));
        }
    }

    #[test]
    fn a_revision_that_nobody_proposed_takes_no_name_away() {
        let name = |taken: &[&str]| workspace(RevisionNumber(4), |workspace| taken.contains(&workspace.as_str()));
        assert_eq!(name(&[]).expect("free").as_str(), "v4");
        assert_eq!(name(&["v4", "v4-2"]).expect("free").as_str(), "v4-3");
        assert_eq!(workspace(RevisionNumber(4), |_| true), None);
    }
}
