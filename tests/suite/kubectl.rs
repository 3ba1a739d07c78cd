//! Reading through the Kubernetes door with real kubectl: discovery, explain, every output form, selectors, content.
//!
//! Never here: writes (see `kubectl_writes`) and watches (see `kubectl_watch`).

use serde_json::Value;

use crate::packages::Shelf;
use crate::support::kptfile;

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn kubectl_finds_out_what_is_served_and_what_it_means() {
    let shelf = Shelf::new();
    let world = &shelf.world;
    let resources = world.kubectl("rea", &["api-resources", "--no-headers", "-o", "wide"]).ok();
    for (name, verbs) in [
        ("packagerevisions ", "delete,get,list,patch,update,watch"),
        ("packagerevisionresources ", "get,list"),
        ("repositories ", "get,list,watch"),
        ("namespaces ", "get,list"),
    ] {
        let line = resources.stdout.lines().find(|line| line.starts_with(name)).expect(name);
        // Older versions write [get list] where newer ones write get,list.
        let listed = line.replace(['[', ']'], " ").split_whitespace().collect::<Vec<_>>().join(",");
        assert!(listed.contains(verbs), "{line}");
    }
    let versions = world.kubectl("rea", &["api-versions"]).ok();
    assert_eq!(words(&versions.stdout), ["config.porch.kpt.dev/v1alpha1", "porch.kpt.dev/v1alpha1", "v1"]);
    for (what, words) in [
        ("packagerevisions", ["Draft, Proposed, Published", "spec\t<"]),
        ("packagerevisions.spec.lifecycle", ["FIELD: lifecycle <string>", "DeletionProposed"]),
        ("repositories.spec.git", ["branch\t<string>", "directory\t<string>"]),
        ("packagerevisionresources.spec", ["resources\t<map[string]string>", "workspaceName"]),
    ] {
        // Versions pad the words of the head differently.
        let text = world.kubectl("rea", &["explain", what]).ok().stdout.replace("FIELD:    ", "FIELD: ");
        words.iter().for_each(|word| assert!(text.contains(word), "{what} without {word:?}:\n{text}"));
    }
    world.kubectl("rea", &["explain", "packagerevisions.spec.nothing"]).refused("does not exist");
    world.kubectl("rea", &["get", "packages"]).refused("the server doesn't have a resource type");
}

