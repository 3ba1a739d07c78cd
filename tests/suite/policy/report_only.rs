//! Report-only: what a rule would refuse is told, logged and counted, and goes through.

use super::*;

const REPORT: &str = "\
rules:
- name: trial
  fourEyes: true
  approvals: 2
  unboundApprovals: refuse
  reservedFor: {approver: [bob]}
  readinessGates: [Tested]
  freeze:
  - {from: 2020-01-01, until: 2999-01-01, timeZone: UTC}
  signed: [approve]
  reportOnly: [four-eyes, approvals-missing, unbound-approval, not-signed, reserved, gate-required, frozen]
";
const CODES: [&str; 7] =
    ["four-eyes", "approvals-missing", "unbound-approval", "not-signed", "reserved", "gate-required", "frozen"];

#[test]
fn every_rule_can_be_tried_without_refusing_anything() {
    let shelf = under(REPORT);
    let world = &shelf.world;
    let amy = world.clone("amy", "packages");
    let commit = amy.package(P, "one");
    let told = amy.propose(P, "w1").ok();
    assert!(told.stderr.contains("would refuse it [gate-required]"), "{}", told.stderr);
    let told = amy.approve(&commit, P, "w1").ok();
    assert!(told.stderr.contains("published as v1"), "{}", told.stderr);
    for code in CODES.iter().filter(|code| **code != "unbound-approval") {
        assert!(told.stderr.contains(&format!("would refuse it [{code}]")), "{code}: {}", told.stderr);
        assert!(metric(world, &format!("stoop_policy_reports_total{{door=\"git\",code=\"{code}\"}}")) > 0, "{code}");
        assert!(world.log().contains(&format!("code=\"{code}\"")), "{code}\n{}", world.log());
    }
    amy.reset();
    amy.package(P, "two");
    amy.propose(P, "w2").ok();
    let name = "packages.net.router.w2";
    let dry = patch(world, "amy", name, PUBLISH, &["--dry-run=server"]).ok();
    assert!(dry.stderr.contains("would refuse it [frozen]"), "{}", dry.stderr);
    assert_eq!(metric(world, "stoop_policy_reports_total{door=\"api\",code=\"frozen\"}"), 0, "not of a dry run");
    let told = patch(world, "amy", name, PUBLISH, &[]).ok();
    for code in CODES {
        assert!(told.stderr.contains(&format!("would refuse it [{code}]")), "{code}: {}", told.stderr);
        assert_eq!(metric(world, &format!("stoop_policy_reports_total{{door=\"api\",code=\"{code}\"}}")), 1, "{code}");
    }
    assert_eq!(lifecycle(world, name), "Published");
}
