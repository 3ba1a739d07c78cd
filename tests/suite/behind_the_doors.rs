//! What no hook sees: refs moved with the hooks off, by files, in packed-refs, while the daemon is away. It is found, shown
//! as a condition, counted, told once, listed by `stoop audit`, and put back from the ledger.
//!
//! Never here: what the hooks stop (see `disk`), and the Events of it (see `events`).

use std::fs;

use serde_json::Value;

use crate::packages::Shelf;
use crate::steps::{P, lifecycle, settled_ledger};
use crate::support::{Answer, World, eventually};
use crate::telemetry::metrics;

const NO_HOOKS: &str = "core.hooksPath=/dev/null";
const TAG: &str = "refs/tags/net/router/v1";

/// git on the bare repository with the hooks off.
fn behind(world: &World, args: &[&str]) -> Answer {
    world.on_disk("packages", &[&["-c", NO_HOOKS], args].concat()).ok()
}

/// The condition `Intact` of a workspace: `status reason message`; empty when there is none.
fn intact(world: &World, workspace: &str) -> String {
    let path = "{range .status.conditions[?(@.type==\"Intact\")]}{.status} {.reason} {.message}{end}";
    world.field(&format!("packages.net.router.{workspace}"), path)
}

#[track_caller]
fn shows(world: &World, workspace: &str, wanted: &str) -> String {
    eventually(&format!("{workspace} shows {wanted:?}"), || {
        let condition = intact(world, workspace);
        (if wanted.is_empty() { condition.is_empty() } else { condition.contains(wanted) }).then_some(condition)
    })
}

/// `stoop audit` as JSON: exit code, and `reason ref` of each finding.
fn audit(world: &World) -> (i32, Vec<String>) {
    let (root, config) = (world.root(), world.config());
    let (root, config) = (root.to_str().expect("text"), config.to_str().expect("text"));
    let answer = world.stoop(&["audit", "--root", root, "--config", config, "--json"]);
    let report: Value = serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
    let finding = |finding: &Value| {
        let word = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        format!("{} {}", word("reason"), word("ref"))
    };
    (answer.code, report["findings"].as_array().expect("a list").iter().map(finding).collect())
}

fn put_back(world: &World, user: &str, package: &[&str]) -> Answer {
    let (root, config) = (world.root(), world.config());
    let place = ["--root", root.to_str().expect("text"), "--config", config.to_str().expect("text")];
    world.stoop(&[&["audit", "--restore", "--user", user, "packages"], package, &place].concat())
}

fn clean(world: &World) {
    assert_eq!(audit(world), (0, Vec::new()));
}

#[test]
fn a_published_tag_that_was_moved_or_taken_away_changes_nothing_and_is_put_back() {
    let shelf = Shelf::new();
    let world = &shelf.world;
    shelf.publish(P, "w1");
    settled_ledger(world);
    let merge = world.on_disk("packages", &["rev-parse", TAG]).ok().text().to_owned();
    shelf.ann.reset();
    let other = shelf.ann.package(P, "not what was approved");
    shelf.ann.push("HEAD:refs/heads/elsewhere").ok();
    let content = || world.field("packages.net.router.w1", "{.status.selfLock.git.commit}");
    clean(world);

    let harms: [&dyn Fn(); 4] = [
        &|| drop(behind(world, &["update-ref", TAG, &other])),
        &|| fs::write(world.bare("packages").join(TAG), format!("{other}\n")).expect("written"),
        &|| drop(behind(world, &["tag", "-d", "net/router/v1"])),
        &|| {
            behind(world, &["pack-refs", "--all"]);
            let packed = world.bare("packages").join("packed-refs");
            let text = fs::read_to_string(&packed).expect("packed");
            let text = text.replace(&format!("{merge} {TAG}"), &format!("{other} {TAG}"));
            let new = packed.with_extension("as-jgit-writes-it");
            fs::write(&new, text).expect("written");
            fs::rename(&new, &packed).expect("renamed");
        },
    ];
    for (round, harm) in harms.into_iter().enumerate() {
        let missing = round == 2;
        harm();
        let reason = if missing { "TagMissing" } else { "TagMoved" };
        let condition = shows(world, "w1", &format!("False {reason} net/router/v1 is"));
        assert!(condition.contains(&format!("the ledger has it at {} by bob", &merge[..10])), "{condition}");
        assert_eq!((lifecycle(world, "w1"), content()), ("Published".to_owned(), merge.clone()), "as it was published");
        assert_eq!(audit(world), (1, vec![format!("{reason} {TAG}")]));
        assert!(metrics(world).contains("\nstoop_audit_findings 1\n"));

        put_back(world, "ann", &[]).refused("ann may not put refs back: this needs the role admin");
        let told = put_back(world, "ada", &[P]).ok();
        assert!(told.stdout.contains(&format!("put back {TAG}")), "{told:?}");
        assert_eq!(world.on_disk("packages", &["rev-parse", TAG]).ok().text(), merge);
        shows(world, "w1", "");
        clean(world);
    }
    let log = settled_ledger(world);
    assert_eq!(log.matches(&format!("ada: put back {TAG}")).count(), 4, "{log}");
    let once = world.log().matches("moved behind the doors").count();
    assert_eq!(once, 4, "each is told once\n{}", world.log());
}

