//! Ref names and package names that should not be, and tags that would publish.
//!
//! Never here: names that git's own client can send and that `push_borders` tries already.

use super::raw;
use super::steady::Steady;
use crate::packages::Shelf;
use crate::support::{World, eventually};
use crate::untouched::refused;

#[test]
fn names_that_git_s_own_client_would_not_send() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    let main = ann.head();
    let steady = Steady::now(&world);
    let long = [b"refs/heads/drafts/a/".as_slice(), &vec![b'x'; 4096]].concat();
    let deep = [b"refs/heads/drafts/".as_slice(), &b"a/".repeat(3000), b"w"].concat();
    let names: [&[u8]; 16] = [
        b"refs/heads/drafts/a/../b",
        b"refs/heads/drafts/../main",
        b"refs/heads/drafts/a/w..1",
        b"refs/heads/drafts/a/./w",
        b"refs/heads/drafts/a//w",
        b"refs/heads/drafts/a/w.lock",
        b"refs/heads/drafts/a/w\x07",
        b"refs/heads/drafts/a/\x1b[31mred",
        b"refs/heads/drafts/a/w\x7f",
        b"refs/heads/drafts/a/\xff\xfe",
        b"refs/heads/proposed/a/w*",
        b"refs/approve/a/../w",
        b"refs/stoop/../x",
        b"refs/heads/deletionProposed/a/v1~2",
        &long,
        &deep,
    ];
    for name in names {
        let answer = raw::push(&world, "ann", &[(raw::ZERO, &main, name)], &[]);
        let shown: String = String::from_utf8_lossy(name).chars().take(60).collect();
        assert!(answer.contains("HTTP/1.1 200"), "{shown}: {answer}");
        assert!(answer.contains("ng refs/") && !answer.contains("\nok refs/"), "{shown}: {answer}");
        steady.unchanged();
    }
    // Names that are no ref at all, and a line that says nothing.
    for name in [b"HEAD".as_slice(), b"", b"refs", b"/etc/passwd", b"refs/heads/../../config"] {
        let answer = raw::push(&world, "ann", &[(raw::ZERO, &main, name)], &[]);
        assert!(!answer.contains("000eok "), "{answer}");
        steady.unchanged();
    }
    // A ref that is pushed to decide cannot be deleted: it never stays.
    let zero_of = |name: &[u8]| raw::push(&world, "ann", &[(&main, raw::ZERO, name)], &[]);
    for name in [b"refs/approve/a/w".as_slice(), b"refs/reject/a/w"] {
        let answer = zero_of(name);
        assert!(answer.contains("ng refs/") && answer.contains("there is nothing to delete"), "{answer}");
        steady.unchanged();
    }
    assert!(world.log().contains("code=\"bad-request\""), "{}", world.log());
    // What the hook said is in the log, where no terminal may be driven by it.
    let log = world.log();
    assert!(log.contains("refs/heads/drafts/a/") && !log.contains(['\u{1b}', '\u{7}', '\u{7f}']), "{log}");
    steady.check();
}

#[test]
fn packages_and_workspaces_have_names_that_are_the_same_everywhere() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    let steady = Steady::now(&world);
    let long = "x".repeat(180);
    for (package, workspace) in [
        ("net/router", "v1.2"),
        ("net/router", "W1"),
        ("Net/router", "w1"),
        ("net/r\u{e9}seau", "w1"),
        ("net/re\u{301}seau", "w1"),
        ("net/router", "w\u{301}"),
        ("net/router\u{200b}", "w1"),
        ("net/\u{440}outer", "w1"),
        ("net/router", &long),
        (&long, "w1"),
    ] {
        ann.reset();
        ann.package(package, "one");
        let answer = refused(&world, "bad-name", "lower case letters, digits", || ann.draft(package, workspace));
        assert!(answer.stderr.contains("choose another"), "it says what to do: {}", answer.stderr);
        refused(&world, "bad-name", "", || ann.propose(package, workspace));
    }
    // Beside the managed prefixes there is nothing managed: such a ref is the pusher's own.
    for name in ["refs/heads/Drafts/net/router/w1", "refs/heads/drafts-old/net/router/w1"] {
        ann.push(&format!("HEAD:{name}")).ok();
        ann.push(&format!(":{name}")).ok();
    }
    steady.check();
}

