//! `unboundApprovals: refuse`: an approval by API must name the version that was looked at.
//!
//! `kubectl patch` and `kubectl edit` name none unless told to: what they approve is the head of that moment.
//! Never here: comparing the version that is named (see `commands::api`).

use super::Block;
use super::question::{Answer, Question, Rule};
use crate::domain::ledger::Via;
use crate::domain::lifecycle::Action;
use crate::domain::refusal::{Code, Refusal};

/// The rule.
pub const RULE: Rule = Rule { code: Code::UnboundApproval, key: "unboundApprovals", ask };

fn ask(block: &Block, question: &Question<'_>) -> Option<Answer> {
    if !block.refuses_unbound || question.action != Action::Approve {
        return None;
    }
    Some(match question.via {
        Via::Push | Via::Restored => Answer::Yes("a push names the commit that it approves".to_owned()),
        Via::Api => Answer::Yes("the request names the version that it approves".to_owned()),
        Via::ApiUnbound | Via::Found => Answer::No(
            Refusal::new(
                Code::UnboundApproval,
                format!(
                    "the approval of {} names no version, and rule {:?} wants one: what was looked at may not be what is there now",
                    question.title(),
                    block.name
                ),
            )
            .next("add metadata.resourceVersion of the object that you looked at, or approve its commit by git push"),
        ),
    })
}
