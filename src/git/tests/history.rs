//! Merge bases, ancestry and lists of commits, against git on random histories.

use super::*;

/// A small pseudo-random generator, so that a failure can be repeated from its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// A history of `count` commits with random parents; dates rise unless `skewed`.
fn random_history(seed: u64, count: u64, skewed: bool) -> (Repo, Vec<ObjectId>) {
    let repo = Repo::new("sha1");
    let mut random = Random(seed);
    let mut input = String::new();
    for at in 1..=count {
        let seconds = if skewed { 1_000 + random.below(50) } else { 1_000 + at };
        input.push_str(&format!("commit refs/heads/c{at}\nmark :{at}\ncommitter A <a@b> {seconds} +0000\ndata 0\n"));
        let mut parents: Vec<u64> = (0..random.below(3)).map(|_| 1 + random.below(at)).filter(|p| *p < at).collect();
        parents.sort_unstable();
        parents.dedup();
        for (place, parent) in parents.iter().enumerate() {
            input.push_str(&format!("{} :{parent}\n", if place == 0 { "from" } else { "merge" }));
        }
        input.push_str(&format!("M 100644 inline f\ndata 3\n{at:03}\n"));
    }
    repo.git_with(&["fast-import", "--quiet"], input.as_bytes());
    let text = repo.git(&["for-each-ref", "--format", "%(refname:lstrip=2) %(objectname)"]);
    let mut ids = vec![repo.store().reader().zero_id(); count as usize];
    for line in text.lines() {
        let (at, id) = line.split_once(' ').expect("two words");
        ids[at[1..].parse::<usize>().expect("a number") - 1] = id.parse().expect("an id");
    }
    (repo, ids)
}

fn ids(text: &str) -> Vec<ObjectId> {
    text.split_whitespace().map(|id| id.parse().expect("an id")).collect()
}

#[test]
fn ancestry_and_merge_bases_are_gits() {
    for (seed, skewed) in [(1, false), (2, false), (3, true), (4, true)] {
        let (repo, commits) = random_history(seed, 24, skewed);
        let reader = repo.store().reader();
        let mut random = Random(seed + 100);
        for _ in 0..40 {
            let mut pick = || commits[random.below(commits.len() as u64) as usize];
            let (a, b) = (pick(), pick());
            let (a_text, b_text) = (a.to_string(), b.to_string());
            let ancestor = repo.git_ok(&["merge-base", "--is-ancestor", &a_text, &b_text]);
            assert_eq!(reader.is_ancestor(a, b).expect("answered"), ancestor, "seed {seed}: {a} {b}");
            let all = match repo.git_ok(&["merge-base", &a_text, &b_text]) {
                true => ids(&repo.git(&["merge-base", "--all", &a_text, &b_text])),
                false => Vec::new(),
            };
            let ours = reader.merge_base(a, b).expect("answered");
            assert_eq!(ours.is_some(), !all.is_empty(), "seed {seed}: {a} {b}");
            assert!(ours.is_none_or(|base| all.contains(&base)), "seed {seed}: {a} {b}: {ours:?} of {all:?}");
        }
    }
}

#[test]
fn new_commits_are_those_that_rev_list_gives_for_one_and_not_for_the_others() {
    for (seed, skewed) in [(11, false), (12, false), (13, true), (14, true)] {
        let (repo, commits) = random_history(seed, 30, skewed);
        let reader = repo.store().reader();
        // Asked one tip at a time: with dates that lie, git's own `tip ^hidden` is not exact.
        let above: std::collections::BTreeMap<ObjectId, Vec<ObjectId>> =
            commits.iter().map(|tip| (*tip, ids(&repo.git(&["rev-list", &tip.to_string()])))).collect();
        let mut random = Random(seed + 100);
        for _ in 0..40 {
            let mut pick = || commits[random.below(commits.len() as u64) as usize];
            let (tip, hidden) = (pick(), [pick(), pick()]);
            let hides = |of: &ObjectId| hidden.iter().any(|tip| above[tip].contains(of));
            let mut gits: Vec<ObjectId> = above[&tip].iter().copied().filter(|id| !hides(id)).collect();
            let mut ours: Vec<_> =
                reader.commits_not_in(tip, &hidden, 99).expect("answered").into_iter().map(|c| c.id).collect();
            let most = gits.len();
            gits.sort();
            ours.sort();
            assert_eq!(ours, gits, "seed {seed}: {tip} {hidden:?}");
            if most > 0 {
                let error = reader.commits_not_in(tip, &hidden, most - 1).expect_err("one too many");
                assert!(matches!(error, GitError::TooMany { .. }), "{error}");
            }
        }
        assert!(reader.commits_not_in(commits[0], &[commits[0]], 0).expect("answered").is_empty());
    }
}

