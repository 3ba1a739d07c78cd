//! Several Repositories over one bare repository, each with a directory of its own: names, pushes that touch several, writes
//! by the API, and a configuration that changes while the daemon runs.
//!
//! Never here: one Repository on a directory (see `repository_kinds`).

use crate::support::{Answer, Workdir, World, eventually};
use crate::untouched::Untouched;

const TWO: &str = "repositories:\n\
    - {path: mono, name: blue, directory: blue/prints}\n\
    - {path: mono, name: edge, namespace: prod, directory: edge, deployment: true}\n";

fn shared() -> (World, Workdir, Workdir) {
    shared_under(None)
}

/// The same under the rules of a policy.
fn shared_under(rules: Option<&str>) -> (World, Workdir, Workdir) {
    let mut world = World::without_daemon();
    world.create_repository("mono");
    match rules {
        None => world.configure(TWO),
        Some(rules) => {
            std::fs::write(world.path().join("policy.yaml"), format!("serial: 1\nrules:\n{rules}")).expect("written");
            world.configure(&format!("policy: policy.yaml\n{TWO}"));
        }
    }
    world.start_daemon();
    world.wait_for_repository("mono");
    let (ann, bob) = (world.clone("ann", "mono"), world.clone("bob", "mono"));
    (world, ann, bob)
}

fn set(world: &World, user: &str, (namespace, name): (&str, &str), lifecycle: &str) -> Answer {
    let patch = format!("{{\"spec\":{{\"lifecycle\":\"{lifecycle}\"}}}}");
    world.kubectl(user, &["-n", namespace, "patch", "packagerevision", name, "--type=merge", "-p", &patch])
}

/// Every package revision: namespace, name, package, lifecycle, number.
fn listing(world: &World) -> Vec<String> {
    let path = "jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name} {.spec.repository} {.spec.packageName} {.spec.lifecycle} {.spec.revision}{\"\\n\"}{end}";
    let answer = world.kubectl("rea", &["get", "packagerevisions", "-A", "-o", path]).ok();
    answer.stdout.lines().map(str::to_owned).collect()
}

/// Pushes what must be refused, and leave everything alone.
#[track_caller]
fn refused(world: &World, code: &str, text: &str, push: impl FnOnce() -> Answer) -> Answer {
    let untouched = Untouched::now(world, "mono");
    let answer = push().refused(&format!("[{code}]")).refused(text);
    untouched.check();
    answer
}

