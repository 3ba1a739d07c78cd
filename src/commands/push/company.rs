//! What the changes of one push mean together: each by itself, one as part of another, or two that do not go together.
//!
//! Never here: whether a change may happen by itself (see `decide`).

use std::collections::HashMap;

use crate::commands::explain;
use crate::domain::by_package::ByPackage;
use crate::domain::change::Change;
use crate::domain::lifecycle::Action;
use crate::domain::names::{PackagePath, Workspace};
use crate::domain::refusal::{Code, Refusal};

/// One change of a push: a ref update is one, a move of the registered branch may be many.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The position of its ref update in the push.
    pub at: usize,
    /// The change.
    pub change: Change,
    /// Whether it comes with a move of the registered branch.
    pub by_branch: bool,
}

/// How a change stands to the others of its push.
#[derive(Debug, Clone, PartialEq)]
pub enum Company {
    /// It stands by itself.
    Alone,
    /// It is part of another one: the draft that goes away with its proposal and the other way round, the marker that goes
    /// away with its tag, the proposal's branch that goes away with its merge.
    Part,
    /// It does not go together with another one.
    Clash(Refusal),
}

/// All changes of a push, so that each finds the few that it may have to do with: a push may make thousands.
///
/// The lists hold positions among the members, in their order.
#[derive(Debug)]
pub struct Party<'m> {
    members: &'m [Member],
    of_revision: HashMap<(&'m PackagePath, &'m Workspace), Vec<usize>>,
    /// Approvals and publications.
    published: HashMap<&'m PackagePath, Vec<usize>>,
    /// Approvals by a ref of their own.
    by_own_ref: Vec<usize>,
    /// What brings content that nobody has looked at: drafts, proposals, publications without one.
    brought: ByPackage<Vec<usize>>,
}

impl<'m> Party<'m> {
    /// The changes of a push, in the order of its updates.
    pub fn new(members: &'m [Member]) -> Self {
        let (mut of_revision, mut published) = (HashMap::<_, Vec<usize>>::new(), HashMap::<_, Vec<usize>>::new());
        let (mut by_own_ref, mut brought) = (Vec::new(), ByPackage::<Vec<usize>>::default());
        for (position, Member { change, by_branch, .. }) in members.iter().enumerate() {
            of_revision.entry((&change.package, &change.workspace)).or_default().push(position);
            if matches!(change.action, Action::Approve | Action::Publish) {
                published.entry(&change.package).or_default().push(position);
            }
            if brings_content(change.action) {
                brought.entry(&change.package).push(position);
            }
            if change.action == Action::Approve && !by_branch {
                by_own_ref.push(position);
            }
        }
        Self { members, of_revision, published, by_own_ref, brought }
    }

    /// Says how one change stands to all of the push, among which it is itself.
    pub fn company(&self, one: &Member) -> Company {
        let (package, workspace) = (&one.change.package, &one.change.workspace);
        let mut others = self.of_revision.get(&(package, workspace)).cloned().unwrap_or_default();
        // Of those that would each be answered alike the first is enough.
        let first = |list: &Vec<usize>| {
            let another = |other: &Member| other.at != one.at && !is_same(&other.change, &one.change);
            list.iter().copied().find(|position| another(&self.members[*position]))
        };
        others.extend(self.published.get(package).and_then(first));
        others.extend(first(&self.by_own_ref));
        let brought = self.brought.overlapping(package).filter(|(other, _)| *other != package);
        others.extend(brought.filter_map(|(_, list)| first(list)));
        others.sort_unstable();
        company(one, others.into_iter().map(|position| &self.members[position]))
    }
}

/// Whether a change may bring a package to where none was, and so into or around another one of the push.
fn brings_content(action: Action) -> bool {
    matches!(action, Action::Save | Action::Propose | Action::Publish)
}

/// Whether two changes are of the same package revision.
fn is_same(one: &Change, other: &Change) -> bool {
    one.package == other.package && one.workspace == other.workspace
}