#[test]
fn kubectl_shows_package_revisions_in_every_form() {
    let shelf = Shelf::new();
    shelf.publish("net/router", "w1");
    shelf.publish("net/router", "w2");
    shelf.draft("db", "w1");
    let world = &shelf.world;

    let table = world.kubectl("rea", &["get", "packagerevisions"]).ok().stdout;
    let lines: Vec<Vec<&str>> = table.lines().map(words).collect();
    let header = ["NAME", "PACKAGE", "WORKSPACENAME", "REVISION", "LATEST", "LIFECYCLE", "REPOSITORY"];
    let rows: [&[&str]; 5] = [
        &header,
        &["packages.db.w1", "db", "w1", "0", "false", "Draft", "packages"],
        &["packages.net.router.main", "net/router", "main", "-1", "false", "Published", "packages"],
        &["packages.net.router.w1", "net/router", "w1", "1", "false", "Published", "packages"],
        &["packages.net.router.w2", "net/router", "w2", "2", "true", "Published", "packages"],
    ];
    assert_eq!(lines, rows);
    let wide = world.kubectl("rea", &["get", "packagerevisions", "-A", "-o", "wide", "--no-headers"]).ok().stdout;
    assert!(wide.lines().count() == 4 && wide.lines().all(|line| line.starts_with("default ")), "{wide}");
    assert!(
        world.kubectl("rea", &["get", "packagerevisions", "-n", "other"]).ok().stderr.contains("No resources found")
    );

    let name = "packages.net.router.w2";
    let json: Value =
        serde_json::from_str(&world.kubectl("rea", &["get", "packagerevision", name, "-o", "json"]).ok().stdout)
            .expect("JSON");
    let yaml = world.kubectl("rea", &["get", "packagerevision", name, "-o", "yaml"]).ok().stdout;
    assert_eq!(serde_yaml::from_str::<Value>(&yaml).expect("YAML"), json);
    let tag = world.on_disk("packages", &["rev-parse", "refs/tags/net/router/v2"]).ok();
    assert_eq!(json["status"]["selfLock"]["git"]["commit"], tag.text());
    assert_eq!(json["status"]["selfLock"]["git"]["ref"], "net/router/v2");
    assert_eq!(json["status"]["publishedBy"], "bob");
    assert_eq!(json["metadata"]["labels"]["kpt.dev/latest-revision"], "true");
    assert_eq!(json["metadata"]["namespace"], "default");
    assert_eq!(json["spec"]["revision"], 2);
    let path = "-o=jsonpath={range .items[*]}{.metadata.name}={.spec.revision} {end}";
    let paths = world.kubectl("rea", &["get", "packagerevisions", path]).ok();
    assert_eq!(
        paths.text(),
        "packages.db.w1=0 packages.net.router.main=-1 packages.net.router.w1=1 packages.net.router.w2=2"
    );
    let columns = "-o=custom-columns=N:.metadata.name,L:.spec.lifecycle";
    let custom = world.kubectl("rea", &["get", "packagerevision", "packages.db.w1", columns, "--no-headers"]).ok();
    assert_eq!(words(custom.text()), ["packages.db.w1", "Draft"]);
    let sorted = shelf.names(&["--sort-by=.spec.revision", "--chunk-size=1"]);
    assert_eq!(sorted, "packages.net.router.main packages.db.w1 packages.net.router.w1 packages.net.router.w2");
    let described = world.kubectl("rea", &["describe", "packagerevision", name]).ok().stdout;
    assert!(described.contains("Lifecycle:  Published") && described.contains("Workspace Name:  w2"), "{described}");
    let latest =
        world.kubectl("rea", &["get", "packagerevisions", "-L", "kpt.dev/latest-revision", "--no-headers"]).ok();
    assert_eq!(latest.stdout.lines().filter(|line| line.ends_with("true")).count(), 1, "{}", latest.stdout);
    let got = world.kubectl("rea", &["get", "packagerevision", "nope", "packages.db.w1", "-o", "name"]);
    assert_eq!((got.code, got.text()), (1, "packagerevision.porch.kpt.dev/packages.db.w1"));
    assert!(got.stderr.contains("packagerevisions.porch.kpt.dev \"nope\" not found"), "{}", got.stderr);

    let repositories = world.kubectl("rea", &["get", "repo", "--no-headers"]).ok().stdout;
    assert_eq!(words(&repositories)[..7], ["packages", "git", "Package", "false", "True", "packages.git", "main"]);
    assert_eq!(world.kubectl("rea", &["get", "ns", "-o", "name"]).ok().text(), "namespace/default");
}

