//! Policy files, and what is asked of those that are good.

use std::path::Path;

use stoop::domain::ledger::{Deed, Entry, Via};
use stoop::domain::lifecycle::Action;
use stoop::domain::names::{Namespace, PackagePath, RepositoryName, UserName, Workspace};
use stoop::domain::oid::ObjectId;
use stoop::domain::policy::explain::explain;
use stoop::domain::policy::judge::{Ruling, holds_right, judge};
use stoop::domain::policy::question::Question;
use stoop::domain::policy::{Policy, Right, Role, Scope};
use stoop::domain::refusal::Refusal;
use stoop::domain::timestamp::Micros;

const ASKED: [(Action, Right); 4] = [
    (Action::Save, Right::Author),
    (Action::Approve, Right::Approve),
    (Action::Reject, Right::ApproveOrProposer),
    (Action::Delete, Right::Approve),
];

/// The input is the file.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let file = Path::new("policy.yaml");
    let read = Policy::read(text, file);
    assert_eq!(Policy::read(text, file), read, "reading twice gives the same");
    match read {
        Err(error) => assert!(error.to_string().starts_with("policy.yaml:"), "{error}"),
        Ok(policy) => {
            assert!(policy.serial > 0 && policy.digest.len() == 64);
            let mut names: Vec<&str> = policy.blocks.iter().map(|block| block.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), policy.blocks.len(), "every rule has its own name");
            ask(&policy);
        }
    }
}

fn ask(policy: &Policy) {
    let user = |name: &str| UserName::parse(name).expect("valid");
    let commit: ObjectId = "a".repeat(40).parse().expect("valid");
    let package = PackagePath::parse("net/router").expect("valid");
    let workspace = Workspace::parse("w1").expect("valid");
    let (namespace, repository) =
        (Namespace::parse("default").expect("valid"), RepositoryName::parse("packages").expect("valid"));
    let mut entry = Entry::new(package.clone(), workspace.clone());
    let deed = |name: &str| Deed::new(user(name), Micros(5), commit, Via::Push);
    entry.record(Action::Save, deed("art"), None);
    entry.record(Action::Propose, deed("ann"), None);
    entry.keep_approval(deed("amy"), 2);
    // The first block left out: what is left must not allow less than the whole.
    let mut fewer = policy.clone();
    if !fewer.blocks.is_empty() && fewer.blocks[0].roles.is_empty() {
        fewer.blocks.remove(0);
    }
    let mut turned = policy.clone();
    turned.blocks.reverse();
    for (name, role) in [("ann", Role::Author), ("bob", Role::Approver), ("ada", Role::Admin)] {
        let (name, everywhere) = (user(name), [role].into());
        for (action, right) in ASKED {
            let question = |policy| Question {
                policy,
                scope: Scope { namespace: &namespace, repository: &repository, package: &package },
                workspace: &workspace,
                action,
                right,
                user: &name,
                everywhere: &everywhere,
                via: Via::Push,
                commit: Some(commit),
                now: Micros::from_seconds(1_800_000_000),
                history: Some(&entry),
                conditions: Some(&[]),
                break_glass: None,
                certificate: None,
            };
            let outcome = judge(&question(policy));
            assert!(allowed(&outcome) <= allowed(&judge(&question(&fewer))), "a block allows more");
            assert_eq!(allowed(&outcome), allowed(&judge(&question(&turned))), "the order matters");
            let explained = explain(&question(policy));
            let yes = holds_right(&question(policy)) && outcome.is_ok();
            assert_eq!(explained.answer == "yes", yes, "{}", explained.text());
        }
    }
}

/// How much an outcome allows: nothing, one approval of several, all.
fn allowed(outcome: &Result<Ruling, Refusal>) -> u8 {
    match outcome {
        Err(_) => 0,
        Ok(Ruling { tally: Some(_), .. }) => 1,
        Ok(_) => 2,
    }
}