#[test]
fn an_old_branch_of_a_long_history_is_cheap_to_tell_apart() {
    let repo = Repo::new("sha1");
    let mut input = String::new();
    for at in 1..=3000 {
        input.push_str(&format!(
            "commit refs/heads/main\ncommitter A <a@b> {at} +0000\ndata 0\nM 100644 inline f\ndata 4\n{at:04}\n"
        ));
    }
    repo.git_with(&["fast-import", "--quiet"], input.as_bytes());
    let base = repo.id("main~5");
    repo.git(&["update-ref", "refs/heads/draft", &base.to_string()]);
    let draft = repo.commit("refs/heads/draft", 9999, &[("g", "100644", "x")]);
    let reader = repo.store().reader();
    let new = reader.commits_not_in(draft, &[repo.id("main")], 1).expect("one commit");
    assert_eq!(new.iter().map(|commit| commit.id).collect::<Vec<_>>(), [draft]);
    assert_eq!(reader.merge_base(draft, repo.id("main")).expect("answered"), Some(base));
    assert!(matches!(reader.commits_not_in(draft, &[], 10), Err(GitError::TooMany { limit: 10, .. })));
}

#[test]
fn walking_goes_over_all_parents_newest_first() {
    for seed in [21, 22] {
        let (repo, commits) = random_history(seed, 30, false);
        let reader = repo.store().reader();
        for tip in &commits[20..] {
            let ours: Vec<ObjectId> =
                reader.walk(*tip).expect("a walk").map(|commit| commit.expect("a commit").id).collect();
            assert_eq!(ours, ids(&repo.git(&["rev-list", "--date-order", &tip.to_string()])), "seed {seed}");
        }
    }
}

#[test]
fn a_missing_parent_is_an_error_and_a_shallow_one_is_not() {
    let repo = Repo::new("sha1");
    repo.commit("refs/heads/main", 1, &[("f", "100644", "1")]);
    repo.commit("refs/heads/main", 2, &[("f", "100644", "2")]);
    let tip = repo.commit("refs/heads/main", 3, &[("f", "100644", "3")]);
    let directory = tempfile::tempdir().expect("a directory");
    let from = format!("file://{}", repo.path.display());
    fixture::git_in(directory.path(), &["clone", "-q", "--bare", "--depth=2", &from, "shallow.git"]);
    let shallow = Store::open(&directory.path().join("shallow.git")).expect("opens").reader();
    assert_eq!(shallow.commits_not_in(tip, &[], 9).expect("answered").len(), 2);
    assert_eq!(shallow.walk(tip).expect("a walk").filter(Result::is_ok).count(), 2);
    // Beside the branch, and near the end of what there is.
    let base = shallow.commit(tip).expect("there").parents[0];
    let tree = shallow.commit(base).expect("there").tree;
    let who = Person { name: "A".to_owned(), email: "a@b".to_owned(), seconds: 4, offset_seconds: 0 };
    let draft = NewCommit { tree, parents: &[base], author: who.clone(), committer: who, message: "m" };
    let draft = shallow.write_commit(&draft).expect("written");
    assert_eq!(shallow.commits_not_in(draft, &[tip], 9).expect("answered").len(), 1);
    assert_eq!(shallow.merge_base(tip, draft).expect("answered"), Some(base));
    let own = shallow.commits_not_in(draft, &[tip], 9).expect("answered");
    assert_eq!(shallow.merge_base_of(tip, draft, &own).expect("answered"), Some(base));
    std::fs::remove_file(directory.path().join("shallow.git/shallow")).expect("removed");
    let broken = Store::open(&directory.path().join("shallow.git")).expect("opens").reader();
    assert!(matches!(broken.commits_not_in(tip, &[], 9), Err(GitError::Missing { .. })));
}
