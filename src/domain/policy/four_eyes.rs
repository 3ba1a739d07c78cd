//! `fourEyes`: neither who proposed, nor anyone who saved the draft since it began, may approve; nor may who proposed a
//! deletion approve that.
//!
//! Where the ledger does not know who did it, nobody can say that the approver is another one: refused.
//! Never here: what the ledger remembers (see `ledger::Entry::savers`).

use super::Block;
use super::question::{Answer, Question, Rule};
use crate::domain::ledger::Entry;
use crate::domain::lifecycle::Action;
use crate::domain::refusal::{Code, Refusal};

/// The rule.
pub const RULE: Rule = Rule { code: Code::FourEyes, key: "fourEyes", ask };

fn ask(block: &Block, question: &Question<'_>) -> Option<Answer> {
    if !block.four_eyes || !matches!(question.action, Action::Approve | Action::Publish | Action::Delete) {
        return None;
    }
    if question.action == Action::Publish {
        let reason =
            format!("{} is published without a proposal, and rule {:?} wants four eyes", question.title(), block.name);
        return Some(Answer::No(
            Refusal::new(Code::FourEyes, reason).next("propose it, and have another user approve it"),
        ));
    }
    let Some(entry) = question.history else {
        return Some(Answer::Depends(match question.action {
            Action::Delete => "whoever proposed the deletion may not approve it".to_owned(),
            _ => "whoever proposed it or saved the draft may not approve it".to_owned(),
        }));
    };
    Some(match question.action {
        Action::Delete => deletion(block, question, entry),
        _ => proposal(block, question, entry),
    })
}

fn refusal(block: &Block, question: &Question<'_>, why: &str) -> Answer {
    let (user, title, words) = (question.user, question.title(), question.action.words());
    let reason = format!("{user} may not {words} {title}: {why}, and rule {:?} wants four eyes", block.name);
    Answer::No(Refusal::new(Code::FourEyes, reason).next("ask another approver, who had no hand in it"))
}

fn proposal(block: &Block, question: &Question<'_>, entry: &Entry) -> Answer {
    let proposed = entry.proposed.as_ref().filter(|deed| question.commit.is_none_or(|commit| commit == deed.commit));
    let Some(proposed) = proposed else {
        let reason =
            format!("nobody knows who proposed {}, and rule {:?} wants four eyes", question.title(), block.name);
        return Answer::No(
            Refusal::new(Code::FourEyes, reason).next("make it a draft again and have its author propose it"),
        );
    };
    if proposed.by == *question.user {
        return refusal(block, question, "the same user proposed it");
    }
    if entry.savers().any(|saver| saver == question.user) {
        return refusal(block, question, "the same user saved the draft");
    }
    Answer::Yes(format!("{} proposed it; {} had no hand in it", proposed.by, question.user))
}

fn deletion(block: &Block, question: &Question<'_>, entry: &Entry) -> Answer {
    match &entry.deletion_proposed {
        None => {
            let title = question.title();
            let reason =
                format!("nobody knows who proposed the deletion of {title}, and rule {:?} wants four eyes", block.name);
            let next = "withdraw the deletion, and propose it again";
            Answer::No(Refusal::new(Code::FourEyes, reason).next(next))
        }
        Some(deed) if deed.by == *question.user => refusal(block, question, "the same user proposed the deletion"),
        Some(deed) => Answer::Yes(format!("{} proposed the deletion; {} had no hand in it", deed.by, question.user)),
    }
}