#[test]
fn what_was_moved_while_no_daemon_ran_is_found_at_the_start_and_put_back_without_one() {
    let mut shelf = Shelf::new();
    shelf.publish(P, "w1");
    shelf.publish(P, "w2");
    settled_ledger(&shelf.world);
    shelf.world.stop_daemon("TERM");
    let world = &shelf.world;
    behind(world, &["tag", "-d", "net/router/v2"]);
    behind(world, &["update-ref", TAG, "main"]);
    let both = vec![format!("TagMoved {TAG}"), "TagMissing refs/tags/net/router/v2".to_owned()];
    assert_eq!(audit(world), (1, both));
    put_back(world, "ada", &[]).ok();
    clean(world);
    behind(world, &["tag", "-d", "net/router/v2"]);
    shelf.world.start_daemon();
    let world = &shelf.world;
    shows(world, "w2", "TagMissing");
    assert_eq!(world.field("packages.net.router.w2", "{.spec.revision}"), "2");
    assert!(world.log().contains("moved behind the doors"));
    put_back(world, "ada", &[]).ok();
    shows(world, "w2", "");
}

#[test]
fn a_tag_whose_objects_are_gone_is_not_put_back_and_the_administrator_is_told_from_where() {
    let shelf = Shelf::new();
    let world = &shelf.world;
    let root = world.on_disk("packages", &["rev-parse", "main"]).ok().text().to_owned();
    shelf.publish(P, "w1");
    settled_ledger(world);
    let merge = world.on_disk("packages", &["rev-parse", TAG]).ok().text().to_owned();
    let backup = world.path().join("backup.git");
    world.on_disk("packages", &["clone", "-q", "--mirror", ".", backup.to_str().expect("text")]).ok();
    behind(world, &["update-ref", "refs/heads/main", &root]);
    behind(world, &["update-ref", "-d", TAG]);
    // Not while the daemon writes down what it found.
    eventually("both are found", || metrics(world).contains("\nstoop_audit_findings 2\n").then_some(()));
    behind(world, &["-c", "gc.reflogExpire=now", "gc", "-q", "--prune=now"]);
    let found = vec![format!("TagMissing {TAG}"), "BranchMovedBack refs/heads/main".to_owned()];
    assert_eq!(audit(world), (1, found));
    let told = put_back(world, "ada", &[]);
    assert!(told.code == 1 && told.stdout.contains("its objects are gone; bring them back first: git -C"), "{told:?}");
    behind(world, &["fetch", "-q", backup.to_str().expect("text"), &merge]);
    put_back(world, "ada", &[]).ok();
    clean(world);
    let branch = world.on_disk("packages", &["rev-parse", "main"]).ok();
    assert_eq!(branch.text(), merge, "the branch holds what was published again");
    shows(world, "w1", "");
}

