//! Hooks that no push runs: called by hand, with an environment of the caller's choice, or a word on the socket.
//!
//! Never here: changes without any hook (see `watching`).

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::steps::{P, lifecycle};
use crate::support::{Answer, World, eventually, run};

/// Calls a hook with a line on its standard input and these variables.
pub(super) fn call(hook: &Path, directory: &Path, args: &[&str], line: &str, variables: &[(&str, &str)]) -> Answer {
    let mut command = Command::new(hook);
    command.args(args).current_dir(directory).env_clear().envs(variables.iter().copied());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let written = child.stdin.take().expect("piped").write_all(format!("{line}\n").as_bytes());
    let output = child.wait_with_output().expect("it ends");
    written.expect("it reads what it is told");
    Answer {
        command: format!("{command:?}"),
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn a_hook_that_is_called_by_hand_speaks_for_nobody() {
    let world = World::with_repository();
    world.create_repository("other");
    let ann = world.clone("ann", "packages");
    let commit = ann.package(P, "one");
    ann.propose(P, "w1").ok();
    let (bare, other) = (world.bare("packages"), world.bare("other"));
    let (before, others) = (world.refs("packages"), world.refs("other"));
    let zero = "0".repeat(40);
    let approve = format!("{zero} {commit} refs/approve/{P}/w1");
    let draft = format!("{zero} {commit} refs/heads/drafts/{P}/w2");
    let hook = |name: &str| bare.join("hooks").join(name);
    let elsewhere = other.to_str().expect("text");
    let hostile = [
        vec![("REMOTE_USER", "bob")],
        vec![("REMOTE_USER", "bob"), ("GIT_DIR", elsewhere)],
        vec![("REMOTE_USER", "bob"), ("GIT_DIR", elsewhere), ("GIT_QUARANTINE_PATH", "/etc")],
        vec![("REMOTE_USER", "bob\nada"), ("GIT_PUSH_OPTION_COUNT", "18446744073709551615")],
        vec![("REMOTE_USER", "ada"), ("GIT_PUSH_OPTION_COUNT", "1"), ("GIT_PUSH_OPTION_0", "import")],
        vec![("REMOTE_USER", "ada"), ("GL_USER", "ada"), ("GITEA_PUSHER_NAME", "ada"), ("GITEA_INTERNAL_PUSH", "true")],
        vec![("REMOTE_USER", "bob"), ("LD_PRELOAD", "/nowhere/libevil.so"), ("LD_LIBRARY_PATH", "/nowhere")],
    ];
    for variables in &hostile {
        // Only refs under refs/approve: those are judged in proc-receive, which is no shell's to speak with. With another
        // one, all are judged.
        for line in [draft.clone(), format!("{draft}\n{approve}")] {
            let said = call(&hook("pre-receive"), &bare, &[], &line, variables);
            assert_ne!(said.code, 0, "{variables:?}: {}", said.stderr);
            assert!(!said.stderr.contains("ld.so"), "a static program: {}", said.stderr);
        }
        call(&hook("reference-transaction"), &bare, &["prepared"], &draft, variables).refused("no-identity");
        // These only hint, and what is not so is not made so.
        call(&hook("reference-transaction"), &bare, &["committed"], &draft, variables).ok();
        call(&hook("post-receive"), &bare, &[], &draft, variables);
    }
    call(&hook("pre-receive"), &bare, &[], &draft, &hostile[0]).refused("no git receive-pack runs the hook");
    // And git's own programs, run by hand, ask like any other.
    let mut update = Command::new("git");
    update.arg("--git-dir").arg(&bare).args(["update-ref", &format!("refs/heads/drafts/{P}/w2"), &commit]);
    run(update.env("REMOTE_USER", "bob")).refused("behind the door, where nobody is known");
    assert_eq!((world.refs("packages"), world.refs("other")), (before, others));
    assert_eq!(lifecycle(&world, "w1"), "Proposed");
}

/// A request on the socket that claims to be part of a push of another process.
fn claim(world: &World, process: &str, identity: &str, line: &str) -> String {
    let mut frame = String::from("version 1\n1\n");
    let git_dir = world.bare("packages").canonicalize().expect("there");
    let fields = [
        ("hook", "pre-receive"),
        ("git-dir", git_dir.to_str().expect("text")),
        ("process", process),
        ("identity", identity),
        ("update", line),
    ];
    for (key, value) in fields {
        frame += &format!("{key} {}\n{value}\n", value.len());
    }
    frame += "end 0\n\n";
    let mut stream = UnixStream::connect(&world.ready().socket).expect("the socket is open");
    stream.write_all(frame.as_bytes()).expect("taken");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_claim_to_be_part_of_another_push_is_not_answered() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    let commit = ann.package(P, "one");
    ann.draft(P, "w1").ok();
    let before = world.refs("packages");
    // A real git receive-pack, which waits for a push that never comes.
    let mut other = Command::new("git-receive-pack")
        .arg(world.bare("packages"))
        .env("PATH", format!("{}:{}", exec_path(), std::env::var("PATH").unwrap_or_default()))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let start = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
        stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(19)).expect("a start").to_owned()
    };
    let line = format!("{commit} {} refs/heads/drafts/{P}/w1", "0".repeat(40));
    for pid in [other.id(), std::process::id(), world.ready().pid] {
        assert_eq!(claim(&world, &format!("{pid} {}", start(pid)), "ann", &line), "", "{pid}");
    }
    assert_eq!(claim(&world, "999999999 1", "ann", &line), "");
    assert!(world.log().contains("says that it is part of a push that does not run it"), "the log tells of it");
    drop(other.stdin.take());
    other.wait().expect("it ends");
    assert_eq!(world.refs("packages"), before);
}

