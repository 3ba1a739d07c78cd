//! Roles that the policy gives for some packages, and roles that it reserves for some people.

use super::*;
use crate::untouched::refused;

const RULES: &str = "\
groups:
  net-leads: [art, eve]
rules:
- name: net
  packages: [net/**]
  roles:
    approver: ['group:net-leads']
- name: production
  repositories: [default/pack*]
  packages: [prod/**]
  reservedFor:
    approver: [amy]
";

#[test]
fn a_role_is_given_for_the_packages_that_the_rule_covers() {
    let shelf = under(RULES);
    let world = &shelf.world;
    let commit = shelf.propose(P, "w1");
    clone_with(world, "art", &commit).approve(&commit, P, "w1").ok();
    assert_eq!(lifecycle(world, W1), "Published");
    let commit = shelf.propose("dns/zone", "w1");
    let art = clone_with(world, "art", &commit);
    refused(world, "not-allowed", "art may not approve dns/zone w1", || art.approve(&commit, "dns/zone", "w1"));
    patch(world, "art", "packages.dns.zone.w1", PUBLISH, &[]).refused("art may not approve dns/zone w1");
}

#[test]
fn a_reserved_role_counts_for_nobody_else_not_even_an_administrator() {
    let shelf = under(RULES);
    let world = &shelf.world;
    let commit = shelf.propose("prod/web", "w1");
    for user in ["bob", "ada"] {
        let text = format!("{user} may not approve prod/web w1: rule \"production\" reserves this for amy");
        let clone = clone_with(world, user, &commit);
        refused(world, "reserved", &text, || clone.approve(&commit, "prod/web", "w1"));
        patch(world, user, "packages.prod.web.w1", PUBLISH, &[]).refused(&text);
    }
    clone_with(world, "amy", &commit).approve(&commit, "prod/web", "w1").ok();
    assert_eq!(lifecycle(world, "packages.prod.web.w1"), "Published");
}
