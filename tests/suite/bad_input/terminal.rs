//! What strangers write with a terminal's controls in it reaches nobody's terminal as it is: values, authors, messages, file
//! names, push options, and names that git itself takes for refs.
//!
//! Never here: how such a text is written instead (see `krm::shown`).

use crate::packages::Shelf;
use crate::support::{Answer, kptfile, run};

/// Clears the screen, sets the title, goes up a line by one character, and turns the text round.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}1A\u{202e}";
/// The same in a double-quoted text of YAML.
const IN_YAML: &str = r"\e[2J\e]0;owned\a\u009b1A\u202e";

/// What the hooks said, which holds nothing that drives a terminal.
#[track_caller]
fn said(answer: &Answer) -> String {
    // The name behind git's own arrow is what the client was given; what is in brackets after it came from the server.
    let lines = answer.stderr.lines().filter_map(|line| match line.contains("[remote rejected]") {
        true => line.split_once(" (").map(|(_, reason)| reason),
        false => line.starts_with("remote:").then_some(line),
    });
    let said: String = lines.map(|line| format!("{line}\n")).collect();
    let drives = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}');
    assert!(!said.is_empty() && !said.contains(drives), "{said:?}");
    said
}

#[test]
fn what_drives_a_terminal_is_escaped_in_every_reply() {
    let shelf = Shelf::new();
    let (world, ann, bob) = (&shelf.world, &shelf.ann, &shelf.bob);
    shelf.publish("net/router", "w1");
    ann.reset();
    let resource = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: config\ndata:\n  key: ";
    ann.write("net/router/config.yaml", &format!("{resource}\"{IN_YAML}\"\n"));
    ann.git(&["add", "-A"]).ok();
    let author = [("GIT_AUTHOR_NAME", HOSTILE), ("GIT_COMMITTER_NAME", HOSTILE)];
    run(ann.git_command().envs(author).args(["commit", "-q", "-m", HOSTILE])).ok();
    let commit = ann.head();
    let escaped = "\\u{1b}[2J";
    for told in [ann.draft("net/router", "w2").ok(), ann.propose("net/router", "w2").ok()] {
        assert!(said(&told).contains(escaped), "the value is told: {told:?}");
    }
    bob.git(&["fetch", "-q", "origin", &commit]).ok();
    said(&bob.approve(&commit, "net/router", "w2").ok());

    // A file's name, and a Kptfile that says something of itself.
    ann.reset();
    ann.write(&format!("net/router/{HOSTILE}.yaml"), &format!("{resource}one\n"));
    ann.write("net/router/Kptfile", &format!("{}info:\n  description: \"{IN_YAML}\"\n", kptfile("net/router")));
    ann.commit(HOSTILE);
    assert!(said(&ann.draft("net/router", "w3")).contains(escaped));

    // What the pusher gives besides: an option, and a name that git lets pass.
    let option = format!("break-glass={HOSTILE}");
    said(&ann.git(&["push", "-o", &option, "origin", "HEAD:refs/heads/drafts/net/router/w4"]));
    let name = ann.push("HEAD:refs/heads/drafts/net/router/w\u{9b}1A\u{202e}");
    assert!(name.code != 0 && said(&name).contains("\\u{9b}1A\\u{202e}"), "{name:?}");

    let log = world.log();
    assert!(!log.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']), "{log}");
}
