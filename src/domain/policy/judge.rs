//! Asks every rule of every block that covers a package, and puts the answers together: the one judgement of the policy.
//!
//! Restrictions accumulate: one no of one block refuses, whatever others say. So a further block never allows more.
//! Never here: what a rule wants.

use super::approvals::{self, Tally};
use super::break_glass::{self, Broken};
use super::question::{Answer, Question, Rule};
use super::{Block, four_eyes, freeze, gates, reserved, signed, unbound};
use crate::domain::refusal::{Code, Refusal};

/// Every rule, in the order in which it helps to know that it refuses.
pub const RULES: [Rule; 7] =
    [reserved::RULE, unbound::RULE, signed::RULE, freeze::RULE, gates::RULE, four_eyes::RULE, approvals::RULE];

/// What one rule of one block says.
#[derive(Debug, Clone)]
pub struct Finding<'a> {
    /// The block.
    pub block: &'a Block,
    /// The rule.
    pub rule: Rule,
    /// Its answer.
    pub answer: Answer,
    /// Whether a no refuses; else it is only told.
    pub enforced: bool,
}

/// What the policy says of a change that may go on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ruling {
    /// The approval does not publish yet: it is one of several, and is only kept.
    pub tally: Option<Tally>,
    /// What rules that only report would have refused.
    pub reported: Vec<Refusal>,
    /// The glass was broken.
    pub broken: Option<Broken>,
}

/// All that the rules say, block by block.
pub fn findings<'a>(question: &Question<'a>) -> Vec<Finding<'a>> {
    let policy = question.policy;
    let scope = question.scope;
    let covering: Vec<&'a Block> = policy.blocks.iter().filter(|block| block.covers(&scope)).collect();
    let ask = |rule: Rule, block: &'a Block| {
        let answer = (rule.ask)(block, question)?;
        Some(Finding { block, rule, answer, enforced: block.enforces(rule.code) })
    };
    RULES.into_iter().flat_map(|rule| covering.iter().filter_map(move |block| ask(rule, block))).collect()
}

/// Whether the user holds the right that the lifecycle's table wants, reservations aside.
pub fn holds_right(question: &Question<'_>) -> bool {
    reserved::holds(question, &std::collections::BTreeSet::new())
}

/// Judges a change whose right is held.
///
/// # Errors
/// The first enforced rule that says no.
pub fn judge(question: &Question<'_>) -> Result<Ruling, Refusal> {
    let mut ruling = Ruling::default();
    let mut against = Vec::new();
    for finding in findings(question) {
        let refusal = match finding.answer {
            Answer::Yes(_) => continue,
            Answer::No(refusal) => refusal,
            Answer::Depends(on) => Refusal::new(finding.rule.code, format!("{} is not known: {on}", question.title())),
        };
        match finding.enforced {
            true => against.push(refusal),
            false => ruling.reported.push(refusal),
        }
    }
    if let Some(reason) = question.break_glass {
        break_glass::check(question)?;
        let mut past: Vec<String> = against.iter().map(|refusal| refusal.code.as_str().to_owned()).collect();
        past.dedup();
        ruling.broken = Some(Broken { reason: reason.clone(), past });
        return Ok(ruling);
    }
    let short = |refusal: &Refusal| refusal.code == Code::ApprovalsMissing;
    if let Some(at) = against.iter().position(|refusal| !short(refusal)) {
        return Err(against.swap_remove(at));
    }
    if !against.is_empty() {
        ruling.tally = Some(counted(question)?);
    }
    Ok(ruling)
}

/// The tally with this approval, which is not the last one that is needed.
fn counted(question: &Question<'_>) -> Result<Tally, Refusal> {
    let covering = question.policy.covering(&question.scope).filter(|block| block.enforces(Code::ApprovalsMissing));
    let needed = covering.filter_map(|block| block.approvals).max().map_or(1, |needed| needed.get());
    let tally = approvals::tally(question, needed);
    if approvals::is_approved_by_user(question) {
        let (title, have) = (question.title(), tally.have());
        let reason = format!("{} has approved {title} already: approval {have} of {needed}", question.user);
        return Err(Refusal::new(Code::AlreadyApproved, reason).next("nothing to do: have somebody else approve it"));
    }
    Ok(tally)
}

/// Whether an approval that was kept would be accepted if it came now: its right is held, and no rule but the count is
/// against it.
pub(super) fn would_stand(question: &Question<'_>) -> bool {
    let against = |finding: Finding<'_>| finding.enforced && !matches!(finding.answer, Answer::Yes(_));
    let covering = || question.policy.covering(&question.scope);
    let others = RULES.into_iter().filter(|rule| rule.code != Code::ApprovalsMissing);
    let refuses = |rule: Rule| {
        covering().any(|block| {
            (rule.ask)(block, question)
                .is_some_and(|answer| against(Finding { block, rule, answer, enforced: block.enforces(rule.code) }))
        })
    };
    holds_right(question) && !others.into_iter().any(refuses)
}
