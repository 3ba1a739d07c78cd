//! What is told of each ref of an accepted push: what happened, what differs, how it stands, and what comes next.
//!
//! It is kept as data until somebody reads it; only for what is shown two versions of a package are compared, after the refs
//! have moved and without any lock. Never here: deciding, and how much room there is (see `fit`).

use std::fmt;
use std::sync::Arc;

use super::changed;
use super::fit::{self, Block};
use super::{reply, ruled_reply};
use crate::commands::compare::{Allowance, compare};
use crate::commands::decide::{Against, Decision};
use crate::commands::repository::ManagedRepository;
use crate::domain::ledger::Deed;
use crate::domain::lifecycle::Action;
use crate::domain::package::{PackageRevision, functions_not_available};
use crate::domain::policy::{Actor, Right};
use crate::domain::refs::{RefName, Registration};
use crate::git::{GitError, Reader};
use crate::krm::shown;

/// Below so many lines for a ref there is no room for what differs.
const ROOM_TO_COMPARE: usize = 4;
/// So many warnings of one ref are told one by one.
const MOST_WARNINGS: usize = 3;
/// So many users are named.
const MOST_NAMED: usize = 5;

/// What is to be told of one ref.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// A transition that is complete.
    Done {
        /// What was decided.
        decision: Box<Decision>,
        /// By whom.
        deed: Deed,
        /// The package revision as it was then.
        object: Option<Arc<PackageRevision>>,
    },
    /// A sentence.
    Sentence(String),
}

/// Who reads the reply.
#[derive(Clone)]
pub struct Audience {
    /// Whether the reply says what may be done next, and by whom.
    pub hints: bool,
    /// The users that are configured, asked for only where some are named.
    pub users: Arc<dyn Fn() -> Vec<Actor> + Send + Sync>,
}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audience").field("hints", &self.hints).finish_non_exhaustive()
    }
}

/// The reply for these refs, and for `more` that are only counted, in at most `room` lines.
pub fn lines(
    repository: &ManagedRepository,
    told: &[Told],
    more: usize,
    audience: &Audience,
    room: usize,
) -> Vec<String> {
    let reader = repository.guarded.store().reader();
    let registration = &repository.guarded.key().registration;
    let mut allowance = Allowance::of_reply();
    let compares = told.len() + usize::from(more > 0) <= room / ROOM_TO_COMPARE;
    let blocks: Vec<Block> = told
        .iter()
        .map(|told| match told {
            Told::Sentence(sentence) => Block { head: sentence.clone(), ..Block::default() },
            Told::Done { decision, deed, object } => {
                let mut block = block((decision, deed), object.as_deref(), registration, audience);
                if compares {
                    tell_changes(&mut block, &reader, decision, registration, &mut allowance);
                }
                block
            }
        })
        .collect();
    fit::reply(&blocks, more, room)
}

/// A transition without what differs.
fn block(
    (decision, deed): (&Decision, &Deed),
    object: Option<&PackageRevision>,
    registration: &Registration,
    audience: &Audience,
) -> Block {
    let mut words = reply::done(decision, object, registration).into_iter();
    let head = words.next().unwrap_or_default();
    let mut next = Vec::new();
    if audience.hints {
        if matches!(decision.change.action, Action::Propose | Action::ProposeDeletion) {
            next.push(who_may_approve(&(audience.users)()));
        }
        next.extend(words.map(|line| line.trim_start().to_owned()));
    }
    Block { head, state: state(decision, deed), next, ..Block::default() }
}

/// Signature, gates, pipeline and warnings.
fn state(decision: &Decision, deed: &Deed) -> Vec<String> {
    let mut lines: Vec<String> = reply::signed(deed).into_iter().collect();
    let content = matches!(decision.change.action, Action::Save | Action::Propose | Action::Approve | Action::Publish);
    let readiness = &decision.readiness;
    if content && readiness.gates > 0 {
        let missing = readiness.missing();
        let missing = if missing.is_empty() { missing } else { format!("; not met: {}", shown::line(&missing, 300)) };
        lines.push(format!("readiness gates: {} of {} met{missing}", readiness.met, readiness.gates));
    }
    if decision.pipeline && matches!(decision.change.action, Action::Save | Action::Propose) {
        let condition = functions_not_available();
        lines.push(format!("{}=Unknown ({}): {}", condition.kind, condition.reason, condition.message));
    }
    lines.extend(
        ruled_reply::warnings(decision).iter().map(|warning| format!("warning: {}", shown::line(warning, 400))),
    );
    let told = if decision.warnings.len() > MOST_WARNINGS { MOST_WARNINGS - 1 } else { MOST_WARNINGS };
    lines.extend(decision.warnings.iter().take(told).map(|warning| format!("warning: {}", shown::line(warning, 200))));
    if decision.warnings.len() > told {
        lines.push(format!("and {} more warnings", decision.warnings.len() - told));
    }
    lines
}

/// Who can take the next step: approvers first, then administrators.
fn who_may_approve(users: &[Actor]) -> String {
    let may = users.iter().filter(|user| user.holds(Right::Approve, None));
    let (admins, approvers): (Vec<&Actor>, Vec<&Actor>) = may.partition(|user| user.holds(Right::Admin, None));
    let mut names: Vec<String> =
        approvers.iter().chain(&admins).map(|user| shown::line(user.name.as_str(), 40)).collect();
    let more = names.len().saturating_sub(MOST_NAMED);
    names.truncate(MOST_NAMED);
    match (names.is_empty(), more) {
        (true, _) => "nobody may approve it: no user of the configuration has the role approver".to_owned(),
        (false, 0) => format!("who may approve it: {}", names.join(", ")),
        (false, more) => format!("who may approve it: {} and {more} more", names.join(", ")),
    }
}

/// Adds what differs from what is published.
fn tell_changes(
    block: &mut Block,
    reader: &Reader,
    decision: &Decision,
    registration: &Registration,
    allowance: &mut Allowance,
) {
    let (Some(against), Some(tree)) = (&decision.against, decision.tree) else { return };
    let (package, commit) = (&decision.change.package, decision.commit.short());
    let branch = registration.branch_name();
    let (with, old, all) = match against {
        Against::Revision(segment, old) => {
            let tag = RefName::tag(package, segment);
            let tag = tag.as_str().trim_start_matches("refs/").to_owned();
            (format!("compared with {segment}"), Some(*old), format!("git diff {tag} {commit} -- {package}"))
        }
        Against::Branch(Some(old)) => {
            let all = format!("git diff origin/{branch}...{commit} -- {package}");
            (format!("compared with {branch}"), Some(*old), all)
        }
        Against::Branch(None) => {
            ("a new package".to_owned(), None, format!("git ls-tree -r --name-only {commit} {package}/"))
        }
    };
    match compare(reader, old, Some(tree), allowance) {
        Ok(changes) => {
            block.compared = Some(format!("{with}: {}", changed::summary(&changes)));
            block.items = changed::items(&changes);
            block.beyond = changed::beyond(&changes);
            block.all = all;
        }
        Err(GitError::TooMany { limit, .. }) => {
            block.compared = Some(format!("{with}: more than {limit} files differ: {all}"));
        }
        Err(error) => tracing::warn!(%error, "what a push changed cannot be told"),
    }
}

#[cfg(test)]
#[path = "told_tests.rs"]
mod tests;
