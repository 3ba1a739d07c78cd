//! Ref transactions: all or nothing, with errors that can be told apart.

use super::*;

struct Two {
    repo: Repo,
    store: Store,
    old: ObjectId,
    new: ObjectId,
}

fn two(format: &str) -> Two {
    let repo = Repo::new(format);
    let old = repo.commit("refs/heads/main", 1, &[("f", "100644", "1")]);
    let new = repo.commit("refs/heads/other", 2, &[("f", "100644", "2")]);
    let store = repo.store();
    Two { repo, store, old, new }
}

#[test]
fn edits_of_every_kind_are_made_together() {
    for format in FORMATS {
        let Two { repo, store, old, new } = two(format);
        repo.git(&["tag", "gone", &old.to_string()]);
        repo.git(&["pack-refs", "--all", "--prune"]);
        let absent =
            RefEdit { name: name("refs/heads/absent"), expected: crate::domain::ref_plan::Expected::Absent, new: None };
        let edits = [
            RefEdit::update(name("refs/heads/main"), old, new),
            RefEdit::create(name("refs/tags/p/v1"), new),
            RefEdit::delete(name("refs/tags/gone"), old),
            RefEdit::verify(name("refs/heads/other"), new),
            absent,
        ];
        transact(&store, &edits, "a message\nof two lines").expect("made");
        let refs = store.reader().refs().expect("refs");
        let want = ["refs/heads/main", "refs/heads/other", "refs/tags/p/v1"];
        assert_eq!(refs.iter().map(|value| value.name.as_str()).collect::<Vec<_>>(), want, "{format}");
        assert!(refs.iter().all(|value| value.target == new));
        repo.git(&["fsck"]);
    }
}

#[test]
fn of_a_symbolic_ref_itself_is_deleted_and_not_what_it_names() {
    for format in FORMATS {
        let Two { repo, store, old, .. } = two(format);
        repo.git(&["symbolic-ref", "refs/approve/a/w", "refs/heads/main"]);
        transact(&store, &[RefEdit::delete(name("refs/approve/a/w"), old)], "m").expect("deleted");
        let refs = store.reader().refs().expect("refs");
        let left = refs.iter().map(|value| value.name.as_str()).collect::<Vec<_>>();
        assert_eq!(left, ["refs/heads/main", "refs/heads/other"], "{format}");
    }
}

#[test]
fn a_lock_that_cannot_be_made_is_not_called_another_process() {
    let Two { repo, store, old, new } = two("sha1");
    // A file where git needs a directory for the lock.
    std::fs::write(store.path().join("refs/approve"), "in the way").expect("written");
    let error = transact(&store, &[RefEdit::create(name("refs/approve/a/w"), old)], "m").expect_err("refused");
    assert!(!matches!(error, TransactError::Locked { .. }), "{error:?}");
    std::fs::write(store.path().join("refs/heads/main.lock"), "").expect("written");
    let error = transact(&store, &[RefEdit::update(name("refs/heads/main"), old, new)], "m").expect_err("refused");
    assert!(matches!(error, TransactError::Locked { .. }), "{error:?}");
    drop(repo);
}

#[test]
fn one_edit_that_fails_leaves_nothing_of_the_others() {
    for format in FORMATS {
        let Two { repo, store, old, new } = two(format);
        let before = store.reader().refs().expect("refs");
        let ok = || [RefEdit::create(name("refs/heads/a-first"), new), RefEdit::delete(name("refs/heads/other"), new)];
        let absent =
            RefEdit { name: name("refs/heads/main"), expected: crate::domain::ref_plan::Expected::Absent, new: None };
        for bad in [
            RefEdit::update(name("refs/heads/main"), new, old),
            RefEdit::create(name("refs/heads/main"), new),
            RefEdit::create(name("refs/heads/main"), old),
            RefEdit::delete(name("refs/heads/main"), new),
            RefEdit::verify(name("refs/heads/main"), new),
            RefEdit::update(name("refs/heads/none"), old, new),
            RefEdit::delete(name("refs/heads/none"), old),
            RefEdit::verify(name("refs/heads/none"), old),
            absent,
        ] {
            for packed in [false, true] {
                if packed {
                    repo.git(&["pack-refs", "--all", "--prune"]);
                }
                let mut edits = ok().to_vec();
                edits.push(bad.clone());
                let error = transact(&store, &edits, "m").expect_err("refused");
                assert!(matches!(&error, TransactError::Moved { name, .. } if *name == bad.name), "{bad}: {error:?}");
                assert!(error.to_string().contains(bad.name.as_str()), "{error}");
                assert_eq!(store.reader().refs().expect("refs"), before, "{bad}");
            }
        }
    }
}

