//! `stoop audit verify`: a ledger that is whole, and one story for each way in which somebody tampered with a mirror of it.
//!
//! Never here: refs that moved behind the doors of a running daemon (see `behind_the_doors`).

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::signers::{SID, Signers, kept, world};
use crate::steps::{P, publish, settled_ledger};
use crate::support::{Answer, World, git_command, run};

/// A mirror of a repository with a signed approval, an unsigned one, a deletion and a rejection.
struct Mirror {
    world: World,
    signers: Signers,
    path: PathBuf,
    ledger: String,
}

impl Mirror {
    fn new() -> Self {
        let (world, signers) = world();
        let ann = world.clone("ann", "packages");
        let commit = ann.package(P, "one");
        ann.draft(P, "w1").ok();
        ann.propose(P, "w1").ok();
        let sid = signers.clone_with_ssh(&world, SID, SID);
        sid.git(&["fetch", "-q", "origin", &commit]).ok();
        signers.push(&sid, "origin", &[&format!("{commit}:refs/approve/{P}/w1")]).ok();
        ann.reset();
        ann.package(P, "two");
        publish(&world, &ann, P, "w2");
        ann.reset();
        let dropped = ann.package(P, "three");
        ann.propose(P, "w3").ok();
        sid.git(&["fetch", "-q", "origin", &dropped]).ok();
        signers.push(&sid, "origin", &[&format!("{dropped}:refs/reject/{P}/w3")]).ok();
        ann.push(&format!(":refs/heads/drafts/{P}/w3")).ok();
        ann.push(&format!("{P}/v2^{{commit}}:refs/heads/deletionProposed/{P}/v2")).ok();
        world.clone("bob", "packages").push(&format!(":refs/tags/{P}/v2")).ok();
        settled_ledger(&world);
        let path = world.path().join("mirror.git");
        run(git_command(world.path()).args(["clone", "-q", "--mirror"]).arg(world.bare("packages")).arg(&path)).ok();
        let ledger = run(git_command(&path).args(["rev-parse", "refs/stoop/ledger"])).ok().text().to_owned();
        Self { world, signers, path, ledger }
    }

    fn git(&self, args: &[&str]) -> Answer {
        run(git_command(&self.path).args(args))
    }

    fn verify(&self, more: &[&str]) -> Answer {
        self.world.stoop(&[&["audit", "verify", self.path.to_str().expect("text")], more].concat())
    }

    /// The verification must fail with these findings and no others; each is a code and a text of its line.
    #[track_caller]
    fn finds(&self, more: &[&str], findings: &[(&str, &str)]) {
        let answer = self.verify(more);
        assert_eq!(answer.code, 1, "{}{}", answer.stdout, answer.stderr);
        let lines: Vec<&str> = answer.stdout.lines().filter(|line| line.starts_with("FAIL  ")).collect();
        assert_eq!(lines.len(), findings.len(), "{}", answer.stdout);
        for (code, text) in findings {
            let found = lines.iter().any(|line| line.starts_with(&format!("FAIL  {code}: ")) && line.contains(text));
            assert!(found, "{code}: {text}\n{}", answer.stdout);
        }
    }

    /// Everything as it was mirrored.
    fn heal(&self) {
        self.git(&["update-ref", "refs/stoop/ledger", &self.ledger]).ok();
        self.git(&["fetch", "-q", "--force", "origin", "+refs/*:refs/*", "--prune"]).ok();
        self.verify(&[]).ok();
    }