#[test]
fn selectors_select_and_what_they_do_not_know_is_refused() {
    let shelf = Shelf::new();
    shelf.publish("a/web", "w1");
    shelf.draft("web", "w2");
    shelf.propose("db", "w1");
    let world = &shelf.world;
    world.kubectl("ann", &["label", "packagerevision", "packages.web.w2", "packages.db.w1", "tier=back"]).ok();
    for (selector, names) in [
        ("metadata.name=packages.db.w1", "packages.db.w1"),
        ("metadata.name=packages.nope.w1", ""),
        ("metadata.namespace=default,spec.revision=1", "packages.a.web.w1"),
        ("spec.revision=0", "packages.db.w1 packages.web.w2"),
        ("spec.revision=-1", "packages.a.web.main"),
        ("spec.packageName=web", "packages.web.w2"),
        ("spec.packageName==a/web", "packages.a.web.main packages.a.web.w1"),
        ("spec.workspaceName=w1", "packages.a.web.w1 packages.db.w1"),
        ("spec.repository=packages,spec.lifecycle=Published", "packages.a.web.main packages.a.web.w1"),
        ("spec.repository=other", ""),
        ("spec.lifecycle=Proposed", "packages.db.w1"),
    ] {
        assert_eq!(shelf.names(&["--field-selector", selector]), names, "{selector}");
    }
    for (selector, names) in [
        ("tier=back", "packages.db.w1 packages.web.w2"),
        ("tier!=back", "packages.a.web.main packages.a.web.w1"),
        ("tier notin (back),kpt.dev/latest-revision", "packages.a.web.w1"),
        ("!tier,!kpt.dev/latest-revision", "packages.a.web.main"),
        ("tier in (front, back)", "packages.db.w1 packages.web.w2"),
    ] {
        assert_eq!(shelf.names(&["-l", selector]), names, "{selector}");
    }
    assert_eq!(shelf.names(&["-l", "tier", "--field-selector", "spec.lifecycle=Draft"]), "packages.web.w2");
    for (selector, why) in [
        ("spec.lifecycle!=Draft", "unsupported fieldSelector operator \"!=\" for field \"spec.lifecycle\""),
        ("spec.lifecycle=draft", "unsupported fieldSelector value \"draft\" for field \"spec.lifecycle\""),
        ("spec.lifecycle=", "unsupported fieldSelector value \"\""),
        ("spec.revision=v1", "spec.revision"),
        ("status.deployment=true", "\"status.deployment\" is not a known field selector"),
    ] {
        world.kubectl("rea", &["get", "packagerevisions", "--field-selector", selector]).refused(why);
    }
    world.kubectl("rea", &["get", "packagerevisions", "-l", "a=b=c"]).refused("label");
}

#[test]
fn the_content_of_a_package_comes_back_byte_for_byte() {
    let shelf = Shelf::new();
    let ann = &shelf.ann;
    let files = [
        ("Kptfile", kptfile("web") + "info:\n  description: \"\\u00fc\"  \n"),
        ("README.md", "# web\r\n\r\ntrailing blanks   \n\ttab, ünï ✓ \u{1f980}\n\n\n".to_owned()),
        ("deep/er/no-newline.yaml", "a: 1".to_owned()),
        ("empty.txt", String::new()),
        ("large.yaml", "# 0123456789\n".repeat(20_000)),
        ("quotes.json", "{\"a\\\\\": \"\\\"\u{7f}\u{2028}\"}".to_owned()),
    ];
    files.iter().for_each(|(path, content)| ann.write(&format!("web/{path}"), content));
    ann.commit("web");
    ann.draft("web", "w1").ok();
    let get = ["get", "packagerevisionresources", "packages.web.w1"];
    let answer = shelf.world.kubectl("rea", &[&get[..], &["-o", "json"]].concat()).ok();
    let object: Value = serde_json::from_str(&answer.stdout).expect("JSON");
    let got = object["spec"]["resources"].as_object().expect("files");
    assert_eq!(got.len(), files.len());
    files.iter().for_each(|(path, content)| assert!(got[*path] == *content, "{path} differs: {}", got[*path]));
    let row = shelf.world.kubectl("rea", &[&get[..], &["--no-headers"]].concat()).ok();
    assert_eq!(words(row.text()), ["packages.web.w1", "web", "w1", "0", "packages", "6"]);

    // What JSON cannot carry is named instead.
    std::fs::write(ann.path().join("web/binary"), [0xff, 0x00, 0xfe]).expect("written");
    ann.commit("binary");
    ann.draft("web", "w1").ok();
    let answer = shelf.world.kubectl("rea", &[&get[..], &["-o", "json"]].concat()).ok();
    let object: Value = serde_json::from_str(&answer.stdout).expect("JSON");
    assert_eq!(object["spec"]["resources"].as_object().expect("files").len(), files.len());
    assert!(object["metadata"]["annotations"]["stoop.dev/left-out"].as_str().expect("named").contains("binary"));
}
