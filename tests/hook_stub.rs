//! The hook stub, installed into real repositories, run by real git, asking a real socket behind which a test answers.
//!
//! Never here: the decisions of the daemon; every answer is made up.

#[path = "hook_stub/elsewhere.rs"]
mod elsewhere;
#[path = "hook_stub/forges.rs"]
mod forges;
#[path = "hook_stub/installing.rs"]
mod installing;
#[path = "hook_stub/world.rs"]
mod world;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use stoop::hooks::{Hook, Layout, Pusher, Reply, State, Verdict, install, write_guard};
use world::{World, accept, refuse};

const SENTENCE: &str =
    "cannot be changed now; ask the administrator of this Git server to start it (stoop serve), then push";

#[test]
fn an_accepted_push_moves_its_refs_and_says_what_the_daemon_said() {
    let world = World::guarded();
    let daemon = world.daemon(|request| match request.hook {
        Hook::PreReceive => accept(&["checked", "twice \u{1b}[31m"]),
        Hook::PostReceive => accept(&["saved: next, propose it"]),
        _ => accept(&[]),
    });
    let push =
        world.push_with(&["-o", "import", "-o", "two words"], &["HEAD:refs/heads/drafts/p/w", "HEAD:refs/heads/free"]);
    assert!(push.ok, "{}", push.text);
    for line in ["remote: checked", "remote: twice ?[31m", "remote: saved: next, propose it"] {
        assert!(push.text.contains(line), "{}", push.text);
    }
    assert!(world.has("refs/heads/drafts/p/w") && world.has("refs/heads/free"));

    let asked = daemon.asked();
    let hooks: Vec<_> = asked.iter().map(|request| request.hook).collect();
    let transaction = |state| Hook::ReferenceTransaction(state);
    let expected =
        [Hook::PreReceive, transaction(State::Prepared), transaction(State::Committed), Hook::PostReceive].to_vec();
    assert_eq!(hooks, expected);
    let first = &asked[0];
    assert_eq!(first.git_dir, world.repository());
    assert_eq!(first.pusher, Some(Pusher::Name(b"alice".to_vec())));
    assert_eq!(first.options, [b"import".to_vec(), b"two words".to_vec()]);
    assert_eq!(first.updates.len(), 2, "the verdict is for the whole push");
    let quarantine = first.quarantine.as_ref().expect("a push of objects has one");
    assert!(quarantine.starts_with(world.repository().join("objects")), "{quarantine:?}");
    assert_eq!(first.object_directory, first.quarantine);
    assert!(first.process.is_some());
    for later in &asked[1..] {
        assert_eq!(later.process, first.process, "all hooks of a push share their ancestor");
        assert_eq!(later.quarantine, None);
    }
    assert_eq!(asked[1].updates.len(), 1, "a transaction names only what may be managed");
    assert_eq!(asked[3].updates.len(), 2);
}

#[test]
fn a_refused_push_leaves_everything_as_it_was() {
    let world = World::guarded();
    let _daemon = world.daemon(|_| refuse("refs/heads/drafts/p/w: no Kptfile"));
    let push = world.push(&["HEAD:refs/heads/drafts/p/w", "HEAD:refs/heads/free"]);
    assert!(!push.ok);
    assert!(push.text.contains("remote: refs/heads/drafts/p/w: no Kptfile"), "{}", push.text);
    assert!(!world.has("refs/heads/drafts/p/w") && !world.has("refs/heads/free"));
    let verdicts = World::guarded();
    let _daemon = verdicts.daemon(|_| Reply {
        verdicts: vec![Verdict { name: b"refs/heads/drafts/p/w".to_vec(), refusal: Some("not now".into()) }],
        ..Reply::default()
    });
    let push = verdicts.push(&["HEAD:refs/heads/drafts/p/w"]);
    assert!(push.text.contains("remote: refs/heads/drafts/p/w: not now"), "{}", push.text);
}

