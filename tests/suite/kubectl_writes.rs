//! Writing through the Kubernetes door with real kubectl: the lifecycle in each way, metadata, dry runs, and refusals that
//! give the same reason as a push's.
//!
//! Never here: the rules themselves (see the stories of pushes).

use crate::packages::Shelf;
use crate::support::Answer;

/// Patches the lifecycle on the object itself, or on its `approval` subresource.
fn set(shelf: &Shelf, user: &str, name: &str, lifecycle: &str, more: &[&str]) -> Answer {
    if more.contains(&APPROVAL[0]) && shelf.world.kubectl_minor() < 32 {
        return put_approval(shelf, user, name, lifecycle, more);
    }
    let patch = format!("{{\"spec\":{{\"lifecycle\":\"{lifecycle}\"}}}}");
    shelf.world.kubectl(user, &[&["patch", "packagerevision", name, "--type=merge", "-p", &patch], more].concat())
}

const APPROVAL: &[&str] = &["--subresource=approval"];

/// The same on the subresource with a kubectl before 1.32, which refuses to name it: read, change, and replace by path.
/// Of a success it prints `lifecycle/revision`.
fn put_approval(shelf: &Shelf, user: &str, name: &str, lifecycle: &str, more: &[&str]) -> Answer {
    let path = format!("/apis/porch.kpt.dev/v1alpha1/namespaces/default/packagerevisions/{name}");
    let object = shelf.world.kubectl(user, &["get", "--raw", &path]).ok();
    let mut object: serde_json::Value = serde_json::from_str(&object.stdout).expect("JSON");
    object["spec"]["lifecycle"] = lifecycle.into();
    let file = shelf.world.path().join("approval.json");
    std::fs::write(&file, object.to_string()).expect("written");
    let dry = if more.contains(&"--dry-run=server") { "?dryRun=All" } else { "" };
    let path = format!("{path}/approval{dry}");
    let mut answer = shelf.world.kubectl(user, &["replace", "--raw", &path, "-f", file.to_str().expect("text")]);
    if answer.code == 0 {
        let object: serde_json::Value = serde_json::from_str(&answer.stdout).expect("JSON");
        answer.stdout =
            format!("{}/{}", object["spec"]["lifecycle"].as_str().expect("text"), object["spec"]["revision"]);
    }
    answer
}

fn lifecycle(shelf: &Shelf, name: &str) -> String {
    shelf.world.field(name, "{.spec.lifecycle}")
}

#[test]
fn a_package_lives_its_whole_life_by_kubectl() {
    let shelf = Shelf::new();
    let name = "packages.net.router.w1";
    let commit = shelf.draft("net/router", "w1");
    set(&shelf, "ann", name, "Proposed", &[]).ok();
    assert_eq!(lifecycle(&shelf, name), "Proposed");
    set(&shelf, "bob", name, "Draft", APPROVAL).ok();
    assert_eq!(lifecycle(&shelf, name), "Draft", "rejected through approval");
    set(&shelf, "ann", name, "Proposed", &[]).ok();
    set(&shelf, "bob", name, "Draft", &[]).ok();
    assert_eq!(lifecycle(&shelf, name), "Draft", "rejected on the object");
    set(&shelf, "ann", name, "Proposed", &[]).ok();
    set(&shelf, "bob", name, "Published", APPROVAL).ok();
    assert_eq!(
        (lifecycle(&shelf, name).as_str(), shelf.world.field(name, "{.spec.revision}").as_str()),
        ("Published", "1")
    );
    let parents = shelf.world.on_disk("packages", &["rev-parse", "net/router/v1^2", "main"]).ok();
    let tag = shelf.world.on_disk("packages", &["rev-parse", "net/router/v1"]).ok();
    assert_eq!(
        parents.text(),
        format!("{commit}\n{}", tag.text()),
        "the branch and the tag are the merge of the draft"
    );

    shelf.propose("net/router", "w2");
    set(&shelf, "bob", "packages.net.router.w2", "Published", &[]).ok();
    assert_eq!(shelf.world.field("packages.net.router.w2", "{.spec.revision}"), "2", "approved on the object");
    assert_eq!(shelf.names(&["-l", "kpt.dev/latest-revision=true"]), "packages.net.router.w2");

    set(&shelf, "ann", name, "DeletionProposed", &[]).ok();
    set(&shelf, "bob", name, "Published", APPROVAL).ok();
    assert_eq!(lifecycle(&shelf, name), "Published", "the deletion is refused");
    set(&shelf, "ann", name, "DeletionProposed", &[]).ok();
    set(&shelf, "ann", name, "Published", &[]).ok();
    assert_eq!(lifecycle(&shelf, name), "Published", "the deletion is withdrawn by its proposer");
    set(&shelf, "ann", name, "DeletionProposed", &[]).ok();
    let deleted = shelf.world.kubectl("bob", &["delete", "packagerevision", name]).ok();
    assert!(deleted.stdout.contains("deleted"), "{}", deleted.stdout);
    assert_eq!(shelf.names(&[]), "packages.net.router.main packages.net.router.w2");
    assert!(!shelf.world.refs("packages").contains("v1"), "tag and marker are gone");
    let log = shelf.world.on_disk("packages", &["log", "--format=%an %s", "refs/stoop/ledger"]).ok().stdout;
    assert!(log.contains("bob") && log.contains("ann"), "{log}");

    shelf.draft("db", "w1");
    shelf.world.kubectl("ann", &["delete", "packagerevision", "packages.db.w1"]).ok();
    shelf.propose("db", "w1");
    shelf.world.kubectl("bob", &["delete", "packagerevision", "packages.db.w1"]).ok();
    assert!(!shelf.world.refs("packages").contains("/db/"), "drafts and proposals are dropped");
}

