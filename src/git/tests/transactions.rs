//! Ref transactions: all or nothing, with errors that can be told apart.

use super::*;
use crate::git::abandoned_locks;
use crate::git::ref_session::RefSession;

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
        transact(&store.reader(), &edits).expect("made");
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
        transact(&store.reader(), &[RefEdit::delete(name("refs/approve/a/w"), old)]).expect("deleted");
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
    let error = transact(&store.reader(), &[RefEdit::create(name("refs/approve/a/w"), old)]).expect_err("refused");
    assert!(!matches!(error, TransactError::Locked { .. }), "{error:?}");
    std::fs::write(store.path().join("refs/heads/main.lock"), "").expect("written");
    let error = transact(&store.reader(), &[RefEdit::update(name("refs/heads/main"), old, new)]).expect_err("refused");
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
                let error = transact(&store.reader(), &edits).expect_err("refused");
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
            let error = transact(&store.reader(), &edits).expect_err("refused");
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
    let error = transact(&store.reader(), &both).expect_err("refused");
    assert!(matches!(error, TransactError::NameConflict { .. }), "{error:?}");
}

#[test]
fn locks_and_other_failures_are_told_apart() {
    let Two { repo, store, old, new } = two("sha1");
    let lock = repo.path.join("refs/heads/main.lock");
    std::fs::write(&lock, "").expect("written");
    let error = transact(&store.reader(), &[RefEdit::update(name("refs/heads/main"), old, new)]).expect_err("locked");
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
    let error = transact(&store.reader(), &[RefEdit::delete(name("refs/heads/main"), old)]).expect_err("locked");
    assert!(matches!(&error, TransactError::Locked { .. }), "{error:?}");
    assert!(error.to_string().contains("packed-refs"), "{error}");
    std::fs::remove_file(&lock).expect("removed");

    let nothing: ObjectId = "b".repeat(40).parse().expect("an id");
    let error =
        transact(&store.reader(), &[RefEdit::create(name("refs/heads/x"), nothing)]).expect_err("no such object");
    assert!(matches!(&error, TransactError::Git(GitError::Command { .. })), "{error:?}");
    let twice = [RefEdit::create(name("refs/heads/x"), new), RefEdit::create(name("refs/heads/x"), new)];
    assert!(matches!(transact(&store.reader(), &twice), Err(TransactError::Git(_))));
    transact(&store.reader(), &[]).expect("nothing is done");
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
    transact(&store.reader(), &[RefEdit::update(name("refs/heads/main"), old, new)]).expect("made");
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
                scope.spawn(move || transact(&store.reader(), &[RefEdit::update(name("refs/heads/main"), old, *tip)]))
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

#[test]
fn a_git_that_stays_sees_what_others_did_meanwhile() {
    let Two { repo, store, old, new } = two("sha1");
    let main = name("refs/heads/main");
    let reader = store.reader();
    transact(&reader, &[RefEdit::update(main.clone(), old, new)]).expect("made");
    repo.git(&["update-ref", "refs/heads/main", &old.to_string()]);
    repo.git(&["tag", "a", &old.to_string()]);
    repo.git(&["pack-refs", "--all", "--prune"]);
    let error = transact(&reader, &[RefEdit::update(main.clone(), new, old)]).expect_err("it was moved");
    assert!(matches!(error, TransactError::Moved { .. }), "{error:?}");
    transact(&reader, &[RefEdit::update(main.clone(), old, new)]).expect("made");
    let error = transact(&reader, &[RefEdit::create(name("refs/tags/a/b"), old)]).expect_err("refs/tags/a is packed");
    assert!(matches!(error, TransactError::NameConflict { .. }), "{error:?}");
    repo.git(&["tag", "-d", "a"]);
    transact(&reader, &[RefEdit::create(name("refs/tags/a/b"), old)]).expect("made");
    repo.git(&["fsck"]);
}

#[test]
fn a_git_that_was_ended_while_it_waited_costs_nothing() {
    let Two { repo: _repo, store, old, new } = two("sha1");
    let main = name("refs/heads/main");
    let reader = store.reader();
    for (from, to) in [(old, new), (new, old), (old, new)] {
        transact(&reader, &[RefEdit::update(main.clone(), from, to)]).expect("made");
        let pid = store.ref_session().as_ref().and_then(|session| session.process()).expect("it runs").pid;
        kill(pid);
    }
    store.rest();
    assert_eq!(reader.ref_target(&main).expect("read"), Some(new));
}

#[test]
fn locks_of_our_own_dead_child_are_cleared_and_others_stay() {
    let Two { repo, store, old, new } = two("sha1");
    repo.git(&["pack-refs", "--all", "--prune"]);
    let edits = [RefEdit::update(name("refs/heads/main"), old, new), RefEdit::delete(name("refs/heads/other"), new)];
    let locks = ["refs/heads/main.lock", "refs/heads/other.lock", "packed-refs.lock", "HEAD.lock"];
    let locked = || locks.iter().filter(|lock| repo.path.join(lock).exists()).count();
    let commands = format!("start\nupdate refs/heads/main {new} {old}\ndelete refs/heads/other {new}\nprepare\n");

    let mut session = RefSession::start(&repo.path).expect("started");
    assert!(session.prepare(&commands).expect("it answers") && locked() == 4);
    abandoned_locks::record(&repo.path, &edits, session.process());
    assert!(!abandoned_locks::clear(&repo.path), "it lives");
    assert_eq!(locked(), 4);
    kill(session.process().expect("it runs").pid);
    session.end();
    assert_eq!(locked(), 4, "it had no time to clean up");
    std::fs::remove_file(repo.path.join("HEAD.lock")).expect("removed");
    std::fs::write(repo.path.join("HEAD.lock"), "another's").expect("written");
    assert!(abandoned_locks::clear(&repo.path));
    assert_eq!(locked(), 1, "the lock of another stays");
    assert!(!abandoned_locks::clear(&repo.path), "nothing is written down any more");
    let error = transact(&store.reader(), &edits).expect_err("HEAD is locked");
    assert!(matches!(error, TransactError::Locked { .. }), "{error:?}");
    std::fs::remove_file(repo.path.join("HEAD.lock")).expect("removed");
    transact(&store.reader(), &edits).expect("made");
    assert!(locked() == 0 && !repo.path.join("packed-refs.new").exists());
}

#[test]
fn a_lock_that_a_git_was_about_to_take_when_it_was_killed_goes_unless_another_may_have_made_it() {
    let Two { repo, old, new, .. } = two("sha1");
    let edits = [RefEdit::update(name("refs/heads/main"), old, new), RefEdit::delete(name("refs/heads/other"), new)];
    let lock = |lock: &str| repo.path.join(lock);
    std::fs::write(lock("refs/heads/other.lock"), "another's").expect("written");
    let mut other = std::process::Command::new("git")
        .args(["cat-file", "--batch"])
        .current_dir(&repo.path)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("it runs");
    let session = RefSession::start(&repo.path).expect("started");
    abandoned_locks::plan(&repo.path, &edits, session.process());
    kill(session.process().expect("it runs").pid);
    assert!(session.end().killed);
    std::fs::write(lock("refs/heads/main.lock"), "").expect("made");
    // It lives, works here and is older than the lock. Called git it is only once the system has started the program.
    while std::fs::read_to_string(format!("/proc/{}/comm", other.id())).is_ok_and(|name| name != "git\n") {
        std::thread::yield_now();
    }
    assert!(!abandoned_locks::clear(&repo.path) && lock("refs/heads/main.lock").exists(), "it may be that one's");
    other.kill().and_then(|()| other.wait()).expect("it ends");
    // Other tests may run a git in a directory above this one, for a moment.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !abandoned_locks::clear(&repo.path) {
        assert!(std::time::Instant::now() < deadline, "no git lives that could have made it");
        std::thread::yield_now();
    }
    assert!(!lock("refs/heads/main.lock").exists() && lock("refs/heads/other.lock").exists(), "one was there before");
}

#[test]
fn a_repository_is_opened_without_the_locks_of_a_dead_daemon_s_git() {
    let Two { repo, old, new, .. } = two("sha1");
    let edits = [RefEdit::update(name("refs/heads/main"), old, new)];
    let mut session = RefSession::start(&repo.path).expect("started");
    assert!(session.prepare(&format!("start\nupdate refs/heads/main {new} {old}\nprepare\n")).expect("it answers"));
    abandoned_locks::record(&repo.path, &edits, session.process());
    kill(session.process().expect("it runs").pid);
    session.end();
    transact(&repo.store().reader(), &edits).expect("made");
}

fn kill(pid: u32) {
    let status = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(status.expect("kill runs").success());
    // Until it is gone, or is there only for us to notice.
    while !crate::process::ProcessId::of(pid).is_none_or(crate::process::ProcessId::is_gone) {
        std::thread::yield_now();
    }
}