#[test]
fn unmanaged_refs_are_never_sent() {
    let world = World::guarded();
    let daemon = world.daemon(|_| refuse("never"));
    let push = world.push(&["HEAD:refs/heads/free", "HEAD:refs/tags/v1", "HEAD:refs/pull/1/head"]);
    assert!(push.ok, "{}", push.text);
    assert!(world.push(&[":refs/heads/free", ":refs/tags/v1"]).ok);
    assert_eq!(daemon.asked(), []);
}

#[test]
fn without_a_daemon_managed_refs_are_refused_and_all_others_pass() {
    let world = World::guarded();
    assert!(world.push(&["HEAD:refs/heads/free", "HEAD:refs/tags/v1"]).ok);
    for name in ["heads/drafts/p/w", "heads/proposed/p/w", "heads/deletionProposed/p/v1", "stoop/x", "heads/main"] {
        let push = world.push(&[&format!("HEAD:refs/{name}")]);
        assert!(!push.ok, "{name}");
        assert!(push.text.contains(&format!("Stoop is not running, so refs/{name} {SENTENCE}")), "{}", push.text);
        assert_eq!(push.text.matches("Stoop is not running").count(), 1, "{}", push.text);
    }
    let push = world.push(&["HEAD:refs/heads/drafts/p/w", "HEAD:refs/heads/main", "HEAD:refs/heads/other"]);
    assert!(push.text.contains("so refs/heads/drafts/p/w and another ref cannot"), "{}", push.text);

    // A tag is managed if its commit holds that package.
    assert!(world.push(&["HEAD:refs/tags/docs/v1"]).ok);
    let push = world.push(&["HEAD:refs/tags/p/v1"]);
    assert!(push.text.contains(&format!("refs/tags/p/v1 {SENTENCE}")), "{}", push.text);

    // A branch without packages is anybody's; a guard that cannot be read is none.
    write_guard(world.repository(), &world.guard(false)).expect("written");
    assert!(world.push(&["HEAD:refs/heads/main"]).ok);
    fs::write(world.repository().join("hooks/stoop/guard"), "nonsense").expect("written");
    assert!(!world.push(&["HEAD~1:refs/heads/main", "--force"]).ok);
    assert!(!world.push(&["HEAD:refs/heads/drafts/p/w"]).ok);
    assert!(world.push(&["HEAD:refs/heads/other"]).ok);
}

#[test]
fn a_daemon_that_answers_nonsense_counts_as_none() {
    let world = World::guarded();
    let _daemon = world.babbler();
    let push = world.push(&["HEAD:refs/heads/drafts/p/w"]);
    assert!(push.text.contains(SENTENCE), "{}", push.text);
    assert!(world.push(&["HEAD:refs/tags/docs/v1"]).ok);
}

#[test]
fn proc_receive_answers_for_each_ref() {
    let world = World::guarded();
    let daemon = world.daemon(|request| Reply {
        accept: true,
        lines: if matches!(request.hook, Hook::ProcReceive { .. }) { vec!["published p v1".into()] } else { vec![] },
        verdicts: vec![
            Verdict { name: b"refs/approve/p/w".to_vec(), refusal: None },
            Verdict { name: b"refs/reject/p/x".to_vec(), refusal: Some("p x is not proposed".into()) },
        ],
    });
    let push = world
        .push_with(&["-o", "why=tested"], &["HEAD:refs/approve/p/w", "HEAD:refs/reject/p/x", "HEAD:refs/reject/p/y"]);
    assert!(!push.ok);
    for text in
        ["remote: published p v1", "-> refs/approve/p/w", "(p x is not proposed)", "(Stoop gave no answer for this ref"]
    {
        assert!(push.text.contains(text), "{text}: {}", push.text);
    }
    assert!(!world.has("refs/approve/p/w") && !world.has("refs/reject/p/x"), "git carries out none of them");
    let asked = daemon.asked();
    let commands = asked.iter().find(|request| request.hook == Hook::ProcReceive { atomic: false }).expect("asked");
    assert_eq!(commands.updates.len(), 3);
    assert_eq!(commands.options, [b"why=tested".to_vec()]);
    assert_eq!(commands.pusher, Some(Pusher::Name(b"alice".to_vec())));
    assert_eq!(commands.process, asked[0].process);

    assert!(world.push(&["HEAD:refs/approve/p/w"]).ok);
    assert!(world.push_with(&["--atomic"], &["HEAD:refs/approve/p/w"]).ok);
    assert!(daemon.asked().iter().any(|request| request.hook == Hook::ProcReceive { atomic: true }));
    drop(daemon);
    // pre-receive refuses first.
    assert!(world.push(&["HEAD:refs/approve/p/w"]).text.contains(SENTENCE));
}

