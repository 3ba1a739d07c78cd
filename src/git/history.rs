//! Walking history: merge bases, ancestry, the commits of one line that another does not have.
//!
//! Never here: judging what the commits did; and trusting their dates further than git does.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::commit::Commit;
use super::error::GitError;
use super::reader::{Reader, ours};
use crate::domain::oid::ObjectId;

/// How many commits are still looked at after the answer seems clear, because a commit's date may be wrong.
const SLOP: usize = 64;

/// How many commits are looked at for the simple case, a few commits made on top of another.
const FEW: usize = 16;

impl Reader {
    /// The best common ancestor of two commits; `None` when they have none. Of several, git's first.
    pub fn merge_base(&self, a: ObjectId, b: ObjectId) -> Result<Option<ObjectId>, GitError> {
        if a == b || self.ahead(b, a)?.is_some() {
            return Ok(Some(a));
        }
        let doing = || format!("find the merge base of {a} and {b}");
        let found = self.gix().merge_base(self.theirs(a)?, self.theirs(b)?);
        Ok(found.map_err(|error| self.failed(doing(), &error))?.map(ours))
    }

    /// The same for a caller who knows the commits that `tip` has and `head` has not (none: he does not know them). Where
    /// all of those go back to one commit, that is the one, and no history is walked.
    pub fn merge_base_of(&self, head: ObjectId, tip: ObjectId, own: &[Commit]) -> Result<Option<ObjectId>, GitError> {
        let ids: HashSet<ObjectId> = own.iter().map(|commit| commit.id).collect();
        let mut begins = own.iter().flat_map(|commit| &commit.parents).filter(|parent| !ids.contains(parent));
        match begins.next() {
            Some(only) if begins.all(|other| other == only) && self.shallow()?.is_empty() => Ok(Some(*only)),
            _ => self.merge_base(head, tip),
        }
    }

    /// Whether `ancestor` is `of`, or one of its ancestors.
    pub fn is_ancestor(&self, ancestor: ObjectId, of: ObjectId) -> Result<bool, GitError> {
        Ok(ancestor == of || self.merge_base(ancestor, of)? == Some(ancestor))
    }

    /// The commits that `tip` has and `base` has not, where that takes only a look at a few: every way back from `tip`
    /// leads to `base`. `None` when one does not, or not soon.
    fn ahead(&self, tip: ObjectId, base: ObjectId) -> Result<Option<Vec<Commit>>, GitError> {
        let (mut ahead, mut met, mut open) = (Vec::new(), HashSet::from([base]), vec![tip]);
        while let Some(id) = open.pop() {
            if !met.insert(id) {
                continue;
            }
            // Missing where a shallow repository ends, which this does not know of.
            let Ok(commit) = self.commit(id) else { return Ok(None) };
            // Past the base, or beside it, all ways end at a first commit.
            if ahead.len() == FEW || commit.parents.is_empty() {
                return Ok(None);
            }
            open.extend(&commit.parents);
            ahead.push(commit);
        }
        Ok(Some(ahead))
    }

    /// A commit and all its ancestors, newest first by committer time, over all parents. Ends with the first error.
    pub fn walk(&self, tip: ObjectId) -> Result<impl Iterator<Item = Result<Commit, GitError>> + '_, GitError> {
        let shallow = self.shallow()?;
        let mut seen = HashSet::from([tip]);
        let mut queue = BinaryHeap::from([Waiting::new(self.commit(tip)?, 0)]);
        let mut failed = None;
        Ok(std::iter::from_fn(move || {
            if let Some(error) = failed.take() {
                queue.clear();
                return Some(Err(error));
            }
            let Waiting { commit, .. } = queue.pop()?;
            let parents = if shallow.contains(&commit.id) { &[][..] } else { &commit.parents };
            for parent in parents {
                if seen.insert(*parent) {
                    match self.commit(*parent) {
                        Ok(commit) => queue.push(Waiting::new(commit, seen.len())),
                        Err(error) => failed = Some(error),
                    }
                }
            }
            Some(Ok(commit))
        }))
    }

    /// The commits whose parents were left out when this repository was cloned.
    fn shallow(&self) -> Result<Vec<ObjectId>, GitError> {
        let shallow = self.gix().shallow_commits();
        let shallow = shallow.map_err(|error| self.failed("read the file shallow", &error))?;
        Ok(shallow.map_or_else(Vec::new, |commits| commits.iter().map(ours).collect()))
    }

    /// The commits that `tip` reaches and none of `hidden` does, newest first by committer time.
    /// [`GitError::TooMany`] beyond `limit` commits.
    ///
    /// Dates that lie can make a commit appear here that a hidden one does reach, never the other way round.
    pub fn commits_not_in(&self, tip: ObjectId, hidden: &[ObjectId], limit: usize) -> Result<Vec<Commit>, GitError> {
        if let [base] = hidden
            && let Some(mut ahead) = self.ahead(tip, *base)?.filter(|ahead| ahead.len() <= limit)
        {
            ahead.sort_by_key(|commit| Reverse(commit.committer.seconds));
            return Ok(ahead);
        }
        let mut paint = Paint::new(self)?;
        for id in hidden {
            paint.add(*id, true)?;
        }
        paint.add(tip, false)?;
        // What is found newer than anything hidden may turn out to be hidden after all, so some more than the limit is
        // looked at before giving up.
        let most = limit.saturating_add(limit).saturating_add(SLOP);
        let mut slop = SLOP;
        while paint.undecided > 0 || slop > 0 {
            if paint.undecided == 0 {
                slop -= 1;
            }
            if !paint.step()? {
                break;
            }
            if paint.visible.len() > most && paint.still_visible().count() > most {
                return Err(GitError::TooMany { what: "new commits", of: tip, limit });
            }
        }
        let ids: Vec<ObjectId> = paint.still_visible().collect();
        if ids.len() > limit {
            return Err(GitError::TooMany { what: "new commits", of: tip, limit });
        }
        ids.into_iter().map(|id| self.commit(id)).collect()
    }
}