    /// Puts a commit on the ledger, after `parents`, whose tree is changed by these lines of `git update-index`.
    fn forge(&self, parents: &[&str], index_info: &str) -> String {
        let index = self.path.join("forged-index");
        let git = |args: &[&str], input: &str| {
            let file = self.path.join("input");
            std::fs::write(&file, input).expect("written");
            let mut command = git_command(&self.path);
            command.env("GIT_INDEX_FILE", &index).stdin(std::fs::File::open(file).expect("there")).args(args);
            for name in ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"] {
                command.env(name, "x");
            }
            for name in ["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"] {
                command.env(name, "x@example.com");
            }
            run(&mut command).ok().text().to_owned()
        };
        git(&["read-tree", parents[0]], "");
        git(&["update-index", "--index-info"], index_info);
        let tree = git(&["write-tree"], "");
        let parents: Vec<&str> = parents.iter().flat_map(|parent| ["-p", parent]).collect();
        let commit = git(&[&["commit-tree", "-m", "x", &tree][..], &parents].concat(), "");
        self.git(&["update-ref", "refs/stoop/ledger", &commit]).ok();
        commit
    }

    /// The path and content of an entry that holds a text, at the ledger's head.
    fn entry(&self, text: &str) -> (String, String) {
        let found = self.git(&["grep", "-l", text, &self.ledger]).ok();
        let path = found.text().lines().next().expect("one").split_once(':').expect("a path").1.to_owned();
        let content = self.git(&["show", &format!("{}:{path}", self.ledger)]).ok().stdout;
        (path, content)
    }

    fn blob(&self, content: &str) -> String {
        let file = self.path.join("content");
        std::fs::write(&file, content).expect("written");
        self.git(&["hash-object", "-w", file.to_str().expect("text")]).ok().text().to_owned()
    }

    /// The whole ledger written anew with one text for another of the same length.
    fn rewrite(&self, from: &str, to: &str) {
        assert_eq!(from.len(), to.len());
        let script = format!(
            "git fast-export --signed-tags=strip refs/stoop/ledger | sed 's/{from}/{to}/' | git fast-import --quiet --force"
        );
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &script]).current_dir(&self.path);
        run(&mut shell).ok();
    }
}

fn signers_file(mirror: &Mirror, text: &str) -> String {
    let file = mirror.world.path().join("allowed");
    std::fs::write(&file, text).expect("written");
    file.to_str().expect("text").to_owned()
}

#[test]
fn a_whole_ledger_is_good_on_a_mirror_and_each_tampering_is_found() {
    let mirror = Mirror::new();
    let said = mirror.verify(&[]).ok().stdout;
    assert!(said.contains("of them signed, 1 published revisions") && said.contains("good: "), "{said}");
    let ssh = format!("{SID} {}", mirror.signers.read("sid.pub"));
    let allowed = signers_file(&mirror, &ssh);
    let json = mirror.verify(&["--json", "--allowed-signers", &allowed, "--known", &mirror.ledger]).ok().stdout;
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        (&json["findings"], &json["signed"], &json["signersGiven"]),
        (&Value::Array(vec![]), &Value::from(2), &Value::from(true))
    );
    assert_eq!(json["ledger"], mirror.ledger.as_str());

    // The newest commit written anew, with another approver.
    let (path, content) = mirror.entry("\"workspace\": \"w1\"");
    let line = |content: &str| format!("100644 {}\t{path}\n", mirror.blob(content));
    mirror.forge(&[&format!("{}~1", mirror.ledger)], &line(&content.replace("\"by\": \"sid\"", "\"by\": \"eve\"")));
    mirror.finds(
        &["--known", &mirror.ledger],
        &[("deed-without-intent", "by eve"), ("history-rewritten", &mirror.ledger)],
    );
    mirror.heal();
    // A commit more, by somebody who can write to the repository.
    mirror.forge(&[&mirror.ledger], &line(&content.replace("\"highestRevision\": 1", "\"highestRevision\": 0")));
    mirror.finds(&[], &[("number-forgotten", "net/router w1")]);
    mirror.forge(&[&mirror.ledger], &line("{}"));
    mirror.finds(&[], &[("unreadable-entry", &path)]);
    mirror.forge(&[&mirror.ledger], &format!("0 {}\t{path}\n", "0".repeat(40)));
    mirror.finds(&[], &[("entry-removed", "net/router w1")]);
    mirror.forge(&[&mirror.ledger], &format!("100644 {}\tREADME\n", mirror.blob("x")));
    mirror.finds(&[], &[("strange-file", "README")]);
    mirror.forge(&[&mirror.ledger, "refs/heads/main"], "");
    mirror.finds(&[], &[("not-a-chain", "it has 2 parents")]);
    mirror.heal();

    // Tags, with hooks off.
    let tag = format!("refs/tags/{P}/v1");
    mirror.git(&["update-ref", &tag, "refs/heads/main"]).ok();
    mirror.finds(&[], &[("tag-not-approved", &format!("tag {P}/v1"))]);
    mirror.git(&["update-ref", "-d", &tag]).ok();
    mirror.finds(&[], &[("tag-missing", "sid approved it")]);
    mirror.heal();
    for (name, code) in [("v9", "tag-unexplained"), ("v2", "tag-deleted")] {
        mirror.git(&["update-ref", &format!("refs/tags/{P}/{name}"), &format!("{tag}^{{commit}}")]).ok();
        mirror.finds(&[], &[(code, &format!("tag {P}/{name}"))]);
        mirror.heal();
    }
}