fn exec_path() -> String {
    run(Command::new("git").arg("--exec-path")).ok().text().to_owned()
}

#[test]
fn a_repository_whose_hooks_are_sent_elsewhere_is_guarded_again_by_the_next_rescan() {
    let mut world = World::without_daemon();
    world.configure("rescanSeconds: 1\n");
    world.create_repository("packages");
    world.start_daemon();
    world.wait_for_repository("packages");
    let ann = world.clone("ann", "packages");
    ann.package(P, "one");
    let shared = world.path().join("shared");
    std::fs::create_dir(&shared).expect("made");
    world.on_disk("packages", &["config", "core.hooksPath", shared.to_str().expect("text")]).ok();
    eventually("git is sent back", || {
        world.bare("packages").join("hooks/stoop/path/pre-receive").exists().then_some(())
    });
    eventually("the setting is ours", || {
        let path = world.on_disk("packages", &["config", "core.hooksPath"]).stdout;
        path.trim().ends_with("hooks/stoop/path").then_some(())
    });
    assert!(ann.draft(P, "w1").ok().stderr.contains("draft saved"));
    ann.push("HEAD:refs/stoop/mine").refused("[internal-ref]");
}

#[test]
fn what_is_no_users_name_pushes_nothing() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    ann.package(P, "one");
    let before = world.refs("packages");
    let bare = world.bare("packages");
    // As a server says it that takes any name for a user's.
    let push = |name: &str| {
        let mut command = ann.git_command();
        run(command.env("REMOTE_USER", name).arg("push").arg(&bare).arg(format!("HEAD:refs/heads/drafts/{P}/w1")))
    };
    for name in ["ann\nbob", "ann\n", " ann", "a\tb", "<ann>", &"a".repeat(254), &"a".repeat(4096)] {
        push(name).refused("the user name in REMOTE_USER is not usable");
    }
    // What is empty, or longer than any name, is not even handed on.
    for name in ["", &"a".repeat(5000)] {
        push(name).refused("REMOTE_USER is not set");
    }
    push("Ann").refused("Ann may not save");
    assert_eq!(world.refs("packages"), before);
}
