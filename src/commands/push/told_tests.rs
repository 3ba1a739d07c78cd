//! Tests of what is told of accepted pushes: the words of every action, and what is told of a rich one.

use super::*;
use crate::domain::change::Change;
use crate::domain::ledger::Via;
use crate::domain::lifecycle::{State, step};
use crate::domain::names::{Directory, PackagePath, UserName, Workspace};
use crate::domain::policy::Role;
use crate::domain::policy::judge::Ruling;
use crate::domain::readiness::Readiness;
use crate::domain::refs::RevisionNumber;
use crate::domain::timestamp::Micros;
use crate::krm::kptfile::ConditionStatus;

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
        number: matches!(action, Action::Approve | Action::Publish | Action::Delete).then_some(RevisionNumber(3)),
        ruling: Ruling::default(),
        tree: None,
        warnings: Vec::new(),
        pipeline: false,
        readiness: Readiness::default(),
        against: None,
        segment: Some("v3".to_owned()),
        ref_name: None,
    }
}

fn users(count: usize, role: Role) -> Vec<Actor> {
    let name = |at: usize| UserName::parse(&format!("{}-{at}", format!("{role:?}").to_lowercase())).expect("valid");
    (1..=count).map(|at| Actor { name: name(at), roles: [role].into() }).collect()
}

fn told(decision: &Decision, hints: bool) -> String {
    let registration =
        Registration { branch: RefName::branch("main").expect("valid"), directory: Directory::default() };
    let users: Vec<Actor> = [users(1, Role::Admin), users(2, Role::Author), users(2, Role::Approver)].concat();
    let audience = Audience { hints, users: Arc::new(move || users.clone()) };
    let deed = Deed::new(UserName::parse("ann").expect("valid"), Micros(1), decision.commit, Via::Push);
    fit::reply(&[block((decision, &deed), None, &registration, &audience)], 0, fit::MOST_LINES).join("\n")
}

#[test]
fn the_replies_are_the_golden_ones() {
    let mut text = String::new();
    for action in Action::ALL {
        text.push_str(&format!("## {}\n{}\n\n", action.as_str(), told(&decision(action), true)));
    }
    let mut rich = decision(Action::Save);
    rich.pipeline = true;
    rich.readiness = Readiness {
        gates: 3,
        met: 1,
        unmet: vec![("Tested".to_owned(), None), ("Reviewed".to_owned(), Some(ConditionStatus::False))],
    };
    rich.warnings = (1..5).map(|at| format!("net/router/{at}.yaml is not valid YAML")).collect();
    text.push_str(&format!("## with a pipeline, gates and warnings\n{}\n\n", told(&rich, true)));
    text.push_str(&format!("## without hints\n{}\n", told(&decision(Action::Propose), false)));
    insta::with_settings!({snapshot_path => "../../../tests/goldens", prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!("push_replies", text);
    });
}

#[test]
fn at_most_five_people_are_named() {
    let who =
        |approvers, admins| who_may_approve(&[users(admins, Role::Admin), users(approvers, Role::Approver)].concat());
    assert_eq!(who(2, 1), "who may approve it: approver-1, approver-2, admin-1");
    assert_eq!(who(9, 1), "who may approve it: approver-1, approver-2, approver-3, approver-4, approver-5 and 5 more");
    assert_eq!(
        who_may_approve(&users(3, Role::Author)),
        "nobody may approve it: no user of the configuration has the role approver"
    );
}

#[test]
fn warnings_that_strangers_wrote_are_harmless_and_few() {
    let mut decision = decision(Action::Save);
    decision.warnings = vec![format!("\u{1b}[2J{}", "x".repeat(10_000)); 50];
    let text = told(&decision, true);
    assert!(text.lines().count() == 5 && text.len() < 1000 && !text.contains('\u{1b}'), "{text}");
    assert!(text.contains("and 48 more warnings"), "{text}");
}
