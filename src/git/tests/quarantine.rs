//! Reading a push before git has taken it.

use super::*;

/// A repository, and a quarantine below its `objects/` that holds a commit after `main`, loose or packed.
fn quarantine(format: &str, packed: bool) -> (Repo, std::path::PathBuf, ObjectId, ObjectId) {
    let repo = Repo::new(format);
    let main = repo.commit("refs/heads/main", 1, &[("a/Kptfile", "100644", "1")]);
    let directory = tempfile::tempdir().expect("a directory");
    fixture::git_in(directory.path(), &["clone", "-q", "--bare", &repo.path.to_string_lossy(), "other.git"]);
    let other = directory.path().join("other.git");
    fixture::git_in(&other, &["config", "fastimport.unpackLimit", if packed { "0" } else { "100" }]);
    let input = b"commit refs/heads/new\ncommitter A <a@b> 2 +0000\ndata 1\nm\nfrom refs/heads/main^0\nM 100644 inline a/x\ndata 3\nnew\n";
    Repo::feed(&other, &["fast-import", "--quiet"], input);
    let new: ObjectId = fixture::git_in(&other, &["rev-parse", "new"]).parse().expect("an id");
    let inside = repo.path.join("objects/tmp_objdir-incoming-x");
    // What git receives is what is not there yet: the clone's new objects only.
    let list = fixture::git_in(&other, &["rev-list", "--objects", "new", "^main"]);
    std::fs::create_dir_all(inside.join("pack")).expect("made");
    let names: String = list.lines().map(|line| format!("{}\n", line.split(' ').next().unwrap_or_default())).collect();
    if packed {
        let base = inside.join("pack/pack");
        Repo::feed(&other, &["pack-objects", "-q", &base.to_string_lossy()], names.as_bytes());
    } else {
        for hex in names.lines() {
            let below = format!("{}/{}", &hex[..2], &hex[2..]);
            std::fs::create_dir_all(inside.join(&hex[..2])).expect("made");
            std::fs::copy(other.join("objects").join(&below), inside.join(&below)).expect("copied");
        }
    }
    (repo, inside, main, new)
}

#[test]
fn the_pushed_objects_and_those_they_rest_on_are_seen_by_that_view_only() {
    for format in FORMATS {
        for packed in [false, true] {
            let (repo, inside, main, new) = quarantine(format, packed);
            let store = repo.store();
            let reader = store.quarantined(&inside).expect("a view");
            let commit = reader.commit(new).expect("the pushed commit");
            assert_eq!(commit.parents, [main]);
            let old = reader.commit(main).expect("the old commit").tree;
            assert_eq!(reader.changed_paths(Some(old), Some(commit.tree), 9).expect("changes"), ["a/x"]);
            assert_eq!(reader.merge_base(main, new).expect("answered"), Some(main));
            assert_eq!(reader.commits_not_in(new, &[main], 9).expect("answered").len(), 1);
            assert_eq!(reader.refs().expect("refs").len(), 1);
            assert!(matches!(store.reader().commit(new), Err(GitError::Missing { .. })), "others do not see it");

            let before = files_below(&repo.path);
            let blob = reader.write_blob(b"only in memory").expect("written");
            assert_eq!(reader.blob(blob, 99).expect("there"), b"only in memory");
            assert!(!store.reader().exists(blob).expect("looked up"));
            assert_eq!(files_below(&repo.path), before, "nothing is written into the repository");
        }
    }
}

#[test]
fn views_use_a_directory_one_after_another_and_leave_none_behind() {
    let (repo, inside, ..) = quarantine("sha1", false);
    let store = repo.store();
    let view = || store.quarantined(&inside).expect("a view");
    let place = |reader: &Reader| reader.overlay_path().expect("an overlay").to_owned();
    let (one, two) = (view(), view());
    let (first, second) = (place(&one), place(&two));
    assert_ne!(first, second);
    drop(one);
    let three = view();
    assert_eq!(place(&three), first);
    drop((two, three));
    // One that somebody has cleaned away is made anew.
    std::fs::remove_dir_all(&first).expect("removed");
    std::fs::remove_dir_all(&second).expect("removed");
    let four = view();
    let fourth = place(&four);
    assert!(fourth.is_dir());
    drop(four);
    store.rest();
    assert!(!fourth.exists());
}

#[test]
fn only_a_directory_below_objects_is_taken() {
    let (repo, inside, ..) = quarantine("sha1", false);
    let store = repo.store();
    let elsewhere = tempfile::tempdir().expect("a directory");
    let link = repo.path.join("objects/tmp_objdir-link");
    std::os::unix::fs::symlink(elsewhere.path(), &link).expect("made");
    let file = repo.path.join("objects/tmp_objdir-file");
    std::fs::write(&file, "").expect("written");
    let objects = repo.path.join("objects");
    for bad in [
        elsewhere.path().to_owned(),
        link,
        file,
        objects.clone(),
        objects.join("tmp_objdir-incoming-x/../../refs"),
        objects.join("nowhere"),
        "objects/tmp_objdir-incoming-x".into(),
        "/".into(),
    ] {
        let error = store.quarantined(&bad).expect_err("refused");
        assert!(matches!(error, GitError::Quarantine { .. }), "{}: {error}", bad.display());
    }
    assert!(store.quarantined(&objects.join("./tmp_objdir-incoming-x")).is_ok(), "git gives the path so");
    assert!(store.quarantined(&inside).is_ok());
}

fn files_below(path: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![path.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).expect("read").flatten() {
            if entry.path().is_dir() { open.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    found.sort();
    found
}