#[test]
fn two_repositories_live_in_one_bare_repository_by_both_doors() {
    let (mut world, ann, bob) = shared();
    let shown = "jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name} {.spec.git.repo} {.spec.git.branch} {.spec.git.directory} {.spec.deployment}{\"\\n\"}{end}";
    let shown = world.kubectl("rea", &["get", "repositories", "-A", "-o", shown]).ok();
    assert_eq!(shown.stdout, "default blue mono.git main /blue/prints false\nprod edge mono.git main /edge true\n");

    // Drafts of both in one push; then one that lies in neither goes with them, and takes them down.
    let blue = ann.package("blue/prints/web", "one");
    ann.reset();
    let edge = ann.package("edge/web", "one");
    let push = |refspecs: &[&str]| ann.git(&[&["push", "--atomic", "origin"], refspecs].concat());
    let (blue_draft, edge_draft) =
        (format!("{blue}:refs/heads/drafts/blue/prints/web/w1"), format!("{edge}:refs/heads/drafts/edge/web/w1"));
    let told = refused(&world, "bad-name", "lies outside the directory", || {
        push(&[&blue_draft, &edge_draft, &format!("{edge}:refs/heads/drafts/elsewhere/web/w1")])
    });
    assert!(told.stderr.contains("\"blue/prints and edge\""), "{}", told.stderr);
    refused(&world, "bad-kptfile", "has no directory edge/web", || {
        push(&[&blue_draft, &format!("{blue}:refs/heads/drafts/edge/web/w1")])
    });
    push(&[&blue_draft, &edge_draft]).ok();
    assert_eq!(listing(&world), ["default blue.web.w1 blue web Draft 0", "prod edge.web.w1 edge web Draft 0"]);

    // One is proposed by push and the other by kubectl; both are approved in one push, in one transaction.
    push(&[&format!("{blue}:refs/heads/proposed/blue/prints/web/w1")]).ok();
    set(&world, "ann", ("prod", "edge.web.w1"), "Proposed").ok();
    set(&world, "ann", ("default", "edge.web.w1"), "Proposed").refused("not found");
    bob.git(&["fetch", "-q", "origin", &blue, &edge]).ok();
    let (good, stale) = (format!("{blue}:refs/approve/blue/prints/web/w1"), format!("{edge}:refs/approve/edge/web/w1"));
    let wrong = format!("{blue}:refs/approve/edge/web/w1");
    refused(&world, "stale", "edge/web w1 is Proposed at", || bob.git(&["push", "--atomic", "origin", &good, &wrong]));
    bob.git(&["push", "--atomic", "origin", &good, &stale]).ok();
    let both = [
        "default blue.web.main blue web Published -1",
        "default blue.web.w1 blue web Published 1",
        "prod edge.web.main edge web Published -1",
        "prod edge.web.w1 edge web Published 1",
    ];
    assert_eq!(listing(&world), both);
    let log = world.log();
    assert!(log.contains("transition complete repository=edge namespace=prod package=edge/web"), "{log}");
    let locks = world.kubectl(
        "rea",
        &[
            "-n",
            "prod",
            "get",
            "packagerevision",
            "edge.web.w1",
            "-o",
            "jsonpath={.status.selfLock.git.repo} {.status.selfLock.git.directory} {.status.selfLock.git.ref}",
        ],
    );
    assert_eq!(locks.ok().text(), "mono.git edge/web edge/web/v1");

    // A second revision by kubectl; a deletion by push and one by kubectl.
    ann.reset();
    ann.package("edge/web", "two");
    ann.propose("edge/web", "w2").ok();
    set(&world, "bob", ("prod", "edge.web.w2"), "Published").ok();
    set(&world, "ann", ("prod", "edge.web.w1"), "DeletionProposed").ok();
    world.kubectl("bob", &["-n", "prod", "delete", "packagerevision", "edge.web.w1"]).ok();
    ann.reset();
    ann.push("refs/tags/blue/prints/web/v1:refs/heads/deletionProposed/blue/prints/web/v1").ok();
    bob.push(":refs/tags/blue/prints/web/v1").ok();
    let left = [
        "default blue.web.main blue web Published -1",
        "prod edge.web.main edge web Published -1",
        "prod edge.web.w2 edge web Published 2",
    ];
    assert_eq!(listing(&world), left);

    // The branch is guarded in both directories, and nowhere else.
    ann.reset();
    ann.package("elsewhere/web", "nobody's");
    ann.push("HEAD:main").ok();
    ann.push("HEAD:refs/tags/elsewhere/web/v1").ok();
    for package in ["blue/prints/web", "edge/web"] {
        ann.reset();
        ann.package(package, "behind the door");
        let text = format!("changes package {package}");
        refused(&world, "branch-guarded", &text, || ann.push("HEAD:main"));
        refused(&world, "immutable", "would publish", || ann.push(&format!("HEAD:refs/tags/{package}/v9")));
    }

    let versions = || world.kubectl("rea", &["get", "packagerevisions", "-A", "-o", "yaml"]).ok().stdout;
    let before = versions();
    let config = world.config();
    let doctor = ["doctor", "--root", "root", "--config", config.to_str().expect("text")];
    assert!(!world.stoop(&doctor).stdout.contains("guard names"), "the doctor agrees with the daemon");
    world.restart();
    assert_eq!(world.kubectl("rea", &["get", "packagerevisions", "-A", "-o", "yaml"]).ok().stdout, before);
    std::fs::remove_dir_all(world.state().join("cache")).expect("removed");
    world.stop_daemon("KILL");
    world.start_daemon();
    assert_eq!(world.kubectl("rea", &["get", "packagerevisions", "-A", "-o", "yaml"]).ok().stdout, before);
    world.fsck("mono").ok();

    // The audit looks at the packages of all of them.
    let audit = ["audit", "--root", "root", "--config", config.to_str().expect("text")];
    world.stoop(&audit).ok();
    world.on_disk("mono", &["-c", "core.hooksPath=/dev/null", "update-ref", "refs/tags/edge/web/v9", "main"]).ok();
    let told = world.stoop(&audit);
    assert!(told.code == 1 && told.stdout.contains("edge/web/v9 is at"), "{told:?}");
}