#[test]
fn edits_replaces_and_json_patches_do_what_a_merge_patch_does() {
    let shelf = Shelf::new();
    let name = "packages.web.w1";
    shelf.draft("web", "w1");
    let edit = |user: &str, script: &str| {
        let mut command = shelf.world.kubectl_command(user);
        let command = command.env("KUBE_EDITOR", script).env("TMPDIR", shelf.world.path()).args([
            "edit",
            "packagerevision",
            name,
        ]);
        crate::support::run(command)
    };
    edit("ann", "sed -i 's/lifecycle: Draft/lifecycle: Proposed/'").ok();
    assert_eq!(lifecycle(&shelf, name), "Proposed");
    edit("ann", "sed -i 's/lifecycle: Proposed/lifecycle: Published/'").refused("ann may not approve web w1");
    edit("bob", "sed -i 's/lifecycle: Proposed/lifecycle: Published/'").ok();
    assert_eq!(lifecycle(&shelf, name), "Published");
    // kubectl shows the reason in the editor, above the object.
    let script = "sh -c 'cat \"$0\" >> seen; sed -i \"s/packageName: web/packageName: other/\" \"$0\"'";
    edit("bob", script).refused("is invalid");
    let seen = std::fs::read_to_string(shelf.world.path().join("seen")).expect("the editor ran");
    assert!(seen.contains("spec can only update package with lifecycle value one of Draft,Proposed"), "{seen}");

    let path = "--type=json";
    let propose = "[{\"op\":\"test\",\"path\":\"/spec/lifecycle\",\"value\":\"Published\"},{\"op\":\"replace\",\"path\":\"/spec/lifecycle\",\"value\":\"DeletionProposed\"}]";
    shelf.world.kubectl("ann", &["patch", "packagerevision", name, path, "-p", propose]).ok();
    assert_eq!(lifecycle(&shelf, name), "DeletionProposed");
    shelf.world.kubectl("ann", &["patch", "packagerevision", name, path, "-p", propose]).refused("operation 0");

    let file = shelf.world.path().join("object.yaml");
    let text = shelf.world.kubectl("bob", &["get", "packagerevision", name, "-o", "yaml"]).ok().stdout;
    std::fs::write(&file, text.replace("lifecycle: DeletionProposed", "lifecycle: Published")).expect("written");
    let file = file.to_str().expect("text");
    shelf.world.kubectl("bob", &["replace", "-f", file]).ok();
    assert_eq!(lifecycle(&shelf, name), "Published");
    shelf.world.kubectl("bob", &["replace", "-f", file]).refused("the object has been modified");
    shelf.world.kubectl("bob", &["apply", "--server-side", "-f", file]).refused("server-side apply is not supported");
    shelf.world.kubectl("bob", &["create", "-f", file]).refused("push a branch drafts/<package>/<workspace>");
    let strategic = "{\"spec\":{\"lifecycle\":\"Published\"}}";
    let answer = shelf.world.kubectl("bob", &["patch", "packagerevision", name, "-p", strategic]);
    answer.refused("kubectl patch --type merge");
    shelf.world.kubectl("bob", &["delete", "packagerevisionresources", name]).refused("delete is not supported");
    let version = "{\"metadata\":{\"resourceVersion\":\"7\"},\"spec\":{\"lifecycle\":\"DeletionProposed\"}}";
    let answer = shelf.world.kubectl("ann", &["patch", "packagerevision", name, "--type=merge", "-p", version]);
    answer.refused("the object has been modified");
}

