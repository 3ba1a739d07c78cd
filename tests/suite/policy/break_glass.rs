//! Break-glass: an administrator goes past the policy with a reason, and that is never forgotten.

use super::*;
use crate::steps::settled_ledger;
use crate::untouched::refused;

const CLOSED: &str = "\
rules:
- name: closed
  approvals: 3
  reservedFor: {approver: [amy]}
  freeze:
  - {from: 2020-01-01, until: 2999-01-01, timeZone: UTC}
";

#[test]
fn an_administrator_goes_past_the_policy_by_push_and_it_is_recorded() {
    let shelf = under(CLOSED);
    let world = &shelf.world;
    let commit = shelf.propose(P, "w1");
    let (bob, ada) = (clone_with(world, "bob", &commit), clone_with(world, "ada", &commit));
    refused(world, "reserved", "reserves this for amy", || ada.approve(&commit, P, "w1"));
    let reason = ["-o", "break-glass=outage 4711"];
    refused(world, "break-glass", "bob may not break the glass", || approve_with(&bob, &reason, &commit, "w1"));
    approve_with(&ada, &["-o", "break-glass= "], &commit, "w1").refused("the reason for breaking the glass is empty");
    let two = ["-o", "break-glass=a", "-o", "break-glass=b"];
    approve_with(&ada, &two, &commit, "w1").refused("two reasons for breaking the glass are given");
    let told = approve_with(&ada, &reason, &commit, "w1").ok();
    assert!(told.stderr.contains("published as v1"), "{}", told.stderr);
    assert!(told.stderr.contains("the glass was broken, past reserved, frozen, approvals-missing"), "{}", told.stderr);
    let ledger = settled_ledger(world);
    assert!(ledger.contains("by ada, breaking the glass: outage 4711"), "{ledger}");
    let kept = world.on_disk("packages", &["grep", "-h", "-A2", "reason", "refs/stoop/ledger"]).ok();
    assert!(
        kept.stdout.contains("\"reason\": \"outage 4711\"") && kept.stdout.contains("\"reserved\""),
        "{}",
        kept.stdout
    );
    assert!(world.log().contains("glass broken"), "{}", world.log());
    assert_eq!(metric(world, "stoop_glass_broken_total{door=\"git\"}"), 1);
}

#[test]
fn by_kubectl_the_reason_is_an_annotation_that_does_not_stay() {
    let shelf = under(CLOSED);
    let world = &shelf.world;
    shelf.propose(P, "w1");
    let with = |reason: &str, rest: &str| {
        format!(r#"{{"metadata":{{"annotations":{{"stoop.dev/break-glass":"{reason}"}}}}{rest}}}"#)
    };
    let publish = r#","spec":{"lifecycle":"Published"}"#;
    patch(world, "ada", W1, PUBLISH, &[]).refused("reserves this for amy");
    patch(world, "bob", W1, &with("outage", publish), &[]).refused("bob may not break the glass");
    patch(world, "ada", W1, &with("", publish), &[]).refused("is empty");
    patch(world, "ada", W1, &with("outage", ""), &[]).refused("the glass is broken for a change");
    patch(world, "ada", W1, &with("outage", publish), &["--dry-run=server"]).ok();
    assert_eq!(lifecycle(world, W1), "Proposed");
    let told = patch(world, "ada", W1, &with("outage", publish), &[]).ok();
    assert!(told.stderr.contains("Warning: the glass was broken"), "{}", told.stderr);
    assert_eq!((lifecycle(world, W1).as_str(), world.field(W1, "{.metadata.annotations}").as_str()), ("Published", ""));
    assert!(settled_ledger(world).contains("by ada, breaking the glass: outage"));
    assert_eq!(metric(world, "stoop_glass_broken_total{door=\"api\"}"), 1, "the dry run is not counted");
}

#[test]
fn where_another_program_owns_proc_receive_the_reason_is_kept_too() {
    let shelf = under_with_foreign_proc_receive(CLOSED);
    let world = &shelf.world;
    let commit = shelf.propose(P, "w1");
    let ada = clone_with(world, "ada", &commit);
    refused(world, "reserved", "reserves this for amy", || ada.approve(&commit, P, "w1"));
    approve_with(&ada, &["-o", "break-glass=outage 4711"], &commit, "w1").ok();
    assert_eq!(lifecycle(world, W1), "Published");
    assert!(settled_ledger(world).contains("by ada, breaking the glass: outage 4711"));
    assert_eq!(metric(world, "stoop_glass_broken_total{door=\"git\"}"), 1);
}