#[test]
fn a_rule_for_one_of_them_is_no_rule_for_the_other() {
    let rules = "- name: the edge\n  repositories: [prod/edge]\n  reservedFor: {approver: [amy]}\n";
    let (world, ann, bob) = shared_under(Some(rules));
    let propose = |package: &str| {
        ann.reset();
        let commit = ann.package(package, "one");
        ann.propose(package, "w1").ok();
        bob.git(&["fetch", "-q", "origin", &commit]).ok();
        format!("{commit}:refs/approve/{package}/w1")
    };
    let (blue, edge) = (propose("blue/prints/web"), propose("edge/web"));
    let text = "bob may not approve edge/web w1: rule \"the edge\" reserves this for amy";
    refused(&world, "reserved", text, || bob.push(&edge));
    refused(&world, "reserved", text, || bob.git(&["push", "--atomic", "origin", &blue, &edge]));
    set(&world, "bob", ("prod", "edge.web.w1"), "Published").refused("reserves this for amy");
    bob.push(&blue).ok();
    // Nor by moving the branch that both share.
    let amy = world.clone("amy", "mono");
    let merge = |by: &Workdir| {
        by.reset();
        by.git(&["merge", "-q", "--no-ff", "-m", "the edge", "origin/proposed/edge/web/w1"]).ok();
        by.push("HEAD:main")
    };
    refused(&world, "reserved", text, || merge(&bob));
    merge(&amy).ok();
    let published = "prod edge.web.w1 edge web Published 1".to_owned();
    assert!(listing(&world).contains(&published), "{:?}", listing(&world));
    let config = world.config();
    let why = |repository: &str| {
        let (config, namespace) =
            (config.to_str().expect("text"), if repository == "edge" { "prod" } else { "default" });
        let place = ["--config", config, "--repository", repository, "--namespace", namespace];
        world.stoop(&[&["policy", "why", "bob", "approve", "any/package"], &place[..]].concat()).stdout
    };
    assert!(why("edge").starts_with("no: ") && !why("blue").starts_with("no: "), "{}{}", why("edge"), why("blue"));
}

#[test]
fn repositories_come_to_a_bare_repository_and_go_while_the_daemon_runs() {
    let (world, ann, bob) = shared();
    for package in ["edge/web", "blue/prints/web"] {
        ann.reset();
        let commit = ann.package(package, "one");
        ann.propose(package, "w1").ok();
        bob.git(&["fetch", "-q", "origin", &commit]).ok();
        bob.approve(&commit, package, "w1").ok();
    }
    ann.reset();
    ann.package("lab/probe", "one");
    ann.push("HEAD:main").ok();
    let names = || -> Vec<String> {
        listing(&world).iter().filter_map(|line| line.split(' ').nth(1).map(str::to_owned)).collect()
    };
    let two = ["blue.web.main", "blue.web.w1", "edge.web.main", "edge.web.w1"];
    assert_eq!(names(), two);

    world.configure(&format!("{TWO}- {{path: mono, name: lab, directory: lab}}\n"));
    world.signal("HUP");
    eventually("the third Repository", || names().contains(&"lab.probe.main".to_owned()).then_some(()));
    assert_eq!(names().len(), 5);
    refused(&world, "branch-guarded", "changes package lab/probe", || {
        ann.package("lab/probe", "two");
        ann.push("HEAD:main")
    });

    // One inside another is no configuration; the one that there is stays.
    world.configure(&format!("{TWO}- {{path: mono, name: lab, directory: edge/lab}}\n"));
    world.signal("HUP");
    eventually("the mistake is told", || {
        world.log().contains("on the directories \"/edge\" and \"/edge/lab\", which share packages").then_some(())
    });
    assert_eq!(names().len(), 5);

    world.configure("repositories:\n- {path: mono, name: edge, namespace: prod, directory: edge}\n");
    world.signal("HUP");
    eventually("one Repository is left", || (names() == two[2..]).then_some(()));
    let left = world.kubectl("rea", &["get", "repositories", "-A", "-o", "name"]).ok();
    assert_eq!(left.text(), "repository.config.porch.kpt.dev/edge");
    ann.reset();
    ann.package("blue/prints/web", "nobody's any more");
    ann.push("HEAD:main").ok();
}
