//! What a pusher reads when a push is refused, word for word: one refusal at least of every code.
//!
//! Never here: when a push is refused (see the stories that `rows` names).

use std::os::unix::fs::PermissionsExt;

use crate::goldens::plain;
use crate::packages::Shelf;
use crate::signed::forged::{self, ZERO};
use crate::signed::signers::{SID, world};
use crate::steps::{P, copy, settled_ledger};
use crate::support::{Answer, World, config_map, kptfile};

/// The refusals that were told so far.
#[derive(Default)]
struct Told(String);

impl Told {
    /// Takes up a refusal, which must have this code.
    #[track_caller]
    fn refused(&mut self, code: &str, what: &str, answer: &Answer) {
        let said = answer.stderr.lines().map(|line| line.strip_prefix("remote: ").unwrap_or(line));
        let said: Vec<&str> =
            said.skip_while(|line| !line.starts_with("Stoop refused")).take_while(|line| is_said(line)).collect();
        let text = plain(&said.join("\n"));
        assert!(answer.code != 0 || answer.stderr.contains("Stoop refused"), "{what}: {answer:?}");
        assert!(text.contains(&format!("[{code}]")), "{what} is not refused with {code}: {answer:?}");
        self.0.push_str(&format!("## {what}\n{text}\n"));
    }
}

fn is_said(line: &str) -> bool {
    line.starts_with("Stoop refused") || line.starts_with("  ")
}

/// A push that comes while another one to the same package is under way: from the `update` hook of that one.
fn while_another_is_under_way(world: &World, shelf: &Shelf) -> Answer {
    let hook = world.bare("packages").join("hooks/update");
    let (second, told) = (world.clone("art", "packages"), world.path().join("told"));
    second.package(P, "meanwhile");
    let push = format!("git -C {} push origin HEAD:refs/heads/drafts/{P}/w9", second.path().display());
    let script = format!(
        "#!/bin/sh\ncase $1 in refs/heads/drafts/{P}/w8) ;; *) exit 0;; esac\nunset $(git rev-parse --local-env-vars) GIT_QUARANTINE_PATH\n{push} 2> {}\nexit 1\n",
        told.display()
    );
    std::fs::write(&hook, script).expect("written");
    std::fs::set_permissions(&hook, PermissionsExt::from_mode(0o755)).expect("set");
    shelf.ann.package(P, "first");
    let first = shelf.ann.draft(P, "w8");
    std::fs::remove_file(&hook).expect("removed");
    let stderr = std::fs::read_to_string(&told).expect("the hook ran");
    Answer { stderr, ..first }
}