#[test]
fn proc_receive_refuses_each_ref_when_the_daemon_goes_away_in_between() {
    let world = World::guarded();
    // As if the daemon had answered pre-receive and stopped then.
    fs::remove_file(world.repository().join("hooks/pre-receive")).expect("removed");
    let push = world.push(&["HEAD:refs/approve/p/w"]);
    assert!(!push.ok);
    assert!(push.text.contains(&format!("(Stoop is not running, so refs/approve/p/w {SENTENCE}")), "{}", push.text);
}

#[test]
fn hooks_that_were_there_before_still_run_first() {
    let world = World::new();
    let record = "echo \"$(basename \"$0\") $* $GIT_DIR\" >>ran; cat >>ran; echo kept speaks";
    world.hook("pre-receive", &format!("#!/bin/sh\n{record}\ntest ! -e refuse"));
    // Without an interpreter line, git runs it with the shell; through a relative link, from where it lies.
    fs::create_dir(world.repository().join("shared")).expect("made");
    world.script("shared/post-receive", record);
    std::os::unix::fs::symlink("../shared/post-receive", world.repository().join("hooks/post-receive"))
        .expect("linked");
    let installed = world.install(true);
    assert_eq!((&*installed.kept, installed.proc_receive), (&["pre-receive", "post-receive"][..], true));
    let daemon = world.daemon(|_| accept(&["daemon speaks"]));

    let push = world.push(&["HEAD:refs/heads/drafts/p/w"]);
    assert!(push.ok, "{}", push.text);
    assert_eq!(push.text.matches("remote: kept speaks").count(), 2, "{}", push.text);
    assert!(push.text.find("kept speaks") < push.text.find("daemon speaks"), "{}", push.text);
    let ran = fs::read_to_string(world.repository().join("ran")).expect("written");
    let line = format!("{} {} refs/heads/drafts/p/w\n", "0".repeat(40), world.head());
    assert_eq!(ran, format!("pre-receive  .\n{line}post-receive  .\n{line}"));

    let before = daemon.asked().len();
    fs::write(world.repository().join("refuse"), "").expect("written");
    let push = world.push(&["HEAD:refs/heads/drafts/p/w2"]);
    assert!(!push.ok && !push.text.contains("daemon speaks"), "{}", push.text);
    assert_eq!(daemon.asked().len(), before, "nobody is asked about what is refused already");
    assert!(!world.push(&["HEAD:refs/heads/free"]).ok, "it refuses unmanaged refs, too");
}

