//! Dropped drafts and proposals that are still kept, read from their chains.
//!
//! Never here: keeping them, and bringing one back (see `commands`).

use crate::domain::dropped::{Dropped, read};
use crate::domain::refs::{DROPPED, RefName};
use crate::git::{Reader, RefSnapshot};

/// So many commits of the chains are read.
const MOST: usize = 100_000;

/// What was dropped and is kept, newest first. What still is where it was, or is there again, is left out: it was to be
/// dropped, and was not, or somebody brought it back.
pub fn dropped(reader: &Reader, snapshot: &RefSnapshot) -> Vec<Dropped> {
    let mut days: Vec<_> = snapshot.under(DROPPED).collect();
    days.reverse();
    let at = |name: &RefName| snapshot.get(name).map(|value| value.target);
    let there = |dropped: &Dropped| {
        let draft = at(&RefName::draft(&dropped.package, &dropped.workspace));
        [draft, at(&dropped.name())].contains(&Some(dropped.commit))
    };
    let mut all: Vec<Dropped> = Vec::new();
    let mut looked = 0;
    for day in days {
        let mut next = Some(day.target);
        while let Some(id) = next.filter(|_| looked < MOST) {
            looked += 1;
            let commit = match reader.commit(id) {
                Ok(commit) => commit,
                Err(error) => {
                    tracing::warn!(day = %day.name, %error, "what was dropped before that cannot be listed");
                    break;
                }
            };
            let (kept, before) = read(&commit.message, &commit.parents, commit.committer.seconds);
            all.extend(kept.into_iter().filter(|dropped| !there(dropped)));
            next = before;
        }
    }
    all
}