#[test]
fn a_proposal_that_was_moved_cannot_be_approved_until_it_is_proposed_again() {
    let shelf = Shelf::new();
    let (world, bob) = (&shelf.world, &shelf.bob);
    let good = shelf.propose(P, "w1");
    settled_ledger(world);
    shelf.ann.reset();
    let bad = shelf.ann.package(P, "not what ann proposed");
    shelf.ann.push("HEAD:refs/heads/elsewhere").ok();
    behind(world, &["update-ref", &format!("refs/heads/proposed/{P}/w1"), &bad]);
    shows(world, "w1", "False ProposalMoved");
    bob.git(&["fetch", "-q", "origin", &bad]).ok();
    bob.approve(&bad, P, "w1").refused("[tampered]").refused("have it proposed again");
    bob.git(&["fetch", "-q", "origin", &good]).ok();
    bob.approve(&good, P, "w1").refused("[stale]");
    let publish = "{\"spec\":{\"lifecycle\":\"Published\"}}";
    let patch = |user: &str| {
        world.kubectl(user, &["patch", "packagerevision", "packages.net.router.w1", "--type=merge", "-p", publish])
    };
    patch("bob").refused("moved behind the doors");
    // Put back, it is the proposal that ann made.
    put_back(world, "ada", &[]).ok();
    shows(world, "w1", "");
    behind(world, &["update-ref", &format!("refs/heads/proposed/{P}/w1"), &bad]);
    shows(world, "w1", "False ProposalMoved");
    // Rejected and proposed again, it is a proposal like any other.
    bob.push(&format!("{bad}:refs/reject/{P}/w1")).ok();
    shows(world, "w1", "");
    assert_eq!(lifecycle(world, "w1"), "Draft");
    shelf.ann.propose(P, "w1").ok();
    bob.approve(&bad, P, "w1").ok();
    settled_ledger(world);
    clean(world);
    // One that nobody proposed at all.
    behind(world, &["update-ref", &format!("refs/heads/proposed/{P}/w2"), &good]);
    shows(world, "w2", "False ProposalUnexplained");
    bob.approve(&good, P, "w2").refused("[tampered]");
    shelf.ann.push(&format!(":refs/heads/proposed/{P}/w2")).ok();
    settled_ledger(world);
    clean(world);
}

#[test]
fn a_draft_that_was_moved_shows_what_is_there_until_somebody_saves_it_again() {
    let shelf = Shelf::new();
    let world = &shelf.world;
    let saved = shelf.draft(P, "w1");
    settled_ledger(world);
    shelf.ann.reset();
    let other = shelf.ann.package(P, "by nobody");
    shelf.ann.push("HEAD:refs/heads/elsewhere").ok();
    let draft = format!("refs/heads/drafts/{P}/w1");
    behind(world, &["update-ref", &draft, &other]);
    let condition = shows(world, "w1", "False DraftMoved");
    assert!(condition.contains(&format!("the ledger has it at {} by ann", &saved[..10])), "{condition}");
    assert_eq!(world.field("packages.net.router.w1", "{.status.selfLock.git.commit}"), other);
    shelf.ann.package(P, "by ann");
    shelf.ann.draft(P, "w1").ok();
    shows(world, "w1", "");
    settled_ledger(world);
    behind(world, &["update-ref", "-d", &draft]);
    eventually("it is found", || (audit(world) == (1, vec![format!("DraftMissing {draft}")])).then_some(()));
    put_back(world, "ada", &[P]).ok();
    assert_eq!(lifecycle(world, "w1"), "Draft");
    // A new name by `git branch -m` is told to no hook, and found all the same.
    world.on_disk("packages", &["branch", "-m", "elsewhere", &format!("drafts/{P}/w2")]).ok();
    shows(world, "w2", "False DraftUnexplained");
    shelf.ann.push(&format!(":refs/heads/drafts/{P}/w2")).ok();
    settled_ledger(world);
    clean(world);
}

#[test]
fn a_deletion_that_nobody_proposed_is_not_approved_and_a_tag_that_nobody_approved_is_told() {
    let shelf = Shelf::new();
    let (world, bob) = (&shelf.world, &shelf.bob);
    shelf.publish(P, "w1");
    settled_ledger(world);
    let marker = format!("refs/heads/deletionProposed/{P}/v1");
    behind(world, &["update-ref", &marker, TAG]);
    shows(world, "w1", "False MarkerUnexplained");
    bob.push(&format!(":{TAG}")).refused("[tampered]").refused("refuse the deletion first");
    bob.push(&format!(":{marker}")).ok();
    shows(world, "w1", "");
    behind(world, &["tag", "net/router/v7", "main"]);
    shows(world, "w1", "False TagUnexplained net/router/v7 is at");
    assert_eq!(world.field("packages.net.router.w1", "{.spec.revision}"), "1", "it is what was published");
    eventually("it is found", || {
        (audit(world) == (1, vec!["TagUnexplained refs/tags/net/router/v7".to_owned()])).then_some(())
    });
}

