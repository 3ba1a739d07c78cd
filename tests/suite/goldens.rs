//! What a pusher reads, word for word: the whole of git's output for each step of a package's life and its refusals.
//!
//! Never here: whether the step itself is right (see `push_drafts`).

use crate::support::{Answer, World};

/// Output with everything that differs from run to run replaced: object ids, ports, and git's padding.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut word = String::new();
        for c in line.trim_end().chars().chain(['\n']) {
            if c.is_ascii_alphanumeric() {
                word.push(c);
                continue;
            }
            let hex = word.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
            match (hex, word.len()) {
                (true, 7 | 10 | 40) => out.push_str(&format!("<oid {}>", word.len())),
                (true, _) if out.ends_with("127.0.0.1:") => out.push_str("<port>"),
                _ => out.push_str(&word),
            }
            word.clear();
            out.push(c);
        }
    }
    out
}

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 1
  template:
    spec:
      containers:
      - name: web
        image: web:1
";

#[test]
fn the_conversation_of_a_package_s_life_is_the_golden_one() {
    let mut world = World::with_repository();
    let (ann, bob) = (world.clone("ann", "packages"), world.clone("bob", "packages"));
    let mut told = String::new();
    let mut tell = |what: &str, answer: &Answer| {
        let end = if answer.code == 0 { "accepted" } else { "refused" };
        told.push_str(&format!("## {what} ({end})\n{}\n", plain(&answer.stderr)));
    };
    let draft = "HEAD:refs/heads/drafts/net/router/w1";
    let commit = ann.package("net/router", "one");
    tell("save a draft", &ann.push(draft).ok());
    ann.write("net/router/template.yaml", "{{ if .x }}\na: b\n{{ end }}\n");
    ann.commit("a template");
    tell("save it again, with a warning", &ann.push(draft).ok());
    ann.git(&["reset", "-q", "--hard", &commit]).ok();
    tell("take the template back", &ann.push(&format!("+{draft}")).ok());
    tell("propose it", &ann.propose("net/router", "w1").ok());
    let second = ann.package("net/router", "two");
    tell("change the proposal", &ann.propose("net/router", "w1"));
    tell("approve it without the right", &ann.approve(&commit, "net/router", "w1"));
    bob.git(&["fetch", "-q", "origin", &commit]).ok();
    tell("reject it", &bob.push(&format!("{commit}:refs/reject/net/router/w1")).ok());
    ann.push(&format!("{second}:refs/heads/drafts/net/router/w1")).ok();
    ann.propose("net/router", "w1").ok();
    tell("approve another object id", &bob.approve(&commit, "net/router", "w1"));
    bob.git(&["fetch", "-q", "origin", &second]).ok();
    tell("approve it", &bob.approve(&second, "net/router", "w1").ok());
    ann.reset();
    ann.write("net/router/web.yaml", DEPLOYMENT);
    ann.write("net/router/README.md", "A router.\n");
    ann.package("net/router", "three");
    ann.draft("net/router", "w2").ok();
    ann.write("net/router/web.yaml", &DEPLOYMENT.replace("replicas: 1", "replicas: 3"));
    ann.git(&["mv", "net/router/config.yaml", "net/router/settings.yaml"]).ok();
    ann.commit("more");
    tell("save one that changes what is published", &ann.draft("net/router", "w2"));
    let quiet = ["push", "-o", "no-hints", "origin", "HEAD:refs/heads/proposed/net/router/w2"];
    tell("propose it without hints", &ann.git(&quiet).ok());
    let third = ann.head();
    bob.git(&["fetch", "-q", "origin", &third]).ok();
    tell("approve it, too", &bob.approve(&third, "net/router", "w2").ok());
    ann.reset();
    ann.package("net/router", "four");
    tell("push to the branch", &ann.push("HEAD:main"));
    let both = ["push", "origin", "HEAD:main", "HEAD:refs/heads/feature"];
    tell("push to the branch and elsewhere", &ann.git(&both));
    ann.reset();
    tell("delete what is published", &bob.push(":refs/tags/net/router/v1"));
    let marker = "refs/tags/net/router/v1:refs/heads/deletionProposed/net/router/v1";
    tell("propose its deletion", &ann.push(marker).ok());
    tell("keep it", &bob.push(":refs/heads/deletionProposed/net/router/v1").ok());
    ann.push(marker).ok();
    tell("delete it", &bob.push(":refs/tags/net/router/v1").ok());
    ann.package("net/router", "five");
    ann.draft("net/router", "w4").ok();
    tell("drop a draft", &ann.push(":refs/heads/drafts/net/router/w4").ok());
    ann.reset();
    let sixth = ann.package("net/router", "six");
    ann.propose("net/router", "w5").ok();
    tell("merge a proposal without the right", &ann.push("HEAD:main"));
    bob.git(&["fetch", "-q", "origin", &sixth]).ok();
    bob.git(&["reset", "-q", "--hard", &sixth]).ok();
    bob.package("net/router", "nearly six");
    tell("merge other content than what is proposed", &bob.push("HEAD:main"));
    tell("merge the proposal", &bob.push(&format!("{sixth}:main")).ok());
    ann.reset();
    ann.package("net/router", "seven");
    world.stop_daemon("TERM");
    let bare = world.bare("packages");
    let disk = bare.to_str().expect("text");
    let answer = ann.git(&["push", disk, draft]);
    tell(
        "save a draft while the daemon is down",
        &Answer { stderr: answer.stderr.replace(disk, "packages.git"), ..answer },
    );
    insta::with_settings!({snapshot_path => "../goldens", prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!("push_conversation", told);
    });
}
