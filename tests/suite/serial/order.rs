//! Looks for a serial order of operations that explains every answer: one in which each is done as a whole at one moment
//! between its question and its answer (Wing and Gong's search, as Lowe prunes it).
//!
//! Never here: what an operation means (see `history`).

use std::collections::HashSet;

use super::history::{Operation, Package};

/// More operations than this on one package are not looked at.
const MOST: usize = 128;

/// The operations in an order that explains them. Else the longest beginning of one, as far as any got.
pub(super) fn explain(operations: &[Operation]) -> Result<Vec<usize>, Vec<usize>> {
    assert!(operations.len() <= MOST, "{} operations on one package", operations.len());
    let mut search = Search { operations, dead: HashSet::new(), order: Vec::new(), longest: Vec::new() };
    if search.from(0, &Package::default()) { Ok(search.order) } else { Err(search.longest) }
}

struct Search<'o> {
    operations: &'o [Operation],
    /// What was done, as a set of bits, with the package after it, where nothing leads on to the end.
    dead: HashSet<(u128, Package)>,
    order: Vec<usize>,
    longest: Vec<usize>,
}

impl Search<'_> {
    fn from(&mut self, done: u128, package: &Package) -> bool {
        if self.order.len() == self.operations.len() {
            return true;
        }
        if self.order.len() > self.longest.len() {
            self.longest.clone_from(&self.order);
        }
        let open = |at: &usize| done & (1 << at) == 0;
        // Nothing may come before what had its answer already when it was asked.
        let first_end = (0..self.operations.len()).filter(open).map(|at| self.operations[at].time.1).min();
        let first_end = first_end.unwrap_or(u64::MAX);
        for at in (0..self.operations.len()).filter(open) {
            if self.operations[at].time.0 > first_end {
                continue;
            }
            let Some(next) = package.after(&self.operations[at]) else { continue };
            let now = (done | 1 << at, next);
            if self.dead.contains(&now) {
                continue;
            }
            self.order.push(at);
            if self.from(now.0, &now.1) {
                return true;
            }
            self.order.pop();
            self.dead.insert(now);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use stoop::domain::lifecycle::Action::{Approve, Delete, DropDraft, Propose, ProposeDeletion, Reject, Save};
    use stoop::domain::lifecycle::Lifecycle::{self, Draft, Proposed, Published};

    use super::super::history::{Commit, Seen, Told, Wish};
    use super::*;

    fn commit(id: &str, base: &str) -> Commit {
        Commit { id: id.to_owned(), base: base.to_owned(), content: id.to_owned() }
    }

    fn operation(time: (u64, u64), workspace: usize, wish: Wish, told: Told) -> Operation {
        Operation { time, workspace, wish, told }
    }

    fn push(
        time: (u64, u64),
        workspace: usize,
        action: stoop::domain::lifecycle::Action,
        id: &str,
        base: &str,
    ) -> Operation {
        operation(time, workspace, Wish::Push(action, Some(commit(id, base))), Told::Done)
    }

    fn seen(lifecycle: Lifecycle, commit: &str, number: i64) -> Seen {
        Seen { lifecycle, commit: (number == 0).then(|| commit.to_owned()), number }
    }

    fn read(time: (u64, u64), workspace: usize, seen: Option<Seen>) -> Operation {
        operation(time, workspace, Wish::Read, Told::Shown(seen))
    }

    fn approved(time: (u64, u64), workspace: usize, id: &str, base: &str, number: i64) -> Operation {
        operation(time, workspace, Wish::Push(Approve, Some(commit(id, base))), Told::Number(number))
    }

    #[test]
    fn what_happened_in_some_order_is_explained() {
        let one_after_the_other = [
            push((0, 1), 0, Save, "a", ""),
            push((2, 3), 0, Propose, "a", ""),
            approved((4, 5), 0, "a", "", 1),
            read((6, 7), 0, Some(seen(Published, "", 1))),
        ];
        assert_eq!(explain(&one_after_the_other), Ok(vec![0, 1, 2, 3]));
        // All at once: only one order will do, and it is found.
        let at_once: Vec<Operation> =
            one_after_the_other.iter().rev().map(|done| Operation { time: (0, 9), ..done.clone() }).collect();
        assert_eq!(explain(&at_once), Ok(vec![3, 2, 1, 0]));
        // A proposal that is made a draft again at its commit, and one of two that began on one base.
        let more = [
            push((0, 1), 0, Propose, "a", ""),
            push((0, 1), 1, Propose, "b", ""),
            push((2, 9), 0, Save, "a", ""),
            approved((2, 9), 1, "b", "", 1),
            read((10, 11), 0, Some(seen(Draft, "a", 0))),
        ];
        assert!(explain(&more).is_ok());
        // The second deletion of one draft finds nothing; a draft that was never dropped does not go away.
        let dropped = |time| operation(time, 0, Wish::Push(DropDraft, None), Told::Done);
        let twice = [push((0, 1), 0, Save, "a", ""), dropped((2, 5)), dropped((3, 6)), read((7, 8), 0, None)];
        assert!(explain(&twice).is_ok());
        let kept = [push((0, 1), 0, Save, "a", ""), dropped((2, 3)), read((4, 5), 0, Some(seen(Draft, "a", 0)))];
        assert!(explain(&kept).is_err());
    }

    #[test]
    fn what_no_order_explains_is_found() {
        let histories: [(&str, Vec<Operation>); 10] = [
            ("a save is lost", vec![push((0, 1), 0, Save, "a", ""), read((2, 3), 0, None)]),
            (
                "a read goes back",
                vec![
                    push((0, 1), 0, Save, "a", ""),
                    push((2, 9), 0, Save, "b", ""),
                    read((3, 4), 0, Some(seen(Draft, "b", 0))),
                    read((5, 6), 0, Some(seen(Draft, "a", 0))),
                ],
            ),
            (
                "a number is given twice",
                vec![
                    push((0, 1), 0, Propose, "a", ""),
                    approved((2, 3), 0, "a", "", 1),
                    push((4, 5), 1, Propose, "b", "a"),
                    approved((6, 7), 1, "b", "a", 1),
                ],
            ),
            (
                "both of two proposals from one base are published",
                vec![
                    push((0, 1), 0, Propose, "a", ""),
                    push((0, 1), 1, Propose, "b", ""),
                    operation((2, 9), 0, Wish::Set(Published, None), Told::Done),
                    operation((2, 9), 1, Wish::Set(Published, None), Told::Done),
                ],
            ),
            (
                "an approval and a rejection both win",
                vec![
                    push((0, 1), 0, Propose, "a", ""),
                    operation((2, 9), 0, Wish::Set(Published, None), Told::Done),
                    push((2, 9), 0, Reject, "a", ""),
                ],
            ),
            (
                "what was approved is not what was proposed",
                vec![push((0, 1), 0, Propose, "a", ""), approved((2, 3), 0, "b", "", 1)],
            ),
            (
                "a draft is saved over what is published",
                vec![
                    push((0, 1), 0, Propose, "a", ""),
                    approved((2, 3), 0, "a", "", 1),
                    push((4, 5), 0, Save, "b", "a"),
                ],
            ),
            (
                "a revision is deleted though nobody proposed it",
                vec![
                    push((0, 1), 0, Propose, "a", ""),
                    approved((2, 3), 0, "a", "", 1),
                    operation((4, 5), 0, Wish::Push(Delete, None), Told::Done),
                ],
            ),
            (
                "a bound write changes what its client never saw",
                vec![
                    push((0, 1), 0, Save, "a", ""),
                    push((2, 3), 0, Save, "b", ""),
                    operation((4, 5), 0, Wish::Set(Proposed, Some(seen(Draft, "a", 0))), Told::Done),
                ],
            ),
            (
                "a refusal had an effect",
                vec![push((0, 1), 0, Propose, "a", ""), read((4, 5), 0, Some(seen(Published, "", 1)))],
            ),
        ];
        for (what, history) in histories {
            assert!(explain(&history).is_err(), "{what}");
        }
        let until = explain(&[push((0, 1), 0, Save, "a", ""), push((2, 3), 0, ProposeDeletion, "a", "")]);
        assert_eq!(until, Err(vec![0]), "it says how far it got");
    }
}
