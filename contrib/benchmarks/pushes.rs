//! What a push costs: through Stoop, into the same bare repository without hooks, and past hooks that say yes at once.
//!
//! All three get the same commits by the same `git push` over the file path, so that no server's HTTP is measured, in turns
//! whose order changes with every round. Never here: pushes into large repositories (see `approvals`).

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::measure::Samples;
use crate::report::{Aim, Row};
use crate::support::{Workdir, World, git_command, run};
use crate::{Plan, progress};

/// How many of each push are measured, and how many are made before.
const ROUNDS: usize = 80;
const WARM_UP: usize = 4;

/// The pushes of one round, in their order.
const KINDS: [&str; 4] = ["save a draft", "propose", "approve", "a branch that is not managed"];

/// The rows of this group.
pub(crate) fn rows(plan: &Plan) -> Vec<Row> {
    progress("pushes: through Stoop, without hooks, past hooks that say yes");
    let world = World::with_repository();
    let clone = world.clone("amy", "packages");
    let plain = without_hooks(&world, "packages", "plain");
    let yes = with_yes_hooks(&world, "packages");
    let places = [world.bare("packages"), plain, yes];
    let base = clone.head();
    // By kind, then by place.
    let mut times: [[Samples; 3]; 4] = Default::default();
    let rounds = plan.samples(ROUNDS);
    for round in 0..WARM_UP + rounds {
        if round == WARM_UP {
            times = Default::default();
        }
        clone.git(&["reset", "-q", "--hard", &base]).ok();
        let package = format!("bench/p{round}");
        let commit = clone.package(&package, "one");
        for (kind, times) in times.iter_mut().enumerate() {
            let target = match kind {
                0 => format!("refs/heads/drafts/{package}/w"),
                1 => format!("refs/heads/proposed/{package}/w"),
                2 => format!("refs/approve/{package}/w"),
                _ => format!("refs/heads/other/{round}"),
            };
            for turn in 0..places.len() {
                let place = (round + turn) % places.len();
                times[place].time(|| push(clone.path(), &places[place], &format!("{commit}:{target}")));
            }
        }
        for place in &places[1..] {
            catch_up(place, &places[0]);
        }
    }
    let mut rows = Vec::new();
    for (kind, [stoop, plain, yes]) in KINDS.iter().zip(&times) {
        let row = Row::time(format!("push: {kind}"), stoop).against("the same push, no hooks", plain);
        rows.push(row.aim(Aim::More(10.0)));
        let row = Row::time(format!("push: {kind}"), stoop).against("hooks that say yes at once", yes);
        rows.push(row.aim(Aim::Ratio(1.3)).aim(Aim::RatioAtP95(1.5)));
    }
    let sum = |place: usize| times[1][place].together(&times[2][place]).together(&times[0][place]);
    rows.push(
        Row::time("push: save, propose and approve together", &sum(0)).against("three pushes, no hooks", &sum(1)),
    );
    rows.extend(over_http(plan, &world, &clone, &base));
    rows
}

/// The same pushes through Stoop's own Git door; there is nothing beside it to compare them with.
fn over_http(plan: &Plan, world: &World, clone: &Workdir, base: &str) -> Vec<Row> {
    progress("pushes: over HTTP");
    let url = world.url("amy", "packages");
    let mut times: [Samples; 3] = Default::default();
    for round in 0..plan.samples(ROUNDS / 2) {
        clone.git(&["reset", "-q", "--hard", base]).ok();
        let package = format!("bench/h{round}");
        let commit = clone.package(&package, "one");
        for (prefix, times) in ["refs/heads/drafts", "refs/heads/proposed", "refs/approve"].iter().zip(&mut times) {
            times.time(|| clone.git(&["push", "-q", &url, &format!("{commit}:{prefix}/{package}/w")]).ok());
        }
    }
    KINDS.iter().zip(&times).map(|(kind, times)| Row::time(format!("push over HTTP: {kind}"), times)).collect()
}

/// One push over the file path, as the user whose name the Git server would give.
pub(crate) fn push(clone: &Path, place: &Path, refspec: &str) {
    let mut push = git_command(clone);
    run(push.args(["push", "-q"]).arg(place).arg(refspec).env("REMOTE_USER", "amy")).ok();
}

/// A copy of a world's repository beside its root, with the same settings but without hooks.
pub(crate) fn without_hooks(world: &World, repository: &str, copy: &str) -> PathBuf {
    let place = world.path().join(format!("{copy}.git"));
    run(Command::new("cp").arg("-r").arg(world.bare(repository)).arg(&place)).ok();
    std::fs::remove_dir_all(place.join("hooks")).expect("the hooks are removed");
    // Git would want the hook that this names; there may be none of it yet.
    run(git_command(&place).args(["config", "--unset-all", "receive.procReceiveRefs"]));
    place
}

/// A copy with four static programs for hooks, one for each of Stoop's.
fn with_yes_hooks(world: &World, repository: &str) -> PathBuf {
    let place = without_hooks(world, repository, "yes");
    let program = world.path().join("yes");
    let mut compile = Command::new("rustc");
    compile.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/benchmarks/yes.rs"));
    compile.args(["--edition", "2024", "-C", "target-feature=+crt-static", "-C", "relocation-model=static"]);
    compile.args(["-C", "opt-level=s", "-C", "panic=abort", "-C", "strip=symbols", "-o"]).arg(&program);
    run(&mut compile).ok();
    std::fs::create_dir(place.join("hooks")).expect("a directory for hooks");
    for hook in ["pre-receive", "reference-transaction", "proc-receive", "post-receive"] {
        symlink(&program, place.join("hooks").join(hook)).expect("a hook");
    }
    run(git_command(&place).args(["config", "receive.procReceiveRefs", "refs/approve"])).ok();
    place
}

/// Gives a repository that Stoop does not guard the refs and objects of one that it does. More refs make every push slower,
/// whoever guards them, and Stoop ends proposals and makes tags and a ledger.
pub(crate) fn catch_up(place: &Path, served: &Path) {
    let mut fetch = git_command(place);
    fetch.args(["-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0", "fetch", "-q", "--prune"]);
    run(fetch.arg(served).arg("+refs/*:refs/*")).ok();
}
