//! Signatures where the policy wants them: from each door, and for each of several approvals.
//!
//! Never here: signatures that nobody asks for (see `pushes`).

use super::signers::{PGP, SID, kept, world_with};
use crate::steps::{P, lifecycle, settled_ledger};
use crate::support::{World, git_command, run};

fn policy(world: &World, rules: &str) {
    std::fs::write(world.path().join("policy.yaml"), format!("serial: 1\nrules:\n{rules}")).expect("written");
}

#[test]
fn where_the_policy_wants_signatures_no_door_approves_without() {
    let (world, signers) = world_with("policy: policy.yaml\n", |world| {
        policy(world, "- name: signatures\n  signed: [approve, reject]\n");
    });
    let ann = world.clone("ann", "packages");
    let commit = ann.package(P, "one");
    ann.propose(P, "w1").ok();
    let sid = signers.clone_with_ssh(&world, SID, SID);
    sid.git(&["fetch", "-q", "origin", &commit]).ok();
    let before = world.refs("packages");
    let command = format!("git push --signed origin {}:refs/approve/{P}/w1", &commit[..10]);
    sid.approve(&commit, P, "w1").refused("[not-signed]").refused(&command);
    sid.push(&format!("{commit}:refs/reject/{P}/w1")).refused("[not-signed]").refused("refs/reject");
    let name = "packages.net.router.w1";
    let patch = ["patch", "packagerevision", name, "--type=merge", "-p", r#"{"spec":{"lifecycle":"Published"}}"#];
    world.kubectl(SID, &patch).refused("a request of the API is not signed").refused(&command);
    // A signature of somebody of whom no key is known is none.
    let bob = signers.clone_with_ssh(&world, "bob", "stranger");
    bob.git(&["fetch", "-q", "origin", &commit]).ok();
    let approve = [&*format!("{commit}:refs/approve/{P}/w1")];
    signers.push(&bob, "origin", &approve).refused("[not-signed]").refused("no signing key of bob is configured");
    assert_eq!(world.refs("packages"), before);
    signers.push(&sid, "origin", &approve).ok();
    assert_eq!(lifecycle(&world, "w1"), "Published");
    // A merge is an approval like any other, and its signature stands for each package in it.
    let merged = ann.package("net/dns", "one");
    ann.propose("net/dns", "w1").ok();
    sid.reset();
    sid.git(&["fetch", "-q", "origin", &merged]).ok();
    sid.git(&["merge", "-q", "--squash", &merged]).ok();
    sid.git(&["checkout", "-q", "origin/main", "--", P]).ok();
    sid.commit("a merge by a squash");
    sid.push("HEAD:main").refused("[not-signed]").refused("sid may not approve net/dns w1 like this");
    signers.push(&sid, "origin", &["HEAD:main"]).ok();
    assert_eq!(world.field("packages.net.dns.w1", "{.spec.lifecycle}"), "Published");
    settled_ledger(&world);
    let said = world.stoop(&["audit", "verify", world.bare("packages").to_str().expect("text")]).ok().stdout;
    assert!(said.contains(" 2 of them signed"), "{said}");
    ann.reset();
    // Past it only by breaking the glass.
    let second = ann.package(P, "two");
    ann.propose(P, "w2").ok();
    let peg = world.clone(PGP, "packages");
    peg.git(&["fetch", "-q", "origin", &second]).ok();
    let refspec = format!("{second}:refs/approve/{P}/w2");
    peg.push(&refspec).refused("[not-signed]");
    let told = peg.git(&["push", "-o", "break-glass=the key is lost", "origin", &refspec]).ok();
    assert!(told.stderr.contains("the glass was broken, past not-signed"), "{}", told.stderr);
}

#[test]
fn each_of_several_approvals_keeps_its_certificate() {
    let (world, signers) = world_with("policy: policy.yaml\n", |world| {
        policy(world, "- name: both\n  signed: [approve]\n  approvals: 2\n");
    });
    let ann = world.clone("ann", "packages");
    let commit = ann.package(P, "one");
    ann.propose(P, "w1").ok();
    let sid = signers.clone_with_ssh(&world, SID, SID);
    let peg = world.clone(PGP, "packages");
    peg.git(&["config", "user.signingKey", "peg@example.com"]).ok();
    for clone in [&sid, &peg] {
        clone.git(&["fetch", "-q", "origin", &commit]).ok();
        assert_eq!(lifecycle(&world, "w1"), "Proposed");
        signers.push(clone, "origin", &[&format!("{commit}:refs/approve/{P}/w1")]).ok();
    }
    assert_eq!(lifecycle(&world, "w1"), "Published");
    settled_ledger(&world);
    assert_eq!(kept(&world.bare("packages"), "certificates").len(), 2);
    let mirror = world.path().join("mirror.git");
    run(git_command(world.path()).args(["clone", "-q", "--mirror"]).arg(world.bare("packages")).arg(&mirror)).ok();
    let verify = ["audit", "verify", mirror.to_str().expect("text")];
    let said = world.stoop(&verify).ok().stdout;
    assert!(said.contains(" 2 of them signed"), "{said}");
    // The first approval's certificate counts as much as the last one's.
    let allowed = world.path().join("allowed");
    std::fs::write(&allowed, format!("sid {}", signers.read("stranger.pub"))).expect("written");
    let said = world.stoop(&[&verify[..], &["--allowed-signers", allowed.to_str().expect("text")]].concat());
    assert_eq!(said.stdout.matches("FAIL  signer-not-allowed").count(), 2, "{}", said.stdout);
}