#[test]
fn labels_and_annotations_stay_through_life_and_restarts() {
    let mut shelf = Shelf::new();
    let name = "packages.web.w1";
    shelf.draft("web", "w1");
    let label = |shelf: &Shelf, user: &str, verb: &str, what: &str| {
        shelf.world.kubectl(user, &[verb, "packagerevision", "packages.web.w1", what])
    };
    label(&shelf, "ann", "label", "tier=back").ok();
    label(&shelf, "bob", "annotate", "note=a, b: \"c\"").ok();
    label(&shelf, "rea", "label", "x=y").refused("rea may not annotate");
    label(&shelf, "ann", "label", "kpt.dev/latest-revision=true").refused("label is managed by Stoop");
    set(&shelf, "ann", name, "Proposed", &[]).ok();
    set(&shelf, "bob", name, "Published", APPROVAL).ok();
    let metadata = |shelf: &Shelf| shelf.world.field(name, "{.metadata.labels.tier}|{.metadata.annotations.note}");
    assert_eq!(metadata(&shelf), "back|a, b: \"c\"", "metadata stays when the lifecycle changes");
    label(&shelf, "bob", "label", "kpt.dev/latest-revision-").ok();
    assert_eq!(shelf.names(&["-l", "kpt.dev/latest-revision"]), name, "a computed label cannot be dropped");
    let uid = shelf.world.field(name, "{.metadata.uid}");
    shelf.world.restart();
    assert_eq!(metadata(&shelf), "back|a, b: \"c\"");
    assert_eq!(shelf.world.field(name, "{.metadata.uid}"), uid);
    label(&shelf, "bob", "label", "tier-").ok();
    assert_eq!(metadata(&shelf), "|a, b: \"c\"");
    let finalizer = |shelf: &Shelf, value: &str| {
        let patch = format!("{{\"metadata\":{{\"finalizers\":{value}}}}}");
        shelf.world.kubectl("ann", &["patch", "packagerevision", name, "--type=merge", "-p", &patch]).ok();
    };
    finalizer(&shelf, "[\"example.com/keep\"]");
    set(&shelf, "ann", name, "DeletionProposed", &[]).ok();
    shelf.world.kubectl("bob", &["delete", "packagerevision", name, "--wait=false"]).refused("example.com/keep");
    finalizer(&shelf, "null");
    shelf.world.kubectl("bob", &["delete", "packagerevision", name]).ok();
}

#[test]
fn a_dry_run_says_what_would_be_and_changes_nothing() {
    let shelf = Shelf::new();
    shelf.publish("web", "w1");
    shelf.propose("web", "w2");
    let all = || {
        let answer = shelf.world.kubectl("admin", &["get", "packagerevisions", "-o", "json"]).ok();
        let ledger = shelf.world.on_disk("packages", &["for-each-ref"]).ok();
        (answer.stdout, ledger.stdout)
    };
    let before = all();
    let dry = ["--dry-run=server", "-o=jsonpath={.spec.lifecycle}/{.spec.revision}"];
    assert_eq!(set(&shelf, "bob", "packages.web.w2", "Published", &dry).ok().text(), "Published/2");
    assert_eq!(set(&shelf, "bob", "packages.web.w2", "Draft", &[APPROVAL, &dry].concat()).ok().text(), "Draft/0");
    assert_eq!(set(&shelf, "ann", "packages.web.w1", "DeletionProposed", &dry).ok().text(), "DeletionProposed/1");
    set(&shelf, "ann", "packages.web.w2", "Published", &dry).refused("ann may not approve web w2");
    shelf.world.kubectl("ann", &["delete", "packagerevision", "packages.web.w2", "--dry-run=server"]).ok();
    shelf.world.kubectl("ann", &["label", "packagerevision", "packages.web.w1", "a=b", "--dry-run=server"]).ok();
    assert_eq!(all(), before);
}