#[test]
fn what_was_there_before_stoop_needs_no_explanation() {
    let mut world = World::without_daemon();
    world.create_repository("packages");
    let elsewhere = world.path().join("elsewhere");
    let git = |args: &[&str]| crate::support::run(crate::support::git_command(&elsewhere).args(args)).ok();
    world.on_disk("packages", &["clone", "-q", ".", elsewhere.to_str().expect("text")]).ok();
    for (file, text) in [("Kptfile", crate::support::kptfile(P)), ("a.yaml", crate::support::config_map("x"))] {
        fs::create_dir_all(elsewhere.join(P)).expect("made");
        fs::write(elsewhere.join(P).join(file), text).expect("written");
    }
    git(&["add", "-A"]);
    git(&["-c", "user.name=x", "-c", "user.email=x@x", "commit", "-q", "-m", "by Porch"]);
    let refs =
        ["main", "refs/tags/net/router/v1", "refs/heads/drafts/net/router/w2", "refs/heads/proposed/net/router/w3"];
    refs.iter().for_each(|name| drop(git(&["push", "-q", "origin", &format!("HEAD:{name}")])));
    world.start_daemon();
    world.wait_for_repository("packages");
    let shelf = Shelf::of(world);
    // The first word in the ledger, and a proposal that was there before it.
    shelf.draft("net/switch", "w1");
    let there = shelf.bob.git(&["rev-parse", "origin/main"]).ok().text().to_owned();
    let branch = format!("{there}:refs/reject/net/router/w3");
    shelf.bob.push(&branch).ok();
    settled_ledger(&shelf.world);
    clean(&shelf.world);
    shelf.world.kubectl("ann", &["label", "packagerevision", "packages.net.router.v1", "a=b"]).ok();
    behind(&shelf.world, &["update-ref", "refs/heads/drafts/net/router/w4", "main"]);
    shows(&shelf.world, "w4", "DraftUnexplained");
    behind(&shelf.world, &["tag", "-d", "net/router/v1"]);
    eventually("it is found", || audit(&shelf.world).1.contains(&format!("TagMissing {TAG}")).then_some(()));
}

#[test]
fn the_ledger_is_put_back_at_once() {
    let shelf = Shelf::new();
    let world = &shelf.world;
    shelf.publish(P, "w1");
    let before = settled_ledger(world);
    let head = || world.on_disk("packages", &["rev-parse", "--verify", "refs/stoop/ledger"]).text().to_owned();
    let known = head();
    let harms: [&[&str]; 3] = [
        &["update-ref", "refs/stoop/ledger", "refs/stoop/ledger~2"],
        &["update-ref", "-d", "refs/stoop/ledger"],
        &["update-ref", "refs/stoop/ledger", "main"],
    ];
    for (round, harm) in harms.into_iter().enumerate() {
        behind(world, harm);
        eventually("it is put back", || (head() == known).then_some(()));
        let found = format!("stoop_rescan_findings_total{{kind=\"ledger\"}} {}", round + 1);
        eventually("it is counted", || metrics(world).contains(&found).then_some(()));
    }
    assert_eq!(settled_ledger(world), before);
    let told =
        ["get", "events", "-o", "jsonpath={.items[*].reason}", "--field-selector=involvedObject.kind=Repository"];
    let told = world.kubectl("rea", &told).ok().stdout;
    assert!(told.contains("LedgerMovedBack"), "{told}");
    clean(world);
}

#[test]
fn a_number_given_before_a_backup_was_restored_is_not_given_again() {
    let mut shelf = Shelf::new();
    shelf.publish(P, "w1");
    settled_ledger(&shelf.world);
    let (bare, backup) = (shelf.world.bare("packages"), shelf.world.path().join("backup.git"));
    shelf.world.on_disk("packages", &["clone", "-q", "--mirror", ".", backup.to_str().expect("text")]).ok();
    shelf.publish(P, "w2");
    shelf.publish(P, "w3");
    settled_ledger(&shelf.world);
    shelf.world.stop_daemon("TERM");
    fs::remove_dir_all(&bare).expect("lost");
    fs::rename(&backup, &bare).expect("restored");
    shelf.world.start_daemon();
    let shelf = Shelf::of(shelf.world);
    assert_eq!(lifecycle(&shelf.world, "w3"), "", "the backup is older");
    clean(&shelf.world);
    shelf.publish(P, "w4");
    assert_eq!(shelf.world.field("packages.net.router.w4", "{.spec.revision}"), "4");
}
