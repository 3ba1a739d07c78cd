//! The demo as a user starts it: the tour to its end, without kubectl, and its end by a signal.
//!
//! Never here: what the tour shows in detail; the tour itself checks every step.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn demo(temporary: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stoop"));
    command.arg("demo").env("TMPDIR", temporary).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn directory() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("t").tempdir().expect("a temporary directory")
}

/// Nothing of the demo is left in its temporary directory.
#[track_caller]
fn is_cleared(temporary: &Path) {
    let left: Vec<_> = temporary.read_dir().expect("readable").flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status().expect("kill runs");
    assert!(status.success());
}

/// Programs that the tour needs, without kubectl.
fn path_without_kubectl(directory: &Path) {
    let path = std::env::var_os("PATH").expect("a PATH");
    for program in ["git", "sh", "cp", "ls", "sed"] {
        let found = std::env::split_paths(&path).map(|part| part.join(program)).find(|file| file.is_file());
        symlink(found.unwrap_or_else(|| panic!("{program} is on the PATH")), directory.join(program)).expect("linked");
    }
}

#[test]
fn without_kubectl_the_tour_says_what_it_leaves_out() {
    let (temporary, programs) = (directory(), directory());
    path_without_kubectl(programs.path());
    let output = demo(temporary.path()).arg("--exit").env("PATH", programs.path()).output().expect("the demo runs");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{shown}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(shown.contains("kubectl is not installed, so this is not shown"), "{shown}");
    assert!(!shown.contains("$ kubectl") && shown.contains("frontend scale-up: published as v2"), "{shown}");
    is_cleared(temporary.path());
}

#[test]
fn without_git_it_says_what_is_missing() {
    let (temporary, programs) = (directory(), directory());
    let output = demo(temporary.path()).env("PATH", programs.path()).output().expect("the demo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("git is not installed"), "{said}");
    is_cleared(temporary.path());
}

#[test]
fn a_step_that_does_not_go_as_told_fails_the_demo() {
    let (temporary, programs) = (directory(), directory());
    path_without_kubectl(programs.path());
    // A kubectl that knows nothing.
    symlink("/bin/true", programs.path().join("kubectl")).expect("linked");
    let output = demo(temporary.path()).arg("--exit").env("PATH", programs.path()).output().expect("the demo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(
        said.contains("`kubectl get packagerevisions` should have answered with \"demo.frontend.scale-up\""),
        "{said}"
    );
    is_cleared(temporary.path());
}

#[test]
fn after_the_tour_it_runs_on_until_a_signal() {
    for name in ["INT", "TERM"] {
        let temporary = directory();
        let mut child = demo(temporary.path()).spawn().expect("the demo starts");
        let mut shown = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut pid = None;
        let end = shown.by_ref().map_while(Result::ok).find(|line| {
            let found = serde_json::from_str::<serde_json::Value>(line).ok();
            pid = pid.or_else(|| found.and_then(|ready| ready["pid"].as_u64()));
            line.starts_with("Ctrl-C stops it")
        });
        assert!(end.is_some(), "it says how to end it");
        signal(&child, name);
        let rest: Vec<String> = shown.map_while(Result::ok).collect();
        assert!(child.wait().expect("it ends").success(), "{rest:?}");
        assert!(rest.contains(&"Stopped; everything the demo made is removed.".to_owned()), "{rest:?}");
        is_cleared(temporary.path());
        let pid = pid.expect("the daemon said its process id");
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "the daemon has ended");
    }
}

#[test]
fn a_signal_in_the_middle_of_the_tour_fails_it_and_clears_up() {
    let temporary = directory();
    let mut child = demo(temporary.path()).spawn().expect("the demo starts");
    let mut shown = BufReader::new(child.stdout.take().expect("piped")).lines();
    assert!(shown.by_ref().map_while(Result::ok).any(|line| line.contains("stoop serve")));
    signal(&child, "TERM");
    let mut said = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut said).expect("read");
    assert!(!child.wait().expect("it ends").success());
    assert!(said.contains("the tour was stopped before its end"), "{said}");
    is_cleared(temporary.path());
}