#[test]
fn every_refusal_is_the_golden_one() {
    let (world, _signers) = world();
    let shelf = Shelf::of(world);
    let (world, ann, bob) = (&shelf.world, &shelf.ann, &shelf.bob);
    let ada = world.clone("ada", "packages");
    let mut told = Told::default();
    let fetch = |commit: &str| bob.git(&["fetch", "-q", "origin", commit]).ok();
    shelf.publish(P, "w1");
    let first = ann.head();

    // Who pushes, and what the refs are called.
    ann.reset();
    ann.package(P, "two");
    let bare = world.bare("packages");
    let answer = ann.git(&["push", bare.to_str().expect("text"), &format!("HEAD:refs/heads/drafts/{P}/w2")]);
    told.refused("no-identity", "a push by nobody", &answer);
    told.refused("not-allowed", "a draft by an approver", &bob.push(&format!("HEAD:refs/heads/drafts/{P}/w2")));
    told.refused("bad-name", "a name that is none", &ann.push("HEAD:refs/heads/drafts/Net/w1"));
    told.refused("internal-ref", "a ref of Stoop's", &ada.push("HEAD:refs/stoop/x"));
    let packet = format!("{first} {ZERO} refs/approve/{P}/w1\0report-status");
    let request = format!("{:04x}{packet}0000", packet.len() + 4);
    let answer = forged::receive_pack(world, "ann", &[], request.as_bytes());
    told.refused("bad-request", "the deletion of a ref that never stays", &answer);
    let certificate = format!(
        "certificate version 0.1\npusher x 1 +0000\nnonce 1795530068-00\n\n{ZERO} {first} refs/approve/{P}/w2\n-----BEGIN PGP SIGNATURE-----\n-----END PGP SIGNATURE-----\n"
    );
    told.refused("bad-certificate", "a certificate of another push", &forged::push(world, SID, &certificate));

    // Where the package is in its life.
    told.refused("not-found", "an approval of nothing", &bob.approve(&first, P, "w7"));
    told.refused("wrong-state", "an approval of what is published", &bob.approve(&first, P, "w1"));
    told.refused("workspace-used", "a draft of what is published", &ann.draft(P, "w1"));
    told.refused("immutable", "a tag that would publish", &ann.push(&format!("HEAD:refs/tags/{P}/v7")));
    told.refused("branch-guarded", "a package on the branch", &ann.push("HEAD:main"));
    told.refused("busy", "a push beside another one", &while_another_is_under_way(world, &shelf));
    let proposal = shelf.propose("net/dns", "w1");
    fetch(&proposal);
    told.refused("stale", "an approval of another commit", &bob.approve(&first, "net/dns", "w1"));
    ann.package("net/dns", "changed");
    told.refused("proposal-locked", "a proposal that is changed", &ann.propose("net/dns", "w1"));
    let second = shelf.propose("net/dns", "w2");
    fetch(&second);
    let (one, other) = (format!("{proposal}:refs/approve/net/dns/w1"), format!("{second}:refs/approve/net/dns/w2"));
    told.refused("mixed-push", "two approvals of one package", &bob.git(&["push", "origin", &one, &other]));
    settled_ledger(world);
    let behind = ["-c", "core.hooksPath=/dev/null", "update-ref", "refs/heads/proposed/net/dns/w1", &second];
    world.on_disk("packages", &behind).ok();
    told.refused("tampered", "a proposal moved behind the doors", &bob.approve(&second, "net/dns", "w1"));

    // What is in the draft.
    ann.reset();
    ann.write("outside.txt", "x\n");
    ann.package(P, "two");
    told.refused("outside-package", "a file of no package", &ann.draft(P, "w2"));
    ann.reset();
    ann.package(P, "two");
    let line = format!("kpt:{{\"package\":\"{P}\",\"workspaceName\":\"w2\",\"revision\":\"7\"}}");
    ann.git(&["commit", "-q", "--amend", "-m", &format!("a subject\n\n{line}")]).ok();
    told.refused("forged-annotation", "a line of Porch's that is not true", &ann.draft(P, "w2"));
    ann.reset();
    ann.package("net/router/inside", "one");
    told.refused("nested-package", "a package inside another", &ann.draft("net/router/inside", "w1"));
    ann.reset();
    ann.push("HEAD:refs/tags/edge").ok();
    ann.package("edge/web", "one");
    told.refused("ref-conflict", "a package whose tags have no place", &ann.draft("edge/web", "w1"));
    ann.reset();
    ann.write("net/new/config.yaml", &config_map("one"));
    ann.commit("no Kptfile");
    told.refused("bad-kptfile", "a package without a Kptfile", &ann.draft("net/new", "w1"));
    ann.package("net/new", "one");
    std::os::unix::fs::symlink("../../secret", ann.path().join("net/new/link")).expect("linked");
    ann.commit("a link that leads out");
    told.refused("bad-content", "a link that leads out", &ann.draft("net/new", "w1"));
    ann.reset();
    ann.write("gated/Kptfile", &(kptfile("gated") + "info:\n  readinessGates:\n  - conditionType: reviewed\n"));
    ann.commit("gated");
    told.refused("not-ready", "a gate that is not met", &ann.propose("gated", "w1"));
    ann.reset();
    let begun = ann.package(P, "begun before");
    shelf.publish(P, "w3");
    ann.git(&["reset", "-q", "--hard", &begun]).ok();
    told.refused("stale-base", "a proposal begun before the last revision", &ann.propose(P, "w4"));
    ann.reset();
    copy(ann, "net/copy");
    let marker = format!("refs/tags/{P}/v1:refs/heads/deletionProposed/{P}/v1");
    told.refused("referenced", "the deletion of what another was made from", &ann.push(&marker));

    insta::with_settings!({snapshot_path => "../goldens", prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!("push_refusals", told.0);
    });
}
