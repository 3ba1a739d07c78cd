//! `approvals: N`: a proposal is published by the N-th person who approves it. Those before are kept in the ledger.
//!
//! An approval is bound to the object id, counts once a person, and counts as long as it would be accepted if it came now:
//! one of somebody who lost the right, or whom another rule would refuse by now, does not.
//! Never here: keeping approvals (see `ledger::Entry::approvals`).

use std::collections::BTreeSet;

use super::judge::would_stand;
use super::question::{Answer, Question, Rule};
use super::{Block, Right};
use crate::domain::ledger::Entry;
use crate::domain::lifecycle::Action;
use crate::domain::names::UserName;
use crate::domain::refusal::{Code, Refusal};

/// The rule.
pub const RULE: Rule = Rule { code: Code::ApprovalsMissing, key: "approvals", ask };

/// How many approvals a proposal has, and how many it needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Who has approved, in the order of time.
    pub by: Vec<UserName>,
    /// How many are needed.
    pub needed: u32,
}

impl Tally {
    /// How many there are.
    pub fn have(&self) -> usize {
        self.by.len()
    }

    /// The names, for sentences.
    pub fn names(&self) -> String {
        self.by.iter().map(UserName::as_str).collect::<Vec<_>>().join(", ")
    }
}

fn ask(block: &Block, question: &Question<'_>) -> Option<Answer> {
    let needed = block.approvals.filter(|_| matches!(question.action, Action::Approve | Action::Publish))?.get();
    if question.history.is_none() && needed > 1 {
        return Some(Answer::Depends(format!("the approvals of {needed} people are needed")));
    }
    let tally = tally(question, needed);
    let have = tally.have();
    if u32::try_from(have).unwrap_or(u32::MAX) >= needed {
        return Some(Answer::Yes(format!("{needed} of {needed} approvals: {}", tally.names())));
    }
    let (title, missing) = (question.title(), needed as usize - have);
    let more = if missing == 1 { "1 more person".to_owned() } else { format!("{missing} more people") };
    Some(Answer::No(
        Refusal::new(
            Code::ApprovalsMissing,
            format!("{title} needs {needed} approvals by rule {:?}, and this is approval {have}", block.name),
        )
        .next(format!("have {more} approve it")),
    ))
}

/// The approvals that stand, with the one that is asked about.
pub fn tally(question: &Question<'_>, needed: u32) -> Tally {
    let mut by = standing(question);
    if !by.contains(question.user) {
        by.push(question.user.clone());
    }
    Tally { by, needed }
}

/// Whether the user has approved this very commit already, and that stands.
pub fn is_approved_by_user(question: &Question<'_>) -> bool {
    standing(question).contains(question.user)
}

/// Who has approved this commit before, as far as it stands.
fn standing(question: &Question<'_>) -> Vec<UserName> {
    let kept = question.history.map(Entry::approvals_kept).unwrap_or_default();
    let mut seen = BTreeSet::new();
    let kept = kept.iter().filter(|kept| question.commit == Some(kept.deed.commit));
    let stands = kept.filter(|kept| {
        let everywhere = question.policy.everywhere(&kept.deed.by);
        let (user, via) = (&kept.deed.by, kept.deed.via);
        let (right, certificate) = (Right::Approve, kept.deed.certificate.as_ref());
        let again = Question { user, via, right, everywhere: &everywhere, break_glass: None, certificate, ..*question };
        would_stand(&again)
    });
    stands.filter(|kept| seen.insert(&kept.deed.by)).map(|kept| kept.deed.by.clone()).collect()
}