/// Says how one change stands to others, which are in the order of the push.
fn company<'m>(one: &Member, others: impl Iterator<Item = &'m Member>) -> Company {
    let change = &one.change;
    for Member { at, change: other, by_branch } in others.filter(|other| other.at != one.at) {
        let same = is_same(change, other);
        match (same, change.action, other.action) {
            (true, Action::DropDraft, Action::Propose)
            | (true, Action::DropProposal, Action::Reject)
            | (true, Action::RefuseDeletion, Action::Delete) => return Company::Part,
            (true, Action::DropProposal, Action::Approve) if *by_branch => return Company::Part,
            (true, Action::Propose, Action::DropDraft)
            | (true, Action::Reject, Action::DropProposal)
            | (true, Action::Delete, Action::RefuseDeletion) => {}
            (true, Action::Approve, Action::DropProposal) if one.by_branch => {}
            (true, _, _) if *at < one.at => {
                let title = explain::title(&change.package, &change.workspace);
                return Company::Clash(
                    Refusal::new(Code::Mixed, format!("{title} is changed twice in one push"))
                        .next("push one change at a time"),
                );
            }
            (false, Action::Approve | Action::Publish, Action::Approve) if one.by_branch && !by_branch => {
                return Company::Clash(
                    Refusal::new(
                        Code::Mixed,
                        format!(
                            "one push cannot move the branch to what it publishes and approve {} {} by its own ref",
                            other.package, other.workspace
                        ),
                    )
                    .next("push the branch by itself, then the refs under refs/approve"),
                );
            }
            (false, Action::Approve | Action::Publish, Action::Approve | Action::Publish)
                if other.package == change.package && *at < one.at =>
            {
                return Company::Clash(
                    Refusal::new(
                        Code::Mixed,
                        format!("two proposals of package {} are approved in one push", change.package),
                    )
                    .next("approve one, then rebase and approve the other"),
                );
            }
            (false, one, another)
                if brings_content(one)
                    && brings_content(another)
                    && other.package != change.package
                    && other.package.overlaps(&change.package) =>
            {
                return Company::Clash(
                    Refusal::new(
                        Code::Nested,
                        format!("packages {} and {} of this push are nested", change.package, other.package),
                    )
                    .next("packages cannot be nested: choose other paths"),
                );
            }
            _ => {}
        }
    }
    Company::Alone
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::ledger::Via;

    fn members() -> impl Strategy<Value = Vec<Member>> {
        let package = prop::sample::select(vec!["a", "a/b", "a/b/c", "a-b", "b"]);
        let one = (package, 1..3, prop::sample::select(Action::ALL.to_vec()), any::<bool>(), any::<bool>());
        prop::collection::vec(one, 0..30).prop_map(|all| {
            let mut at = 0;
            let member = |(package, workspace, action, by_branch, of_next_update)| {
                at += usize::from(of_next_update);
                let package = PackagePath::parse(package).expect("valid");
                let workspace = Workspace::parse(&format!("w{workspace}")).expect("valid");
                Member { at, change: Change { package, workspace, action, commit: None, via: Via::Push }, by_branch }
            };
            all.into_iter().map(member).collect()
        })
    }

    #[test]
    fn packages_of_one_push_are_not_nested_whichever_way_they_come() {
        let member = |at, package: &str, action| {
            let (package, workspace) = (PackagePath::parse(package), Workspace::parse("w"));
            let (package, workspace) = (package.expect("valid"), workspace.expect("valid"));
            let change = Change { package, workspace, action, commit: None, via: Via::Push };
            Member { at, change, by_branch: action == Action::Publish }
        };
        let nested = |one: &str, first, other: &str, second| {
            let members = [member(0, one, first), member(1, other, second)];
            let party = Party::new(&members);
            members
                .iter()
                .all(|one| matches!(party.company(one), Company::Clash(refusal) if refusal.code == Code::Nested))
        };
        for first in [Action::Save, Action::Propose, Action::Publish] {
            for second in [Action::Save, Action::Propose, Action::Publish] {
                assert!(nested("a", first, "a/b", second) && nested("a/b/c", first, "a", second));
                assert!(!nested("a", first, "a-b", second));
            }
            assert!(!nested("a", first, "a/b", Action::DropDraft));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn each_finds_all_that_it_has_to_do_with(members in members()) {
            let party = Party::new(&members);
            for one in &members {
                prop_assert_eq!(party.company(one), company(one, members.iter()), "{:?}", one);
            }
        }
    }
}
