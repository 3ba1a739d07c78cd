//! Dropped drafts and proposals, as they are kept for a while: a ref for each day, `refs/stoop/dropped/2026-11-24`, on a chain
//! of commits whose other parents are what was dropped, and whose messages say what it was and who dropped it.
//!
//! So a drop costs one small commit however many there were, and a day goes as a whole. Never here: writing and reading them.

use super::ledger::Deed;
use super::lifecycle::Action;
use super::names::{PackagePath, UserName, Workspace};
use super::oid::ObjectId;
use super::refs::{DROPPED, RefName};
use super::timestamp::Micros;

/// A draft or proposal that was dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The package.
    pub package: PackagePath,
    /// The workspace.
    pub workspace: Workspace,
    /// Whether it was a proposal.
    pub proposal: bool,
    /// The commit it was at.
    pub commit: ObjectId,
    /// Who dropped it.
    pub by: UserName,
    /// When.
    pub at: Micros,
}

impl Dropped {
    /// What is dropped by an action; `None` for one that drops nothing.
    pub fn of(action: Action, (package, workspace): (&PackagePath, &Workspace), deed: &Deed) -> Option<Self> {
        let proposal = match action {
            Action::DropDraft => false,
            Action::DropProposal => true,
            _ => return None,
        };
        let (package, workspace) = (package.clone(), workspace.clone());
        Some(Self { package, workspace, proposal, commit: deed.commit, by: deed.by.clone(), at: deed.at })
    }

    /// The ref that it stood on.
    pub fn name(&self) -> RefName {
        let name = if self.proposal { RefName::proposed } else { RefName::draft };
        name(&self.package, &self.workspace)
    }

    fn action(&self) -> Action {
        if self.proposal { Action::DropProposal } else { Action::DropDraft }
    }

    fn line(&self) -> String {
        let Self { package, workspace, commit, by, .. } = self;
        format!("{} {package} {workspace} at {commit} by {by}", self.action().as_str())
    }

    fn read(line: &str, at: Micros) -> Option<Self> {
        let (word, rest) = line.split_once(' ')?;
        let action = [Action::DropDraft, Action::DropProposal].into_iter().find(|action| action.as_str() == word)?;
        let (package, rest) = rest.split_once(' ')?;
        let (workspace, rest) = rest.split_once(" at ")?;
        let (commit, by) = rest.split_once(" by ")?;
        Some(Self {
            package: PackagePath::parse(package).ok()?,
            workspace: Workspace::parse(workspace).ok()?,
            proposal: action == Action::DropProposal,
            commit: commit.parse().ok()?,
            by: UserName::parse(by).ok()?,
            at,
        })
    }
}

/// The ref of the day of this moment.
pub fn day(at: Micros) -> RefName {
    RefName::dropped(&date(at))
}

/// Whether a day's ref is older than so many days.
pub fn is_over(name: &RefName, now: Micros, days: u32) -> bool {
    let Some(day) = name.as_str().strip_prefix(DROPPED) else { return false };
    let ago = u64::from(days) * 86_400_000_000;
    day < date(Micros(now.0.saturating_sub(ago))).as_str()
}

/// The date in UTC; dates sort as text.
fn date(at: Micros) -> String {
    at.to_string().split('T').next().unwrap_or_default().to_owned()
}

/// The message of the commit that keeps them.
pub fn message(dropped: &[Dropped]) -> String {
    let lines: Vec<String> = dropped.iter().map(Dropped::line).collect();
    match lines.as_slice() {
        [only] => only.clone(),
        lines => format!("drop {} drafts and proposals\n\n{}", lines.len(), lines.join("\n")),
    }
}

/// What a commit keeps, and the commit before it in its chain. Only what it really holds, by its parents, counts.
pub fn read(message: &str, parents: &[ObjectId], seconds: i64) -> (Vec<Dropped>, Option<ObjectId>) {
    let at = Micros::from_seconds(seconds);
    let kept = message.lines().filter_map(|line| Dropped::read(line, at));
    let kept: Vec<Dropped> = kept.filter(|dropped| parents.contains(&dropped.commit)).collect();
    let before = parents.first().filter(|first| kept.iter().all(|dropped| dropped.commit != **first));
    (kept, before.copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ledger::Via;

    fn dropped(workspace: &str, commit: char, action: Action) -> Dropped {
        let (by, at) = (UserName::parse("ann of the north").expect("valid"), Micros::from_seconds(1_700_000_000));
        let deed = Deed::new(by, at, commit.to_string().repeat(40).parse().expect("valid"), Via::Push);
        let package = PackagePath::parse("net/router").expect("valid");
        Dropped::of(action, (&package, &Workspace::parse(workspace).expect("valid")), &deed).expect("a drop")
    }

    #[test]
    fn what_is_written_is_read_and_nothing_that_is_not_held() {
        let (a, b) = (dropped("w1", 'a', Action::DropDraft), dropped("w2", 'b', Action::DropProposal));
        let before: ObjectId = "c".repeat(40).parse().expect("valid");
        let one = message(std::slice::from_ref(&a));
        assert_eq!(one, format!("drop-draft net/router w1 at {} by ann of the north", a.commit));
        assert_eq!(read(&one, &[a.commit], 1_700_000_000), (vec![a.clone()], None));
        let two = message(&[a.clone(), b.clone()]);
        let all = [before, a.commit, b.commit];
        assert_eq!(read(&two, &all, 1_700_000_000), (vec![a.clone(), b.clone()], Some(before)));
        assert_eq!(read(&two, &[before, b.commit], 1_700_000_000), (vec![b.clone()], Some(before)));
        assert_eq!(
            (a.name().as_str(), b.name().as_str()),
            ("refs/heads/drafts/net/router/w1", "refs/heads/proposed/net/router/w2")
        );
    }

    #[test]
    fn a_day_is_over_when_all_of_it_is_older_than_the_time() {
        let at = Micros::from_seconds(1_700_000_000);
        assert_eq!(day(at).as_str(), "refs/stoop/dropped/2023-11-14");
        let later = |days: u64| Micros(at.0 + days * 86_400_000_000);
        assert!(!is_over(&day(at), later(30), 30) && is_over(&day(at), later(31), 30));
        assert!(!is_over(&day(at), at, 0) && is_over(&day(at), later(1), 0));
        assert!(!is_over(&RefName::ledger(), later(99), 30));
    }
}
