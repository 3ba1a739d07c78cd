//! Signed pushes that are taken: through each door, by each kind of key, and what a mirror of the repository has of them.
//!
//! Never here: certificates that do not hold (see `forged`).

use super::signers::{PGP, SID, kept, world};
use crate::steps::{P, lifecycle, settled_ledger};
use crate::support::{git_command, run};

#[test]
fn a_signed_approval_is_kept_and_a_mirror_has_it() {
    let (world, signers) = world();
    let ann = world.clone("ann", "packages");
    let commit = ann.package(P, "one");
    ann.propose(P, "w1").ok();
    let sid = signers.clone_with_ssh(&world, SID, SID);
    sid.git(&["fetch", "-q", "origin", &commit]).ok();
    let told = signers.push(&sid, "origin", &[&format!("{commit}:refs/approve/{P}/w1")]).ok();
    assert!(told.stderr.contains("signed by sid with SSH key SHA256:"), "{}", told.stderr);
    assert_eq!(lifecycle(&world, "w1"), "Published");
    settled_ledger(&world);

    // What is kept survives everything that cleans up, and a mirror clone has all of it.
    world.on_disk("packages", &["gc", "-q", "--prune=now"]).ok();
    let mirror = world.path().join("mirror.git");
    run(git_command(world.path()).args(["clone", "-q", "--mirror"]).arg(world.bare("packages")).arg(&mirror)).ok();
    let certificates = kept(&mirror, "certificates");
    let [certificate] = &certificates[..] else { panic!("{certificates:?}") };
    let text = run(git_command(&mirror).args(["cat-file", "blob", certificate])).ok().stdout;
    let update = format!("{} {commit} refs/approve/{P}/w1\n-----BEGIN SSH SIGNATURE-----\n", "0".repeat(40));
    assert!(text.starts_with("certificate version 0.1\npusher SHA256:") && text.contains(&update), "{text}");
    let entry = run(git_command(&mirror).args(["grep", "-h", "-A6", "\"approved\"", "refs/stoop/ledger"])).ok();
    assert!(entry.stdout.contains("\"by\": \"sid\"") && entry.stdout.contains(certificate), "{}", entry.stdout);
    let key = run(git_command(&mirror).args(["cat-file", "blob", &kept(&mirror, "signers")[0]])).ok().stdout;
    assert!(signers.read("sid.pub").starts_with(key.trim_end()), "{key}");
}

#[test]
fn every_door_takes_every_kind_of_key() {
    let (world, signers) = world();
    let peg = world.clone(PGP, "packages");
    peg.git(&["config", "user.signingKey", "peg@example.com"]).ok();
    // A draft and its proposal in one signed push, over HTTP.
    peg.package(P, "one");
    let told = signers.push(&peg, "origin", &[&format!("HEAD:refs/heads/drafts/{P}/w1")]).ok();
    assert!(told.stderr.contains("signed by peg with OpenPGP key "), "{}", told.stderr);
    let commit = peg.head();
    // Through the path, where git runs in one process and gives its nonce itself.
    let sid = signers.clone_with_ssh(&world, SID, SID);
    sid.git(&["fetch", "-q", "origin", &commit]).ok();
    peg.propose(P, "w1").ok();
    let mut command = sid.git_command();
    command.env("REMOTE_USER", SID).args(["push", "--signed"]).arg(world.bare("packages"));
    let told = run(command.arg(format!("{commit}:refs/approve/{P}/w1"))).ok();
    assert!(told.stderr.contains("signed by sid with SSH key "), "{}", told.stderr);
    // Two refs of which one is decided in proc-receive: one certificate for both.
    let second = peg.package(P, "two");
    peg.propose(P, "w2").ok();
    peg.package("net/other", "one");
    let refs = [format!("{second}:refs/approve/{P}/w2"), "HEAD:refs/heads/drafts/net/other/w1".to_owned()];
    peg.git(&["reset", "-q", "--hard", "origin/main"]).ok();
    peg.package("net/other", "one");
    let told = signers.push(&peg, "origin", &[&refs[0], &refs[1]]).ok();
    assert_eq!(told.stderr.matches("signed by peg").count(), 2, "{}", told.stderr);
    settled_ledger(&world);
    assert_eq!(kept(&world.bare("packages"), "certificates").len(), 3);
    assert_eq!(kept(&world.bare("packages"), "signers").len(), 2);
    assert_eq!((lifecycle(&world, "w1"), lifecycle(&world, "w2")), ("Published".into(), "Published".into()));
}

#[test]
fn a_signature_of_whom_no_key_is_known_is_as_good_as_none() {
    let (world, signers) = world();
    let ann = signers.clone_with_ssh(&world, "ann", "stranger");
    ann.package(P, "one");
    let told = signers.push(&ann, "origin", &[&format!("HEAD:refs/heads/proposed/{P}/w1")]).ok();
    assert!(told.stderr.contains("no signing key of ann is configured"), "{}", told.stderr);
    assert!(!told.stderr.contains("signed by ann"), "{}", told.stderr);
    settled_ledger(&world);
    assert!(kept(&world.bare("packages"), "certificates").is_empty());
}
