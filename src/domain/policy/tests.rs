//! The rules together: what each refuses and how it says so, and that a further block never allows more.

use std::num::NonZeroU32;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::break_glass::Reason;
use super::explain::explain;
use super::freeze::{WeekTime, Window};
use super::judge::{RULES, Ruling, holds_right, judge};
use super::question::Question;
use super::*;
use crate::domain::ledger::{Deed, Entry, Via};
use crate::domain::lifecycle::Action;
use crate::domain::names::Workspace;
use crate::domain::oid::ObjectId;
use crate::domain::refusal::Refusal;
use crate::domain::timestamp::Micros;
use crate::krm::kptfile::{Condition, ConditionStatus};

fn user(name: &str) -> UserName {
    UserName::parse(name).expect("valid")
}

fn oid(digit: char) -> ObjectId {
    digit.to_string().repeat(40).parse().expect("valid")
}

fn people(names: &[&str]) -> People {
    People { names: names.iter().map(|name| user(name)).collect(), shown: names.join(", ") }
}

/// A question's own values.
#[derive(Debug, Clone)]
struct Case {
    policy: Policy,
    namespace: Namespace,
    repository: RepositoryName,
    package: PackagePath,
    workspace: Workspace,
    action: Action,
    right: Right,
    user: UserName,
    via: Via,
    now: Micros,
    entry: Entry,
    conditions: Vec<Condition>,
    reason: Option<Reason>,
}

impl Case {
    /// net/router w1, saved by art and ann, proposed by ann; bob and amy may approve, ada may all.
    fn new(blocks: Vec<Block>) -> Self {
        let package = PackagePath::parse("net/router").expect("valid");
        let workspace = Workspace::parse("w1").expect("valid");
        let mut entry = Entry::new(package.clone(), workspace.clone());
        let deed = |name| Deed::new(user(name), Micros(5), oid('a'), Via::Push);
        entry.record(Action::Save, deed("art"), None);
        entry.record(Action::Save, deed("ann"), None);
        entry.record(Action::Propose, deed("ann"), None);
        let roles = [
            ("ann", vec![Role::Author]),
            ("art", vec![Role::Author, Role::Approver]),
            ("amy", vec![Role::Author, Role::Approver]),
            ("bob", vec![Role::Approver]),
            ("ada", vec![Role::Admin]),
        ];
        let users = roles.into_iter().map(|(name, roles)| (user(name), roles.into_iter().collect())).collect();
        Self {
            policy: Policy { serial: 1, blocks, users, ..Policy::default() },
            namespace: Namespace::parse("default").expect("valid"),
            repository: RepositoryName::parse("packages").expect("valid"),
            package,
            workspace,
            action: Action::Approve,
            right: Right::Approve,
            user: user("bob"),
            via: Via::Push,
            now: Micros::from_seconds(1_700_000_000),
            entry,
            conditions: Vec::new(),
            reason: None,
        }
    }

    fn by(self, name: &str) -> Self {
        Self { user: user(name), ..self }
    }