#[test]
fn a_kept_reference_transaction_hook_refuses_and_large_input_reaches_it_whole() {
    let world = World::new();
    world.hook("reference-transaction", "#!/bin/sh\ntest \"$1\" != prepared || { cat >seen; test ! -e refuse; }");
    world.install(true);
    let lines: String = (0..3000).map(|n| format!("create refs/heads/free/{n} {}\n", world.head())).collect();
    world.fetch_into_server();
    assert!(world.server_stdin(&["update-ref", "--stdin"], &lines).ok);
    assert_eq!(fs::read_to_string(world.repository().join("seen")).expect("written").lines().count(), 3000);
    fs::write(world.repository().join("refuse"), "").expect("written");
    assert!(!world.server(&["update-ref", "refs/heads/free/x", &world.head()]).ok);
    // A hook that reads nothing stops nothing.
    world.hook("stoop/kept/reference-transaction", "#!/bin/sh\nexit 0");
    let more = lines.replace("free", "more");
    assert!(world.server_stdin(&["update-ref", "--stdin"], &more).ok);
}

#[test]
fn ref_changes_outside_a_push_are_asked_about_and_housekeeping_is_not() {
    let world = World::guarded();
    let daemon = world.daemon(|_| accept(&[]));
    assert!(
        world
            .push(&["HEAD:refs/heads/drafts/p/w", "HEAD:refs/heads/main", "HEAD:refs/tags/p/v1", "HEAD:refs/tags/p/v2"])
            .ok
    );
    drop(daemon);
    let daemon = world.daemon(|request| match request.hook {
        Hook::ReferenceTransaction(State::Prepared) => refuse("only by push"),
        _ => accept(&[]),
    });
    let head = world.head();
    let prepared = || {
        let asked = daemon.take();
        asked
            .into_iter()
            .filter(|request| request.hook == Hook::ReferenceTransaction(State::Prepared))
            .collect::<Vec<_>>()
    };
    for round in ["loose", "packed"] {
        for args in [
            &["tag", "p/v3"][..],
            &["tag", "-f", "p/v1", "HEAD~1"],
            &["tag", "-d", "p/v1"],
            &["branch", "-D", "drafts/p/w"],
            &["update-ref", "-d", "refs/heads/drafts/p/w"],
            &["update-ref", "-d", "refs/tags/p/v1", &head],
            &["update-ref", "refs/heads/main", "HEAD~1"],
            &["update-ref", "refs/stoop/ledger", "HEAD"],
            &["branch", "-m", "drafts/p/w", "elsewhere"],
        ] {
            let run = world.server(args);
            assert!(!run.ok && run.text.contains("only by push"), "{round} {args:?}: {}", run.text);
            let asked = prepared();
            assert!(!asked.is_empty() && asked[0].process.is_none(), "{round} {args:?}: {asked:?}");
        }
        // Unmanaged refs, and edits that change nothing.
        for args in [&["tag", "plain"][..], &["tag", "-d", "plain"], &["update-ref", "refs/heads/main", &head]] {
            let run = world.server(args);
            assert!(run.ok, "{round} {args:?}: {}", run.text);
            assert_eq!(prepared(), [], "{round} {args:?}");
        }
        // Housekeeping.
        for args in [&["pack-refs", "--all", "--prune"][..], &["gc", "--prune=now"], &["pack-refs", "--all"], &["gc"]] {
            let run = world.server(args);
            assert!(run.ok, "{round} {args:?}: {}", run.text);
            assert_eq!(prepared(), [], "{round} {args:?}");
        }
        assert!(!world.repository().join("refs/tags/p/v1").exists(), "packed and pruned");
        for name in ["refs/heads/drafts/p/w", "refs/heads/main", "refs/tags/p/v1", "refs/tags/p/v2"] {
            assert!(world.has(name), "{round} {name}");
        }
    }
    drop(daemon);
    let run = world.server(&["tag", "-d", "p/v2"]);
    assert!(!run.ok && run.text.contains(&format!("refs/tags/p/v2 {SENTENCE}")), "{}", run.text);
    let run = world.server(&["gc"]);
    assert!(run.ok, "{}", run.text);
}