#[test]
fn no_tag_at_a_package_s_path_is_an_author_s() {
    let shelf = Shelf::new();
    let (world, ann) = (&shelf.world, &shelf.ann);
    shelf.publish("net/router", "w1");
    ann.reset();
    ann.git(&["tag", "-a", "-m", "annotated", "annotated", "HEAD"]).ok();
    ann.git(&["tag", "-a", "-m", "of a tag", "twice", "annotated"]).ok();
    ann.git(&["tag", "-a", "-m", "of a tag of a tag", "thrice", "twice"]).ok();
    let steady = Steady::now(world);
    for last in
        ["99", "v+5", "+5", "v01", "01", "v1.2.3", "hello", "v-1", "v0", "v2", "V2", "v99999999999999999999", "main"]
    {
        for object in ["HEAD", "annotated", "thrice"] {
            refused(world, "immutable", "would publish package net/router without an approval", || {
                ann.push(&format!("{object}:refs/tags/net/router/{last}"))
            });
        }
    }
    // A tag of a tree or a blob publishes nothing, but stands in the way of what will.
    for object in ["HEAD^{tree}", "HEAD:net/router/Kptfile"] {
        let _ = ann.push(&format!("{object}:refs/tags/net/router/v2"));
        if !world.refs("packages").contains("refs/tags/net/router/v2") {
            continue;
        }
        assert_eq!(shelf.names(&["--field-selector=spec.revision=2"]), "", "{object} published something");
        ann.push(":refs/tags/net/router/v2").ok();
    }
    // The published one: it is neither moved, nor replaced by a tag of itself, nor deleted.
    for object in ["HEAD~1", "annotated", "thrice", "HEAD^{tree}"] {
        refused(world, "immutable", "net/router/v1", || ann.push(&format!("+{object}:refs/tags/net/router/v1")));
    }
    refused(world, "immutable", "propose its deletion first", || ann.push(":refs/tags/net/router/v1"));
    steady.check();
    // Those that came in behind Stoop's back, beside the number they repeat, are guarded as any other.
    let plain = world
        .on_disk("packages", &["-c", "user.name=x", "-c", "user.email=x", "commit-tree", "-m", "x", "main^{tree}"]);
    let plain = plain.ok().text().to_owned();
    for last in ["v+5", "v01", "hello"] {
        let name = format!("net/router/{last}");
        world.on_disk("packages", &["-c", "core.hooksPath=/dev/null", "tag", &name, &plain]).ok();
    }
    eventually("they are shown", || shelf.names(&[]).contains("packages.net.router.hello").then_some(()));
    ann.reset();
    for last in ["v+5", "v01", "hello"] {
        let tag = format!("refs/tags/net/router/{last}");
        refused(world, "immutable", "", || ann.push(&format!(":{tag}")));
        refused(world, "immutable", "", || ann.push(&format!("+HEAD~1:{tag}")));
        ann.push(&format!("{plain}:refs/heads/deletionProposed/net/router/{last}")).ok();
        shelf.bob.push(&format!(":{tag}")).ok();
    }
    assert!(!world.refs("packages").contains("deletionProposed"));
}

#[test]
fn a_mirror_push_deletes_nothing_that_is_managed() {
    let shelf = Shelf::new();
    shelf.publish("net/router", "w1");
    shelf.draft("net/switch", "w1");
    shelf.propose("net/dns", "w1");
    let fresh = shelf.world.clone("ann", "packages");
    fresh.git(&["update-ref", "-d", "refs/remotes/origin/HEAD"]).ok();
    let steady = Steady::now(&shelf.world);
    // It would delete every ref that a clone does not have under the same name, the ledger among them.
    refused(&shelf.world, "internal-ref", "belongs to Stoop alone", || fresh.git(&["push", "--mirror", "origin"]));
    refused(&shelf.world, "immutable", "propose its deletion first", || {
        fresh.git(&["push", "--prune", "origin", "refs/nothing/*:refs/tags/*"])
    });
    refused(&shelf.world, "branch-guarded", "", || {
        fresh.git(&["push", "--prune", "origin", "refs/nothing/*:refs/heads/*"])
    });
    steady.check();
}