#[test]
fn certificates_that_are_dropped_or_of_others_are_found() {
    let mirror = Mirror::new();
    let certificates = kept(&mirror.path, "certificates");
    assert_eq!(certificates.len(), 2);
    let path = |id: &str| format!("certificates/{}/{}", &id[..2], &id[2..]);
    mirror.forge(&[&mirror.ledger], &format!("0 {}\t{}\n", "0".repeat(40), path(&certificates[0])));
    let findings =
        [("evidence-changed", &*path(&certificates[0])), ("certificate-missing", "of sid is not in the ledger")];
    let said = mirror.verify(&[]).refused("certificate-missing").stdout;
    assert!(findings.iter().all(|(code, text)| said.contains(code) && said.contains(text)), "{said}");
    mirror.forge(&[&mirror.ledger], &format!("100644 {}\t{}\n", mirror.blob("x"), path(&certificates[0])));
    mirror.verify(&[]).refused("it is not the file that its name says");
    mirror.heal();

    // The signed approval taken for another commit, workspace or user in the whole ledger.
    let allowed = signers_file(&mirror, &format!("{SID} {}", mirror.signers.read("sid.pub")));
    mirror.rewrite("\"by\": \"sid\"", "\"by\": \"eve\"");
    mirror.finds(&["--allowed-signers", &allowed], &[("signer-not-allowed", "is not a key of eve"); 2]);
    mirror.heal();
    let stranger = signers_file(&mirror, &format!("{SID} {}", mirror.signers.read("stranger.pub")));
    mirror.verify(&["--allowed-signers", &stranger]).refused("signer-not-allowed");
    let (_, approved) = mirror.entry("\"workspace\": \"w1\"");
    let (approval, other): (Vec<_>, Vec<_>) = certificates.iter().partition(|id| approved.contains(id.as_str()));
    mirror.rewrite(&format!("\"push\": \"{}\"", other[0]), &format!("\"push\": \"{}\"", approval[0]));
    mirror.verify(&[]).refused("certificate-mismatch");
    mirror.heal();
    mirror.verify(&["--allowed-signers", "/nowhere"]).refused("cannot be read");
    mirror.world.stoop(&["audit", "verify", "/nowhere"]).refused("/nowhere");
}

#[test]
fn what_is_imported_is_named_and_nothing_else_passes() {
    let world = World::without_daemon();
    let source = world.path().join("source");
    std::fs::create_dir(&source).expect("made");
    let git = |directory: &Path, args: &[&str]| run(git_command(directory).args(args)).ok();
    git(&source, &["init", "-q"]);
    for (path, content) in [("a/Kptfile", crate::support::kptfile("a")), ("a/x.yaml", crate::support::config_map("x"))]
    {
        let file = source.join(path);
        std::fs::create_dir_all(file.parent().expect("a parent")).expect("made");
        std::fs::write(file, content).expect("written");
    }
    git(&source, &["add", "."]);
    git(&source, &["-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-q", "-m", "x"]);
    git(&source, &["tag", "a/v1"]);
    let mut world = world;
    world.create_repository("packages");
    world.start_daemon();
    world.wait_for_repository("packages");
    let url = world.url("ada", "packages");
    let head = git(&source, &["rev-parse", "HEAD"]);
    git(&source, &["push", "-q", "-o", "import", &url, "+HEAD:refs/heads/main", "a/v1"]);
    let bare = world.bare("packages");
    settled_ledger(&world);
    let said = world.stoop(&["audit", "verify", bare.to_str().expect("text")]).ok().stdout;
    assert!(said.contains("note: tag a/v1 was imported by ada"), "{said}");
    let tags = world.path().join("elsewhere.git");
    git(world.path(), &["clone", "-q", "--mirror", bare.to_str().expect("text"), tags.to_str().expect("text")]);
    git(&tags, &["update-ref", "refs/tags/a/v3", head.text()]);
    world.stoop(&["audit", "verify", tags.to_str().expect("text")]).refused("tag-unexplained: tag a/v3");
}