#[test]
fn packing_a_ref_that_moves_meanwhile_is_not_taken_for_a_change_of_it() {
    let world = World::guarded();
    let daemon = world.daemon(|_| refuse("only by push"));
    let repository = world.repository();
    world.fetch_into_server();
    let moved = ["-c", "core.hooksPath=/dev/null", "update-ref", "refs/stoop/ledger", &world.head()];
    assert!(world.server(&moved).ok);
    // What `git pack-refs` read before the ledger moved on to HEAD.
    let (zero, older) = ("0".repeat(40), world.server(&["rev-parse", "refs/stoop/ledger~1"]).text.trim().to_owned());
    let edit = format!("{zero} {older} refs/stoop/ledger\n");
    let ask = || {
        let hook = repository.join("hooks/reference-transaction");
        let script = format!("printf '{edit}' | {} prepared", hook.display());
        let status = std::process::Command::new("sh").args(["-c", &script]).current_dir(repository).output();
        let passed = status.expect("the stub runs").status.success();
        assert_eq!(passed, daemon.take().is_empty(), "who is not asked may go on, and nobody else");
        passed
    };
    let (packed, lock) = (repository.join("packed-refs.lock"), repository.join("refs/stoop/ledger.lock"));
    assert!(!ask(), "nothing says that it is packing");
    fs::write(&packed, "").expect("written");
    assert!(ask(), "the ref itself is not locked");
    fs::write(&lock, format!("{}\n", world.head())).expect("written");
    assert!(ask(), "it is locked for another value");
    fs::write(&lock, format!("{older}\n")).expect("written");
    assert!(!ask(), "it is locked for this value: a change, while somebody packs");
    fs::remove_file(&packed).expect("removed");
    assert!(!ask());
    fs::remove_file(&lock).expect("removed");
}

#[test]
fn committed_transactions_are_told_and_prunes_are_not() {
    let world = World::guarded();
    let daemon = world.daemon(|_| accept(&[]));
    assert!(world.push(&["HEAD:refs/heads/drafts/p/w"]).ok);
    assert!(world.server(&["pack-refs", "--all", "--prune"]).ok);
    let asked = daemon.take();
    let committed = |request: &&stoop::hooks::Request| request.hook == Hook::ReferenceTransaction(State::Committed);
    let deletions =
        asked.iter().filter(committed).flat_map(|request| &request.updates).filter(|update| update.deletes());
    assert_eq!(deletions.count(), 0, "{asked:?}");
    assert!(world.server(&["branch", "-D", "drafts/p/w"]).ok);
    let asked = daemon.take();
    let told = asked.iter().filter(committed).flat_map(|request| &request.updates).any(|update| update.deletes());
    assert!(told, "{asked:?}");
    assert!(!world.has("refs/heads/drafts/p/w"));
}

#[test]
fn a_stub_whose_reader_is_gone_still_ends_properly() {
    let world = World::guarded();
    let hook = world.repository().join("hooks/pre-receive");
    for _ in 0..20 {
        let line = format!("{} {} refs/heads/drafts/p/w\n", "0".repeat(40), world.head());
        assert_eq!(world::run_without_reader(&hook, world.repository(), &line), Some(1));
        let free = line.replace("drafts/p/w", "free");
        assert_eq!(world::run_without_reader(&hook, world.repository(), &free), Some(0));
        assert_eq!(world::run_without_reader(&hook, world.repository(), "nonsense\n"), Some(1));
    }
}

#[test]
fn a_stub_is_replaced_when_its_bytes_differ() {
    let world = World::guarded();
    assert!(!world.install(true).changed);
    let stub = world.repository().join("hooks/stoop/stub");
    fs::write(&stub, "#!/bin/sh\nexit 1\n").expect("written");
    assert!(
        install(world.repository(), stoop::hooks::STUB, &world.guard(true), Layout::Git).expect("installed").changed
    );
    assert_eq!(fs::read(&stub).expect("there"), stoop::hooks::STUB);
    assert_eq!(fs::metadata(&stub).expect("there").permissions().mode() & 0o777, 0o755);
}