/// A commit that a walk will come to: the newest first, of equal ones the first met.
struct Waiting {
    commit: Commit,
    met: usize,
}

impl Waiting {
    fn new(commit: Commit, met: usize) -> Self {
        Self { commit, met }
    }

    fn key(&self) -> (i64, Reverse<usize>) {
        (self.commit.committer.seconds, Reverse(self.met))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Waiting {}

/// What is known of one commit while two lines of history are told apart.
struct Known {
    parents: Vec<ObjectId>,
    visible: bool,
    hidden: bool,
    expanded: bool,
}

/// Commits painted as reached from the tip (visible), from a hidden commit, or both.
struct Paint<'r> {
    reader: &'r Reader,
    shallow: Vec<ObjectId>,
    known: HashMap<ObjectId, Known>,
    queue: BinaryHeap<(i64, ObjectId)>,
    /// How many in the queue are not yet painted both ways.
    undecided: usize,
    /// Expanded while visible and not hidden, in that order.
    visible: Vec<ObjectId>,
}

impl<'r> Paint<'r> {
    fn new(reader: &'r Reader) -> Result<Self, GitError> {
        let shallow = reader.shallow()?;
        Ok(Self { reader, shallow, known: HashMap::new(), queue: BinaryHeap::new(), undecided: 0, visible: Vec::new() })
    }

    fn still_visible(&self) -> impl Iterator<Item = ObjectId> + '_ {
        self.visible.iter().copied().filter(|id| self.known.get(id).is_some_and(|known| !known.hidden))
    }

    /// Paints a commit, and puts it into the queue when it is met for the first time.
    fn add(&mut self, id: ObjectId, hidden: bool) -> Result<(), GitError> {
        if self.known.contains_key(&id) {
            if hidden {
                self.hide(id);
            } else {
                self.show(id);
            }
            return Ok(());
        }
        let commit = self.reader.commit(id)?;
        let parents = if self.shallow.contains(&id) { Vec::new() } else { commit.parents };
        self.known.insert(id, Known { parents, visible: !hidden, hidden, expanded: false });
        self.queue.push((commit.committer.seconds, id));
        self.undecided += 1;
        Ok(())
    }

    fn show(&mut self, id: ObjectId) {
        let Some(known) = self.known.get_mut(&id) else { return };
        if !known.visible {
            known.visible = true;
            if !known.expanded {
                self.undecided -= 1;
            }
        }
    }

    /// Paints a commit hidden, and with it every ancestor that was already met.
    fn hide(&mut self, id: ObjectId) {
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            let Some(known) = self.known.get_mut(&id).filter(|known| !known.hidden) else { continue };
            known.hidden = true;
            if known.expanded {
                open.extend_from_slice(&known.parents);
            } else {
                self.undecided -= 1;
            }
        }
    }

    /// Takes the newest commit of the queue and paints its parents; false when the queue is empty.
    fn step(&mut self) -> Result<bool, GitError> {
        let Some((_, id)) = self.queue.pop() else { return Ok(false) };
        let Some(known) = self.known.get_mut(&id) else { return Ok(true) };
        known.expanded = true;
        let (visible, hidden, parents) = (known.visible, known.hidden, known.parents.clone());
        if !(visible && hidden) {
            self.undecided -= 1;
        }
        if visible && !hidden {
            self.visible.push(id);
        }
        for parent in parents {
            if hidden {
                self.add(parent, true)?;
            }
            if visible {
                self.add(parent, false)?;
            }
        }
        Ok(true)
    }
}
