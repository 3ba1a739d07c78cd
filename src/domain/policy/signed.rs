//! `signed`: the named actions need a push that the very user signed, `git push --signed`.
//!
//! A request of the Kubernetes API carries no signature: where one is wanted, it is refused with the push to type.
//! Never here: whether a signature holds (see `commands::push::signed`).

use super::Block;
use super::question::{Answer, Question, Rule};
use crate::domain::ledger::Via;
use crate::domain::lifecycle::Action;
use crate::domain::refs::{APPROVE, DRAFTS, PROPOSED, REJECT};
use crate::domain::refusal::{Code, Refusal};

/// The rule.
pub const RULE: Rule = Rule { code: Code::NotSigned, key: "signed", ask };

fn ask(block: &Block, question: &Question<'_>) -> Option<Answer> {
    if !wants(block, question.action) {
        return None;
    }
    if let Some(certificate) = question.certificate {
        return Some(Answer::Yes(format!("{} signed it with {}", question.user, certificate.key)));
    }
    if question.history.is_none() {
        return Some(Answer::Depends(format!("it comes by a push that {} signed", question.user)));
    }
    let what = match question.via {
        Via::Api | Via::ApiUnbound => "a request of the API is not signed",
        Via::Push | Via::Found | Via::Restored => "it is not signed",
    };
    let (user, words, title) = (question.user, question.action.words(), question.title());
    let reason =
        format!("{user} may not {words} {title} like this: {what}, and rule {:?} wants a signed push", block.name);
    Some(Answer::No(
        Refusal::new(Code::NotSigned, reason)
            .next(format!("push it with a signature, by a key under signingKeys of {user}: {}", command(question))),
    ))
}

/// Whether a rule wants an action signed. Where approvals are to be signed, nothing is published without a signature by
/// pushing it to the branch either.
fn wants(block: &Block, action: Action) -> bool {
    block.signed.contains(&action) || (action == Action::Publish && block.signed.contains(&Action::Approve))
}

/// The push that would do it.
fn command(question: &Question<'_>) -> String {
    let (package, workspace) = (question.scope.package, question.workspace);
    let commit = question.commit.map_or_else(|| "<commit>".to_owned(), |commit| commit.short());
    let refspec = match question.action {
        Action::Save => format!("{commit}:{DRAFTS}{package}/{workspace}"),
        Action::Propose => format!("{commit}:{PROPOSED}{package}/{workspace}"),
        Action::Approve => format!("{commit}:{APPROVE}{package}/{workspace}"),
        Action::Reject => format!("{commit}:{REJECT}{package}/{workspace}"),
        Action::Publish => format!("{commit}:<branch>"),
        Action::DropDraft => format!(":{DRAFTS}{package}/{workspace}"),
        Action::DropProposal => format!(":{PROPOSED}{package}/{workspace}"),
        // By the revision's number, which is not asked for here.
        Action::ProposeDeletion | Action::RefuseDeletion | Action::Delete => "<refspec>".to_owned(),
    };
    format!("git push --signed origin {refspec}")
}
