//! What the pusher reads: what happened, and what to type next. The product's face; golden-tested.
//!
//! Never here: deciding. Lines carry no prefix of Git's (`remote: `) and no colours.

use crate::commands::decide::Decision;
use crate::commands::explain::{approve_command, title};
use crate::domain::ledger::Deed;
use crate::domain::lifecycle::Action;
use crate::domain::names::UserName;
use crate::domain::package::{PackageRevision, functions_not_available};
use crate::domain::refs::{RefName, Registration};
use crate::domain::refusal::Refusal;

/// What to tell of a transition that is complete; `object` is the package revision as it is now.
pub fn done(decision: &Decision, object: Option<&PackageRevision>, registration: &Registration) -> Vec<String> {
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
        Action::Approve => {
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
            lines.push(format!("{title}: {segment} deleted; its number is not used again"));
        }
    }
    if decision.pipeline && matches!(decision.change.action, Action::Save | Action::Propose) {
        let condition = functions_not_available();
        lines.push(format!("  {}=Unknown ({}): {}", condition.kind, condition.reason, condition.message));
    }
    lines.extend(decision.warnings.iter().map(|warning| format!("  warning: {warning}")));
    lines
}

/// That a change is signed, and the certificate kept.
pub fn signed(deed: &Deed) -> Option<String> {
    deed.certificate.as_ref().map(|certificate| format!("  signed by {} with {}", deed.by, certificate.key))
}

/// What to tell of a signed push whose user has no signing keys.
pub fn signed_for_nothing(user: &UserName) -> String {
    format!("This push is signed, but no signing key of {user} is configured here: its certificate is not kept.")
}

/// What to tell of a refused push: each ref with its own reason.
pub fn refused(refs: &[(String, Option<Refusal>)]) -> Vec<String> {
    const MOST: usize = 20;
    let mut lines = vec!["Stoop refused this push; nothing was changed.".to_owned()];
    let own = refs.iter().filter(|(_, refusal)| refusal.is_some()).count();
    for (name, refusal) in
        refs.iter().filter_map(|(name, refusal)| refusal.as_ref().map(|refusal| (name, refusal))).take(MOST)
    {
        lines.push(format!("  {name} [{}]", refusal.code.as_str()));
        lines.push(format!("    {}", refusal.reason));
        lines.extend(refusal.next.iter().map(|next| format!("    {next}")));
    }
    if own > MOST {
        lines.push(format!("  and {} more refs that were refused", own - MOST));
    }
    let others = refs.len() - own;
    if others > 0 {
        let noun = if others == 1 { "ref" } else { "refs" };
        lines.push(format!("  {others} other {noun} of this push would have been accepted"));
    }
    lines
}

/// The sentence for a ref that goes down with another one of its push.
pub const TOGETHER: &str = "another ref of this push was refused";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::change::Change;
    use crate::domain::ledger::Via;
    use crate::domain::lifecycle::{State, step};
    use crate::domain::names::{Directory, PackagePath, Workspace};
    use crate::domain::refs::RevisionNumber;
    use crate::domain::refusal::Code;

    fn decision(action: Action) -> Decision {
        let from =
            State::ALL.into_iter().find(|state| step(*state, action).is_ok()).expect("every action is legal somewhere");
        Decision {
            change: Change {
                package: PackagePath::parse("net/router").expect("valid"),
                workspace: Workspace::parse("w1").expect("valid"),
                action,
                commit: None,
                via: Via::Push,
            },
            commit: "c0ffee1234".repeat(4).parse().expect("valid"),
            from,
            to: step(from, action).expect("legal").to,
            number: (action == Action::Approve).then_some(RevisionNumber(3)),
            tree: None,
            warnings: Vec::new(),
            pipeline: false,
            segment: Some("v3".to_owned()),
            ref_name: None,
        }
    }

    #[test]
    fn the_replies_are_the_golden_ones() {
        let registration =
            Registration { branch: RefName::branch("main").expect("valid"), directory: Directory::default() };
        let mut text = String::new();
        for action in Action::ALL {
            text.push_str(&format!(
                "## {}\n{}\n\n",
                action.as_str(),
                done(&decision(action), None, &registration).join("\n")
            ));
        }
        let mut rich = decision(Action::Save);
        rich.pipeline = true;
        rich.warnings = vec!["net/router/values.yaml is not valid YAML".to_owned()];
        text.push_str(&format!(
            "## with a pipeline and a warning\n{}\n\n",
            done(&rich, None, &registration).join("\n")
        ));
        let refusal = Refusal::new(Code::ProposalLocked, "net/router w1 is proposed, and a proposal is locked")
            .next("make it a draft again first");
        let refs =
            vec![("refs/heads/drafts/net/router/w1".to_owned(), Some(refusal)), ("refs/heads/x".to_owned(), None)];
        text.push_str(&format!("## refused\n{}\n", refused(&refs).join("\n")));
        insta::with_settings!({snapshot_path => "../../../tests/goldens", prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!("push_replies", text);
        });
    }

    #[test]
    fn a_refusal_of_thousands_of_refs_stays_readable() {
        let refs: Vec<_> = (0..5000)
            .map(|i| (format!("refs/heads/drafts/x/{i}"), Some(Refusal::new(Code::BadName, "bad").next("rename"))))
            .collect();
        assert!(refused(&refs).len() < 70);
    }
}