    fn ask<T>(&self, job: impl FnOnce(&Question<'_>) -> T) -> T {
        let everywhere = self.policy.everywhere(&self.user);
        job(&Question {
            policy: &self.policy,
            scope: Scope { namespace: &self.namespace, repository: &self.repository, package: &self.package },
            workspace: &self.workspace,
            action: self.action,
            right: self.right,
            user: &self.user,
            everywhere: &everywhere,
            via: self.via,
            commit: Some(oid('a')),
            now: self.now,
            history: Some(&self.entry),
            conditions: Some(&self.conditions),
            break_glass: self.reason.as_ref(),
            certificate: None,
        })
    }

    fn judge(&self) -> Result<Ruling, Refusal> {
        self.ask(judge)
    }

    fn code(&self) -> Option<Code> {
        self.judge().err().map(|refusal| refusal.code)
    }
}

fn block(name: &str) -> Block {
    Block { name: name.to_owned(), ..Block::default() }
}

fn four_eyes() -> Block {
    Block { four_eyes: true, ..block("everywhere") }
}

fn approvals(number: u32) -> Block {
    Block { approvals: NonZeroU32::new(number), ..block("production") }
}

fn frozen() -> Block {
    let window =
        Window::Weekly { from: WeekTime::new(Weekday::Monday, 0, 0), until: WeekTime::new(Weekday::Sunday, 23, 59) };
    let freeze = Freeze { name: Some("all week".to_owned()), window, zone: TimeZone::UTC, zone_name: "UTC".to_owned() };
    Block { freezes: vec![freeze], ..block("production") }
}

fn signed() -> Block {
    Block { signed: [Action::Approve, Action::Reject].into(), ..block("signatures") }
}

fn reserved() -> Block {
    Block { reserved: [(Role::Approver, people(&["amy"]))].into(), ..block("production") }
}

#[test]
fn every_refusal_is_the_golden_one() {
    let gates = Block { readiness_gates: vec!["Tested".to_owned(), "Scanned".to_owned()], ..block("production") };
    let unbound = Block { refuses_unbound: true, ..block("everywhere") };
    let mut cases = vec![
        ("the proposer", Case::new(vec![four_eyes()]).by("ann")),
        ("somebody who saved the draft", Case::new(vec![four_eyes()]).by("art")),
        ("approval by API without a version", Case { via: Via::ApiUnbound, ..Case::new(vec![unbound]) }),
        ("an approval that is not signed", Case::new(vec![signed()])),
        ("an approval by API where a signature is wanted", Case { via: Via::Api, ..Case::new(vec![signed()]) }),
        ("a gate that is not met", Case::new(vec![gates])),
        ("in a freeze", Case::new(vec![frozen()])),
        ("reserved for others", Case::new(vec![reserved()])),
        ("reserved, and an administrator", Case::new(vec![reserved()]).by("ada")),
    ];
    let mut unknown = Case::new(vec![four_eyes()]);
    unknown.entry = Entry::new(unknown.package.clone(), unknown.workspace.clone());
    cases.push(("nobody knows who proposed", unknown));
    let mut deletion = Case { action: Action::Delete, ..Case::new(vec![four_eyes()]).by("amy") };
    cases.push(("nobody knows who proposed the deletion", deletion.clone()));
    deletion.entry.record(Action::ProposeDeletion, Deed::new(user("amy"), Micros(6), oid('a'), Via::Push), None);
    cases.push(("who proposed the deletion", deletion));
    let mut twice = Case::new(vec![approvals(2)]);
    twice.entry.keep_approval(Deed::new(user("bob"), Micros(6), oid('a'), Via::Push), 2);
    cases.push(("the same person again", twice));
    let reason = |text: &str| Some(Reason::parse(text).expect("good"));
    cases.push(("break-glass by nobody who may", Case { reason: reason("outage"), ..Case::new(vec![frozen()]) }));
    let mut text = String::new();
    let mut told = BTreeSet::new();
    for (title, case) in cases {
        let refusal = case.judge().expect_err(title);
        told.insert(refusal.code);
        text.push_str(&format!(
            "## {title}\n[{}] {}\n  {}\n\n",
            refusal.code.as_str(),
            refusal.reason,
            refusal.next.expect("a next step")
        ));
    }
    let short = Case::new(vec![Block { report_only: [Code::ApprovalsMissing].into(), ..approvals(2) }]);
    let short = short.judge().expect("only reported").reported.remove(0);
    told.insert(short.code);
    text.push_str(&format!("## too few approvals, only reported\n[{}] {}\n\n", short.code.as_str(), short.reason));
    for bad in ["", &"x".repeat(501), "a\nb"] {
        let shown: String = bad.chars().take(5).collect();
        text.push_str(&format!("## the reason {shown:?}\n{}\n\n", Reason::parse(bad).expect_err("bad")));
    }
    assert!(RULES.iter().all(|rule| told.contains(&rule.code)), "every rule is among them");
    insta::with_settings!({snapshot_path => "../../../tests/goldens", prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!("policy_refusals", text);
    });
}

#[test]
fn the_nth_person_publishes_and_only_what_still_stands_counts() {
    let kept = |case: &mut Case, name: &str, commit: char| {
        case.entry.keep_approval(Deed::new(user(name), Micros(6), oid(commit), Via::Push), 2);
    };
    let tally = |case: &Case| case.judge().expect("allowed").tally.map(|tally| (tally.have(), tally.needed));
    let mut case = Case::new(vec![approvals(2)]);
    assert_eq!(tally(&case), Some((1, 2)));
    kept(&mut case, "amy", 'b');
    assert_eq!(tally(&case), Some((1, 2)), "of another commit");
    kept(&mut case, "eve", 'a');
    assert_eq!(tally(&case), Some((1, 2)), "of somebody without the right");
    kept(&mut case, "amy", 'a');
    assert_eq!(tally(&case), None, "the second one publishes");
    case.policy.blocks.push(approvals(3));
    assert_eq!(tally(&case), Some((2, 3)), "the highest number holds");
    kept(&mut case, "art", 'a');
    assert_eq!(tally(&case), None);
    case.policy.blocks.push(four_eyes());
    assert_eq!(tally(&case), Some((2, 3)), "art saved the draft");
    case.policy.users.insert(user("amy"), [Role::Author].into());
    assert_eq!(tally(&case), Some((1, 3)), "amy lost the right");
    case = case.by("art");
    assert_eq!(case.code(), Some(Code::FourEyes));
}

#[test]
fn rules_that_only_report_let_pass_and_tell() {
    let report = |block: Block, code| Block { report_only: [code].into(), ..block };
    let case = Case::new(vec![report(frozen(), Code::Frozen), report(reserved(), Code::Reserved)]);
    let codes: Vec<Code> = case.judge().expect("allowed").reported.iter().map(|refusal| refusal.code).collect();
    assert_eq!(codes, [Code::Reserved, Code::Frozen]);
    let strict = Case::new(vec![report(frozen(), Code::Frozen), frozen()]);
    assert_eq!(strict.code(), Some(Code::Frozen), "another block still refuses");
}

#[test]
fn breaking_the_glass_goes_past_the_policy_and_is_marked() {
    let reason = Some(Reason::parse("outage 4711").expect("good"));
    let case = Case { reason: reason.clone(), ..Case::new(vec![frozen(), reserved(), approvals(2)]).by("ada") };
    let ruling = case.judge().expect("allowed");
    let broken = ruling.broken.expect("marked");
    assert_eq!(broken.past, ["reserved", "frozen", "approvals-missing"]);
    assert_eq!((broken.reason.as_str(), ruling.tally), ("outage 4711", None));
    let needless = Case { reason, ..Case::new(Vec::new()).by("ada") };
    assert_eq!(needless.judge().expect("allowed").broken.expect("marked all the same").past, Vec::<String>::new());
}

#[test]
fn roles_are_given_where_the_block_covers() {
    let mut case = Case::new(Vec::new()).by("eve");
    assert!(!case.ask(holds_right));
    let given = Block { roles: [(Role::Approver, people(&["eve"]))].into(), ..block("net") };
    case.policy.blocks = vec![Block { packages: vec![Glob::parse("net/**").expect("good")], ..given.clone() }];
    assert!(case.ask(holds_right));
    for (repositories, packages) in [("*", "dns/**"), ("other", "**"), ("other/*", "**")] {
        let globs = |text| vec![Glob::parse(text).expect("good")];
        case.policy.blocks =
            vec![Block { repositories: globs(repositories), packages: globs(packages), ..given.clone() }];
        assert!(!case.ask(holds_right), "{repositories} {packages}");
    }
    case.policy.blocks = vec![Block { repositories: vec![Glob::parse("default/pack*").expect("good")], ..given }];
    assert!(case.ask(holds_right));
    let explained = case.ask(explain);
    assert_eq!(
        (explained.answer, explained.roles, explained.rules),
        ("yes", vec![Role::Approver], vec!["net".to_owned()])
    );
}

#[test]
fn two_reservations_that_leave_one_way_each_leave_none() {
    let closing = |role, name: &str| Block { reserved: [(role, people(&["eve"]))].into(), ..block(name) };
    let (authors, approvers) = (closing(Role::Author, "one"), closing(Role::Approver, "two"));
    let drop =
        |blocks| Case { action: Action::DropProposal, right: Right::AuthorOrApprove, ..Case::new(blocks).by("amy") };
    assert_eq!(drop(vec![authors.clone()]).code(), None);
    assert_eq!(drop(vec![approvers.clone()]).code(), None);
    assert_eq!(drop(vec![authors, approvers]).code(), Some(Code::Reserved));
}

/// How much an outcome allows: nothing, one approval of several, all.
fn allowed(outcome: &Result<Ruling, Refusal>) -> u8 {
    match outcome {
        Err(_) => 0,
        Ok(Ruling { tally: Some(_), .. }) => 1,
        Ok(_) => 2,
    }
}

prop_compose! {
    fn any_block()(
        name in "[a-z]{1,3}",
        package in prop::sample::select(vec!["**", "net/**", "net/*", "dns/**", "*/router"]),
        repository in prop::sample::select(vec!["**", "pack*", "default/*", "other"]),
        reserves in prop::sample::subsequence(vec![Role::Author, Role::Approver], 0..=2),
        chosen in prop::sample::subsequence(vec!["ann", "art", "amy", "bob", "ada"], 1..=5),
        four_eyes in any::<bool>(),
        needed in 0_u32..4,
        gate in any::<bool>(),
        freeze in prop::bool::weighted(0.2),
        refuses_unbound in any::<bool>(),
        signs in prop::sample::subsequence(vec![Action::Propose, Action::Approve], 0..=2),
        report_only in prop::sample::subsequence(RULES.map(|rule| rule.code).to_vec(), 0..=7),
    ) -> Block {
        Block {
            name,
            packages: vec![Glob::parse(package).expect("good")],
            repositories: vec![Glob::parse(repository).expect("good")],
            roles: BTreeMap::new(),
            reserved: reserves.into_iter().map(|role| (role, people(&chosen))).collect(),
            four_eyes,
            approvals: NonZeroU32::new(needed),
            readiness_gates: if gate { vec!["Tested".to_owned()] } else { Vec::new() },
            freezes: if freeze { frozen().freezes } else { Vec::new() },
            refuses_unbound,
            signed: signs.into_iter().collect(),
            report_only: report_only.into_iter().collect(),
        }
    }
}

prop_compose! {
    fn any_case()(
        blocks in prop::collection::vec(any_block(), 0..4),
        (action, right) in prop::sample::select(vec![
            (Action::Save, Right::Author),
            (Action::Propose, Right::Author),
            (Action::Approve, Right::Approve),
            (Action::Approve, Right::Approve),
            (Action::Approve, Right::Approve),
            (Action::Reject, Right::ApproveOrProposer),
            (Action::DropProposal, Right::AuthorOrApprove),
            (Action::Delete, Right::Approve),
        ]),
        name in prop::sample::select(vec!["ann", "art", "amy", "bob", "ada"]),
        via in prop::sample::select(vec![Via::Push, Via::Api, Via::ApiUnbound]),
        kept in prop::sample::subsequence(vec!["art", "amy", "bob", "ada", "eve"], 0..=4),
        tested in any::<bool>(),
        reason in prop::bool::weighted(0.2),
    ) -> Case {
        let mut case = Case { action, right, via, ..Case::new(blocks).by(name) };
        for name in kept {
            case.entry.keep_approval(Deed::new(user(name), Micros(6), oid('a'), Via::Push), 3);
        }
        if tested {
            let (kind, status) = ("Tested".to_owned(), ConditionStatus::True);
            case.conditions.push(Condition { kind, status, reason: String::new(), message: String::new() });
        }
        case.reason = reason.then(|| Reason::parse("outage").expect("good"));
        case
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_further_block_never_allows_more_and_the_order_never_matters(case in any_case(), more in any_block(), at in 0_usize..4) {
        let before = case.judge();
        let mut after = case.clone();
        let at = at.min(after.policy.blocks.len());
        after.policy.blocks.insert(at, more);
        let outcome = after.judge();
        prop_assert!(allowed(&outcome) <= allowed(&before), "{before:?} became {outcome:?}");
        after.policy.blocks.reverse();
        prop_assert_eq!(allowed(&after.judge()), allowed(&outcome));
    }

    #[test]
    fn an_explanation_says_what_is_decided(case in any_case()) {
        let explained = case.ask(explain);
        match (case.ask(holds_right), case.judge()) {
            (false, _) => prop_assert_eq!(explained.code, Some("not-allowed")),
            (true, Ok(_)) => prop_assert_eq!(explained.answer, "yes"),
            (true, Err(refusal)) => prop_assert_eq!(explained.code, Some(refusal.code.as_str())),
        }
    }
}
