//! What the pusher reads: what happened, and what to type next. The product's face; golden-tested.
//!
//! Never here: deciding. Lines carry no prefix of Git's (`remote: `) and no colours.

use std::collections::BTreeMap;

use super::fit::{MOST_LINES, fit};
use super::ruled_reply;
use crate::commands::decide::Decision;
use crate::commands::explain::{approve_command, title};
use crate::domain::ledger::Deed;
use crate::domain::lifecycle::Action;
use crate::domain::names::{PackagePath, UserName};
use crate::domain::package::PackageRevision;
use crate::domain::refs::{RefName, Registration};
use crate::domain::refusal::Refusal;
use crate::krm::shown;

/// What to say of a transition that is complete: what happened, then what may be done next. `object` is the package revision
/// as it is now.
pub fn done(decision: &Decision, object: Option<&PackageRevision>, registration: &Registration) -> Vec<String> {
    if let Some(counted) = ruled_reply::counted(decision) {
        return counted;
    }
    let (package, workspace) = (&decision.change.package, &decision.change.workspace);
    let title = title(package, workspace);
    let commit = decision.commit.short();
    let mut lines = Vec::new();
    match decision.change.action {
        Action::Save => {
            lines.push(format!("{title}: draft saved at {commit}"));
            lines.push(format!("  to propose it: git push origin {commit}:{}", RefName::proposed(package, workspace)));
        }
        Action::Propose => {
            lines.push(format!("{title}: proposed at {commit}; the proposal is locked"));
            lines.push(format!("  to approve it: {}", approve_command(package, workspace, &commit)));
            if let Some(object) = object {
                let (name, namespace) = (&object.name, &object.repository.namespace);
                lines.push(format!("  or: kubectl -n {namespace} patch packagerevision {name} --type=merge -p '{{\"spec\":{{\"lifecycle\":\"Published\"}}}}'"));
            }
            lines.push(format!("  to take it back: git push origin {commit}:{}", RefName::draft(package, workspace)));
        }
        Action::Approve | Action::Publish => {
            let number = decision.number.map(|number| number.segment()).unwrap_or_default();
            let merge = object.map(|object| format!(" at {}", object.commit.short())).unwrap_or_default();
            lines.push(format!("{title}: published as {number}{merge}"));
            lines.push(format!("  to get it: git fetch origin {} tag {package}/{number}", registration.branch_name()));
        }
        Action::Reject => {
            lines.push(format!("{title}: a draft again at {commit}"));
            lines.push(format!("  to get it: git fetch origin {}", RefName::draft(package, workspace).shortened()));
        }
        Action::DropDraft => lines.push(format!("{title}: draft dropped; it was at {commit}")),
        Action::DropProposal => lines.push(format!("{title}: proposal dropped; it was at {commit}")),
        Action::ProposeDeletion => {
            let segment = decision.segment.as_deref().unwrap_or_default();
            let (marker, tag) = (RefName::deletion_proposed(package, segment), RefName::tag(package, segment));
            lines.push(format!("{title}: deletion of {segment} proposed"));
            lines.push(format!("  to delete it: git push origin :{tag}"));
            lines.push(format!("  to keep it: git push origin :{marker}"));
        }
        Action::RefuseDeletion => lines.push(format!("{title}: stays published")),
        Action::Delete => {
            let segment = decision.segment.as_deref().unwrap_or_default();
            lines.push(match decision.number {
                Some(_) => format!("{title}: {segment} deleted; its number is not used again"),
                None => format!("{title}: {segment} deleted"),
            });
        }
    }
    lines
}

/// That a change is signed, and the certificate kept.
pub fn signed(deed: &Deed) -> Option<String> {
    deed.certificate.as_ref().map(|certificate| format!("signed by {} with {}", deed.by, certificate.key))
}

/// What to tell of a signed push whose user has no signing keys.
pub fn signed_for_nothing(user: &UserName) -> String {
    fit(&format!("This push is signed, but no signing key of {user} is configured here: its certificate is not kept."))
}

/// What to tell of a package that a push to the branch changed without publishing it.
pub fn passed(package: &PackagePath, branch: &str) -> String {
    format!("{package}: changed on {branch}; no revision is published")
}

/// How the reply to a refused push begins.
const REFUSED: &str = "Stoop refused this push; nothing was changed.";

/// So many characters of a reason are told, and so many of what to do next.
const MOST_OF: (usize, usize) = (300, 500);

/// Refs that are refused for the same reason.
struct Alike<'r> {
    name: &'r RefName,
    others: usize,
    refusal: &'r Refusal,
}

/// What to tell of a refused push: each ref with its own reason, and with what to do next where hints are wanted.
pub fn refused(refs: &[(RefName, Option<Refusal>)], hints: bool) -> Vec<String> {
    // The sentence on the whole, then three lines for each reason, and two for what is only counted.
    const MOST_REASONS: usize = (MOST_LINES - 3) / 3;
    let mut groups: Vec<Alike<'_>> = Vec::new();
    let (mut accepted, mut more) = (0, BTreeMap::<&str, usize>::new());
    for (name, refusal) in refs {
        let Some(refusal) = refusal else {
            accepted += 1;
            continue;
        };
        match groups.iter().position(|group| group.refusal == refusal) {
            Some(at) => groups[at].others += 1,
            None if groups.len() < MOST_REASONS => groups.push(Alike { name, others: 0, refusal }),
            None => *more.entry(refusal.code.as_str()).or_default() += 1,
        }
    }
    let mut lines = vec![REFUSED.to_owned()];
    for Alike { name, others, refusal } in groups {
        let others = match others {
            0 => String::new(),
            1 => " and another ref".to_owned(),
            many => format!(" and {many} other refs"),
        };
        lines.extend(why(&format!("{name}{others}"), refusal, hints));
    }
    if !more.is_empty() {
        let codes: Vec<String> = more.iter().map(|(code, count)| format!("{count} {code}")).collect();
        lines.push(format!("  and {} more refs that were refused: {}", more.values().sum::<usize>(), codes.join(", ")));
    }
    if accepted > 0 {
        let noun = if accepted == 1 { "ref" } else { "refs" };
        lines.push(format!("  {accepted} other {noun} of this push would have been accepted"));
    }
    lines.iter().map(|line| fit(line)).collect()
}

/// What to tell where no ref of the push can be judged by itself.
pub fn refused_whole(refusal: &Refusal, hints: bool) -> Vec<String> {
    let lines = [REFUSED.to_owned()].into_iter().chain(why("all of it", refusal, hints));
    lines.map(|line| fit(&line)).collect()
}

fn why(what: &str, refusal: &Refusal, hints: bool) -> Vec<String> {
    let mut lines = vec![format!("  {what} [{}]", refusal.code.as_str()), format!("    {}", reason(refusal))];
    let next = refusal.next.iter().filter(|_| hints);
    lines.extend(next.map(|next| format!("    {}", shown::line(next, MOST_OF.1))));
    lines
}

/// A reason as git itself repeats it behind a ref.
pub fn reason(refusal: &Refusal) -> String {
    shown::line(&refusal.reason, MOST_OF.0)
}

/// The sentence for a ref that goes down with another one of its push.
pub const TOGETHER: &str = "another ref of this push was refused";

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
