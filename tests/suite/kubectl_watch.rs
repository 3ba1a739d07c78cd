//! `kubectl get -w`: what a push changes shows while it happens.
//!
//! Never here: the protocol of watches (see `kube_client`).

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use crate::packages::Shelf;
use crate::support::{eventually, run};

/// A running `kubectl`, and the lines that it has printed.
struct Watching {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Watching {
    fn start(shelf: &Shelf, arguments: &[&str]) -> Self {
        let mut command = shelf.world.kubectl_command("rea");
        let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().expect("kubectl starts");
        let stdout = child.stdout.take().expect("piped");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let seen = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                seen.lock().expect("no panic").push(line.split_whitespace().collect::<Vec<_>>().join(" "));
            }
        });
        Self { child, lines }
    }

    #[track_caller]
    fn shows(&self, line: &str) {
        let lines = || self.lines.lock().expect("no panic").clone();
        let shown =
            std::panic::catch_unwind(|| eventually(line, || lines().iter().any(|have| have == line).then_some(())));
        assert!(shown.is_ok(), "{line:?} is not among {:#?}", lines());
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_watch_shows_what_pushes_change() {
    let shelf = Shelf::new();
    shelf.draft("db", "w1");
    let all = Watching::start(&shelf, &["get", "packagerevisions", "-w"]);
    let watch_only =
        Watching::start(&shelf, &["get", "packagerevisions", "--watch-only", "--output-watch-events", "--no-headers"]);
    let drafts = ["get", "packagerevisions", "-w", "--output-watch-events", "--field-selector", "spec.lifecycle=Draft"];
    let drafts = Watching::start(&shelf, &drafts);
    all.shows("packages.db.w1 db w1 0 false Draft packages");
    drafts.shows("ADDED packages.db.w1 db w1 0 false Draft packages");
    shelf.draft("web", "w1");
    all.shows("packages.web.w1 web w1 0 false Draft packages");
    drafts.shows("ADDED packages.web.w1 web w1 0 false Draft packages");
    let commit = shelf.ann.head();
    shelf.ann.propose("web", "w1").ok();
    all.shows("packages.web.w1 web w1 0 false Proposed packages");
    drafts.shows("DELETED packages.web.w1 web w1 0 false Draft packages");
    shelf.bob.git(&["fetch", "-q", "origin", &commit]).ok();
    shelf.bob.approve(&commit, "web", "w1").ok();
    all.shows("packages.web.w1 web w1 1 true Published packages");
    all.shows("packages.web.main web main -1 false Published packages");
    shelf.ann.push(":refs/heads/drafts/db/w1").ok();
    drafts.shows("DELETED packages.db.w1 db w1 0 false Draft packages");
    watch_only.shows("DELETED packages.db.w1 db w1 0 false Draft packages");

    let repositories = Watching::start(&shelf, &["get", "repositories", "-w", "-o=jsonpath={.metadata.name}{\"\\n\"}"]);
    repositories.shows("packages");
    shelf.world.create_repository("team/more");
    repositories.shows("team-more");
}

#[test]
fn kubectl_waits_for_a_condition_and_for_a_lifecycle() {
    let shelf = Shelf::new();
    shelf.draft("web", "w1");
    let waits = ["wait", "packagerevision", "packages.web.w1", "--for=condition=Tested", "--timeout=20s"];
    let mut waiting = shelf.world.kubectl_command("rea").args(waits).stdout(Stdio::piped()).spawn().expect("starts");
    let tested = "status:\n  conditions:\n  - type: Tested\n    status: \"True\"\n";
    shelf.ann.write("web/Kptfile", &format!("{}{tested}", crate::support::kptfile("web")));
    shelf.ann.commit("tested");
    shelf.ann.propose("web", "w1").ok();
    assert!(waiting.wait().expect("it ends").success());
    // Waiting for a field came with kubectl 1.23.
    if shelf.world.kubectl_minor() < 23 {
        return;
    }
    let waits =
        ["wait", "packagerevision", "packages.web.w1", "--for=jsonpath={.spec.lifecycle}=Published", "--timeout=20s"];
    let mut waiting = shelf.world.kubectl_command("rea").args(waits).stdout(Stdio::piped()).spawn().expect("starts");
    let patch = [
        "patch",
        "packagerevision",
        "packages.web.w1",
        "--type=merge",
        "-p",
        "{\"spec\":{\"lifecycle\":\"Published\"}}",
    ];
    run(shelf.world.kubectl_command("bob").args(patch)).ok();
    assert!(waiting.wait().expect("it ends").success());
}