#[test]
fn name_conflicts_are_seen_loose_and_packed_and_beforehand() {
    let Two { repo, store, new, .. } = two("sha1");
    repo.git(&["tag", "team/pkg/v1", &new.to_string()]);
    for packed in [false, true] {
        if packed {
            repo.git(&["pack-refs", "--all", "--prune"]);
        }
        let before = store.reader().refs().expect("refs");
        for (wanted, with) in
            [("refs/tags/team/pkg/v1/x", "refs/tags/team/pkg/v1"), ("refs/tags/team", "refs/tags/team/pkg/v1")]
        {
            let edits = [RefEdit::create(name("refs/heads/a-first"), new), RefEdit::create(name(wanted), new)];
            let error = transact(&store, &edits, "m").expect_err("refused");
            assert!(
                matches!(&error, TransactError::NameConflict { name: of, .. } if *of == name(wanted)),
                "{packed}: {error:?}"
            );
            assert_eq!(store.reader().refs().expect("refs"), before);
            assert_eq!(name_conflict(&before, &name(wanted)), Some(name(with)));
        }
        assert_eq!(name_conflict(&before, &name("refs/tags/team/pkg/v1")), None, "the ref itself is no conflict");
        assert_eq!(name_conflict(&before, &name("refs/tags/team/pkg/v2")), None);
        assert_eq!(name_conflict(&before, &name("refs/tags/tea")), None);
    }
    let both = [RefEdit::create(name("refs/heads/x"), new), RefEdit::create(name("refs/heads/x/y"), new)];
    let error = transact(&store, &both, "m").expect_err("refused");
    assert!(matches!(error, TransactError::NameConflict { .. }), "{error:?}");
}

#[test]
fn locks_and_other_failures_are_told_apart() {
    let Two { repo, store, old, new } = two("sha1");
    let lock = repo.path.join("refs/heads/main.lock");
    std::fs::write(&lock, "").expect("written");
    let error = transact(&store, &[RefEdit::update(name("refs/heads/main"), old, new)], "m").expect_err("locked");
    assert!(
        matches!(&error, TransactError::Locked { name: Some(of), .. } if *of == name("refs/heads/main")),
        "{error:?}"
    );
    assert!(
        !error.to_string().contains(&*repo.path.to_string_lossy()),
        "paths of the server are not for clients: {error}"
    );
    std::fs::remove_file(&lock).expect("removed");

    let lock = repo.path.join("packed-refs.lock");
    std::fs::write(&lock, "").expect("written");
    let error = transact(&store, &[RefEdit::delete(name("refs/heads/main"), old)], "m").expect_err("locked");
    assert!(matches!(&error, TransactError::Locked { .. }), "{error:?}");
    assert!(error.to_string().contains("packed-refs"), "{error}");
    std::fs::remove_file(&lock).expect("removed");

    let nothing: ObjectId = "b".repeat(40).parse().expect("an id");
    let error = transact(&store, &[RefEdit::create(name("refs/heads/x"), nothing)], "m").expect_err("no such object");
    assert!(matches!(&error, TransactError::Git(GitError::Command { .. })), "{error:?}");
    let twice = [RefEdit::create(name("refs/heads/x"), new), RefEdit::create(name("refs/heads/x"), new)];
    assert!(matches!(transact(&store, &twice, "m"), Err(TransactError::Git(_))));
    transact(&store, &[], "nothing to do").expect("nothing is done");
}

#[test]
fn no_hook_of_the_repository_runs() {
    use std::os::unix::fs::PermissionsExt;
    let Two { repo, store, old, new } = two("sha1");
    let hooks = repo.path.join("hooks");
    std::fs::create_dir_all(&hooks).expect("made");
    let hook = hooks.join("reference-transaction");
    std::fs::write(&hook, "#!/bin/sh\nexit 1\n").expect("written");
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).expect("set");
    assert!(!repo.git_ok(&["update-ref", "refs/heads/x", "main"]), "the hook works");
    transact(&store, &[RefEdit::update(name("refs/heads/main"), old, new)], "m").expect("made");
}

#[test]
fn of_many_that_race_exactly_one_wins() {
    let Two { repo, store, old, .. } = two("sha1");
    let tips: Vec<ObjectId> =
        (0..6).map(|at| repo.commit(&format!("refs/heads/r{at}"), at, &[("g", "100644", &at.to_string())])).collect();
    let results: Vec<Result<(), TransactError>> = std::thread::scope(|scope| {
        let threads: Vec<_> = tips
            .iter()
            .map(|tip| {
                let store = &store;
                scope.spawn(move || transact(store, &[RefEdit::update(name("refs/heads/main"), old, *tip)], "m"))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    assert!(
        results
            .iter()
            .flat_map(|result| result.as_ref().err())
            .all(|error| matches!(error, TransactError::Moved { .. } | TransactError::Locked { .. })),
        "{results:?}"
    );
}
