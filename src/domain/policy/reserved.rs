//! `reservedFor`: a role counts for the listed people only, wherever a user has it from, administrators included.
//!
//! Never here: giving roles (see `Policy::roles`).

use std::collections::BTreeSet;

use super::question::{Answer, Question, Rule};
use super::{Actor, Block, Role};
use crate::domain::refusal::{Code, Refusal};

/// The rule.
pub const RULE: Rule = Rule { code: Code::Reserved, key: "reservedFor", ask };

/// Every block is asked together with all those that enforce their reservations: two blocks that each leave the user one
/// way may together leave none.
fn ask(block: &Block, question: &Question<'_>) -> Option<Answer> {
    let closed = closed(block, question);
    if block.reserved.is_empty() {
        return None;
    }
    let together = question.policy.covering(&question.scope).filter(|other| other.enforces(Code::Reserved));
    let all: BTreeSet<Role> = together.flat_map(|other| self::closed(other, question)).chain(closed.clone()).collect();
    if closed.is_empty() || holds(question, &all) {
        return Some(Answer::Yes(format!("{} is among those for whom it is reserved, or needs not be", question.user)));
    }
    let (title, words) = (question.title(), question.action.words());
    let people = closed.iter().filter_map(|role| block.reserved.get(role)).map(|people| people.shown.as_str());
    let people = people.collect::<Vec<_>>().join(", ");
    Some(Answer::No(
        Refusal::new(
            Code::Reserved,
            format!("{} may not {words} {title}: rule {:?} reserves this for {people}", question.user, block.name),
        )
        .next(format!("ask {people}")),
    ))
}

/// The roles that a block reserves for others.
fn closed(block: &Block, question: &Question<'_>) -> BTreeSet<Role> {
    let others = block.reserved.iter().filter(|(_, people)| !people.names.contains(question.user));
    others.map(|(role, _)| *role).collect()
}

/// Whether the user holds the right of the question with all roles but the `closed` ones. An administrator is an author and
/// an approver, each as far as that role is not closed.
pub fn holds(question: &Question<'_>, closed: &BTreeSet<Role>) -> bool {
    let mut roles = question.roles();
    if !closed.is_empty() && roles.contains(&Role::Admin) {
        roles.remove(&Role::Admin);
        roles.extend([Role::Reader, Role::Author, Role::Approver]);
    }
    roles.retain(|role| !closed.contains(role));
    Actor { name: question.user.clone(), roles }.holds(question.right, question.proposer())
}
