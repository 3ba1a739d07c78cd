//! `readinessGates`: conditions that every covered package must meet, whatever gates it names itself.
//!
//! Never here: the package's own gates (see `commands::decide`). A condition that is missing is not met.

use super::Block;
use super::question::{Answer, Question, Rule};
use crate::domain::lifecycle::Action;
use crate::domain::refusal::{Code, Refusal};
use crate::krm::kptfile::ConditionStatus;

/// The rule.
pub const RULE: Rule = Rule { code: Code::GateRequired, key: "readinessGates", ask };

fn ask(block: &Block, question: &Question<'_>) -> Option<Answer> {
    if block.readiness_gates.is_empty()
        || !matches!(question.action, Action::Propose | Action::Approve | Action::Publish)
    {
        return None;
    }
    let wanted = block.readiness_gates.join(", ");
    let Some(conditions) = question.conditions else {
        return Some(Answer::Depends(format!("these conditions must be True in the Kptfile: {wanted}")));
    };
    let met = |gate: &str| conditions.iter().any(|c| c.kind == gate && c.status == ConditionStatus::True);
    let unmet: Vec<&str> = block.readiness_gates.iter().map(String::as_str).filter(|gate| !met(gate)).collect();
    if unmet.is_empty() {
        return Some(Answer::Yes(format!("these conditions are True: {wanted}")));
    }
    let (title, unmet) = (question.title(), unmet.join(", "));
    let reason = format!("{title} does not meet the readiness gates of rule {:?}: {unmet}", block.name);
    Some(Answer::No(Refusal::new(Code::GateRequired, reason).next(
        "set these conditions to \"True\" under status.conditions in the Kptfile once they hold, and push again",
    )))
}
