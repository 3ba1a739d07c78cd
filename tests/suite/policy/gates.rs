//! Readiness gates that the policy wants, whatever gates a package names itself.

use super::*;
use crate::support::kptfile;
use crate::untouched::refused;

const GATES: &str = "rules:\n- name: tested\n  readinessGates: [Tested]\n";

#[test]
fn a_package_waits_for_the_gates_of_the_policy() {
    let shelf = under(GATES);
    let (world, ann) = (&shelf.world, &shelf.ann);
    ann.package(P, "one");
    ann.draft(P, "w1").ok();
    let text = "net/router w1 does not meet the readiness gates of rule \"tested\": Tested";
    refused(world, "gate-required", text, || ann.propose(P, "w1"));
    patch(world, "ann", W1, r#"{"spec":{"lifecycle":"Proposed"}}"#, &[]).refused(text);
    let tested =
        |status: &str| format!("{}status:\n  conditions:\n  - type: Tested\n    status: \"{status}\"\n", kptfile(P));
    for status in ["False", "Unknown"] {
        ann.write(&format!("{P}/Kptfile"), &tested(status));
        ann.commit("looked at");
        ann.draft(P, "w1").ok();
        refused(world, "gate-required", text, || ann.propose(P, "w1"));
    }
    ann.write(&format!("{P}/Kptfile"), &tested("True"));
    let commit = ann.commit("tested");
    ann.draft(P, "w1").ok();
    patch(world, "ann", W1, r#"{"spec":{"lifecycle":"Proposed"}}"#, &[]).ok();
    // A gate that is wanted only now holds for what is proposed already.
    change(world, 2, &GATES.replace("[Tested]", "[Tested, Scanned]"));
    let text = "readiness gates of rule \"tested\": Scanned";
    let bob = clone_with(world, "bob", &commit);
    refused(world, "gate-required", text, || bob.approve(&commit, P, "w1"));
    patch(world, "bob", W1, PUBLISH, &[]).refused(text);
    change(world, 3, GATES);
    bob.approve(&commit, P, "w1").ok();
}
