//! What happened, as Kubernetes' Events: `kubectl get events`, `kubectl describe`, watches and selectors, by real kubectl.
//!
//! Never here: what is found behind the doors (see `behind_the_doors`).

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::packages::Shelf;
use crate::steps::{P, settled_ledger};
use crate::support::{World, eventually};

const NAME: &str = "packages.net.router.w1";

/// Lines `reason type kind/name message` of `kubectl get events` with more arguments.
fn events(world: &World, more: &[&str]) -> Vec<String> {
    let template =
        "{range .items[*]}{.reason} {.type} {.involvedObject.kind}/{.involvedObject.name} {.message}{\"\\n\"}{end}";
    let answer = world.kubectl("rea", &[&["get", "events", "-o", &format!("jsonpath={template}")], more].concat());
    answer.ok().stdout.lines().map(str::to_owned).collect()
}

#[test]
fn what_happens_to_a_package_revision_is_told_by_kubectl() {
    let shelf = Shelf::new();
    let world = &shelf.world;
    let mut watch = world.kubectl_command("rea");
    let watch = watch.args(["get", "events", "-w", "-o", "jsonpath={.reason}{\"\\n\"}"]);
    let mut watch = watch.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("kubectl starts");
    let mut watched = BufReader::new(watch.stdout.take().expect("piped")).lines();
    shelf.publish(P, "w1");
    settled_ledger(world);
    world.on_disk("packages", &["-c", "core.hooksPath=/dev/null", "tag", "-d", "net/router/v1"]).ok();
    eventually("the tag is missed", || {
        events(world, &["--field-selector=type=Warning"])
            .iter()
            .any(|line| line.starts_with("TagMissing"))
            .then_some(())
    });
    let mut unseen = vec!["Proposed", "Approved", "TagMissing"];
    while !unseen.is_empty() {
        let line = watched.next().expect("a line").expect("text");
        unseen.retain(|reason| *reason != line);
    }
    watch.kill().and_then(|()| watch.wait()).expect("it ends");

    let all = events(world, &[]);
    let wanted = [
        format!("Proposed Normal PackageRevision/{NAME} proposed at "),
        format!("Approved Normal PackageRevision/{NAME} "),
        format!("TagMissing Warning PackageRevision/{NAME} net/router/v1 is gone, and the ledger has it at "),
    ];
    for start in &wanted {
        assert!(all.iter().any(|line| line.starts_with(start)), "{start}: {all:?}");
    }
    let selected = |selector: &str| events(world, &[&format!("--field-selector={selector}")]).len();
    assert_eq!(selected(&format!("involvedObject.name={NAME},reason=Approved")), 1);
    assert_eq!(selected("involvedObject.kind=Repository"), 0);
    world.kubectl("rea", &["get", "events", "--field-selector=message=x"]).refused("message");

    let table = world.kubectl("rea", &["get", "events"]).ok().stdout;
    assert!(table.starts_with("LAST SEEN   TYPE      REASON"), "{table}");
    assert!(table.contains(&format!("packagerevision/{NAME}")), "{table}");
    let described = world.kubectl("rea", &["describe", "packagerevision", NAME]).ok().stdout;
    let (object, events) = described.split_once("Events:").expect("kubectl describe shows events");
    assert!(object.contains("TagMissing") && object.contains("Intact"), "{described}");
    for word in ["Warning", "TagMissing", "Approved", "Proposed", "stoop"] {
        assert!(events.contains(word), "{word}: {described}");
    }
    world.kubectl("ada", &["delete", "events", "--all"]).refused("");
    assert_eq!(events_of_other_namespace(world), 0);
}

fn events_of_other_namespace(world: &World) -> usize {
    world.kubectl("rea", &["get", "events", "-n", "elsewhere", "-o", "name"]).ok().stdout.lines().count()
}
