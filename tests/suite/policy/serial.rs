//! The policy file comes into force whole, and an older one never again.

use super::*;
use crate::support::run;
use crate::untouched::refused;

const FOUR_EYES: &str = "rules:\n- fourEyes: true\n";
const NOTHING: &str = "rules: []\n";

#[test]
fn an_older_policy_does_not_come_back() {
    let mut shelf = under(NOTHING);
    change(&shelf.world, 5, FOUR_EYES);
    let amy = shelf.world.clone("amy", "packages");
    let commit = amy.package(P, "one");
    amy.propose(P, "w1").ok();
    let still = |shelf: &Shelf| {
        let amy = clone_with(&shelf.world, "amy", &commit);
        refused(&shelf.world, "four-eyes", "the same user proposed it", || amy.approve(&commit, P, "w1"));
    };
    still(&shelf);
    write(&shelf.world, 1, NOTHING);
    reload(&shelf.world, "serial is 1, but a policy with serial 5 was in force");
    still(&shelf);
    write(&shelf.world, 5, NOTHING);
    reload(&shelf.world, "another policy with serial 5 was in force");
    shelf.world.configure("");
    reload(&shelf.world, "no policy is named, but one with serial 5 was in force");
    write(&shelf.world, 6, "rules:\n- forEyes: true\n");
    reload(&shelf.world, "policy.yaml:3:3: rules[0]: unknown key `forEyes`");
    still(&shelf);

    // A daemon that starts takes an older one no more than one that runs.
    shelf.world.stop_daemon("TERM");
    write(&shelf.world, 4, NOTHING);
    let (root, config) = (shelf.world.root(), shelf.world.config());
    let mut serve = std::process::Command::new(env!("CARGO_BIN_EXE_stoop"));
    serve.arg("serve").arg("--root").arg(&root).arg("--config").arg(&config);
    run(serve.args(["--api", "127.0.0.1:0", "--git", "127.0.0.1:0"]))
        .refused("serial is 4, but a policy with serial 5");
    write(&shelf.world, 5, FOUR_EYES);
    shelf.world.start_daemon();
    still(&shelf);
    change(&shelf.world, 6, NOTHING);
    clone_with(&shelf.world, "amy", &commit).approve(&commit, P, "w1").ok();
}