/// The sentence that a refused push got for its ref.
fn pushed(answer: Answer) -> String {
    assert_ne!(answer.code, 0, "the push should be refused");
    let mut lines = answer.stderr.lines().filter_map(|line| line.strip_prefix("remote:"));
    lines.find(|line| line.trim().ends_with(']')).expect("a code");
    lines.next().expect("a sentence").trim().to_owned()
}

#[test]
fn kubectl_refuses_with_the_reasons_of_a_push() {
    let shelf = Shelf::new();
    let world = &shelf.world;
    // The right to approve.
    let commit = shelf.propose("web", "w1");
    let sentence = pushed(shelf.ann.approve(&commit, "web", "w1"));
    for more in [&[], APPROVAL] {
        let answer = set(&shelf, "ann", "packages.web.w1", "Published", more);
        answer.refused(&format!("packagerevisions.porch.kpt.dev \"packages.web.w1\" is forbidden: {sentence}"));
    }
    let sentence = pushed(shelf.bob.push(&format!("{}:refs/heads/drafts/new/w1", shelf.bob.head())).refused("bob"));
    assert!(sentence.contains("the role author"), "{sentence}");
    set(&shelf, "rea", "packages.web.w1", "Draft", &[]).refused("rea may not");
    // What the state does not allow.
    let draft = shelf.draft("db", "w1");
    shelf.bob.git(&["fetch", "-q", "origin", &draft]).ok();
    let sentence = pushed(shelf.bob.approve(&draft, "db", "w1"));
    let words = "cannot approve package with Draft lifecycle value; only Proposed packages can be approved";
    assert!(sentence.contains(words), "{sentence}");
    for more in [&[], APPROVAL] {
        set(&shelf, "bob", "packages.db.w1", "Published", more).refused(words);
    }
    set(&shelf, "ann", "packages.db.w1", "DeletionProposed", &[]).refused("db w1");
    set(&shelf, "ann", "packages.db.w1", "Done", &[]).refused("Draft,Proposed,Published,DeletionProposed");
    // Readiness gates hold for both doors.
    shelf.ann.reset();
    shelf.ann.write("gate/Kptfile", "apiVersion: kpt.dev/v1\nkind: Kptfile\nmetadata:\n  name: gate\ninfo:\n  readinessGates:\n  - conditionType: example.com/checked\n");
    shelf.ann.commit("gate");
    shelf.ann.draft("gate", "w1").ok();
    let sentence = pushed(shelf.ann.propose("gate", "w1"));
    set(&shelf, "ann", "packages.gate.w1", "Proposed", &[]).refused(&sentence);
    // A base that somebody else's approval made stale.
    shelf.ann.reset();
    let stale = shelf.ann.package("web", "stale");
    shelf.ann.draft("web", "w9").ok();
    set(&shelf, "bob", "packages.web.w1", "Published", &[]).ok();
    let sentence = pushed(shelf.ann.push(&format!("{stale}:refs/heads/proposed/web/w9")));
    set(&shelf, "ann", "packages.web.w9", "Proposed", &[]).refused(&sentence);
    // What is published stays.
    let gone = world.kubectl("bob", &["delete", "packagerevision", "packages.web.w1"]);
    gone.refused("published PackageRevisions must be proposed for deletion");
    set(&shelf, "ann", "packages.web.w1", "Draft", &[]).refused("web w1");
    let answer = set(&shelf, "ann", "packages.web.w1", "Proposed", APPROVAL);
    answer.refused("package with Published lifecycle value can only be updated to 'ProposeDeletion'");
}
