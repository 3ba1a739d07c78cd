//! The life of a package, twice: through pushes, and through kubectl as far as kubectl goes.
//!
//! Never here: what is listed before (see the oracle).

use crate::support::{Workdir, World};

struct Round<'w> {
    world: &'w World,
    repository: &'w str,
    package: &'w str,
    ann: Workdir,
}

impl Round<'_> {
    fn name(&self, workspace: &str) -> String {
        format!("{}.{}.{workspace}", self.repository, self.package.replace('/', "."))
    }

    /// Lifecycle, revision, and whether it is the latest.
    #[track_caller]
    fn is(&self, workspace: &str, expected: &str) {
        let path = "{.spec.lifecycle} {.spec.revision} {.metadata.labels.kpt\\.dev/latest-revision}";
        assert_eq!(self.world.field(&self.name(workspace), path).trim(), expected, "{}", self.name(workspace));
    }

    /// Saves a change as a draft; returns its commit.
    fn draft(&self, workspace: &str) -> String {
        self.ann.reset();
        let content = crate::support::config_map(workspace);
        self.ann.write(&format!("{}/conformance.yaml", self.package), &content);
        let commit = self.ann.commit(workspace);
        self.ann.draft(self.package, workspace).ok();
        self.is(workspace, "Draft 0");
        commit
    }

    #[track_caller]
    fn set(&self, user: &str, workspace: &str, lifecycle: &str, more: &[&str]) {
        let patch = format!("{{\"spec\":{{\"lifecycle\":\"{lifecycle}\"}}}}");
        let name = self.name(workspace);
        let arguments = [&["patch", "packagerevision", &name, "--type=merge", "-p", &patch], more].concat();
        self.world.kubectl(user, &arguments).ok();
    }
}

/// Draft, proposal, approval; a second revision; its deletion; a third, which gets a number of its own.
pub(crate) fn by_push(world: &World, repository: &str, package: &str, highest: i64) {
    let round = Round { world, repository, package, ann: world.clone("ann", repository) };
    let bob = world.clone("bob", repository);
    for (step, workspace) in (1..).zip(["conformance-1", "conformance-2", "conformance-3"]) {
        let commit = round.draft(workspace);
        round.ann.propose(package, workspace).ok();
        round.is(workspace, "Proposed 0");
        bob.git(&["fetch", "-q", "origin", &commit]).ok();
        bob.approve(&commit, package, workspace).ok();
        let number = highest + step;
        round.is(workspace, &format!("Published {number} true"));
        let kept = format!("main:{package}/conformance.yaml");
        assert_eq!(world.on_disk(repository, &["show", &kept]).ok().stdout, crate::support::config_map(workspace));
        if step == 2 {
            let tag = format!("refs/tags/{package}/v{number}");
            round.ann.git(&["fetch", "-q", "--tags", "origin"]).ok();
            round.ann.push(&format!("{tag}:refs/heads/deletionProposed/{package}/v{number}")).ok();
            round.is(workspace, &format!("DeletionProposed {number} true"));
            bob.push(&format!(":{tag}")).ok();
            world.kubectl("rea", &["get", "packagerevision", &round.name(workspace)]).refused("not found");
        }
    }
}

/// The same with kubectl; the drafts are made by push, since nothing else makes them yet.
pub(crate) fn by_kubectl(world: &World, repository: &str, package: &str, highest: i64) {
    let round = Round { world, repository, package, ann: world.clone("ann", repository) };
    for (step, workspace) in (1..).zip(["conformance-1", "conformance-2", "conformance-3"]) {
        round.draft(workspace);
        round.set("ann", workspace, "Proposed", &[]);
        round.is(workspace, "Proposed 0");
        let way: &[&str] = if step == 1 { &["--subresource=approval"] } else { &[] };
        round.set("bob", workspace, "Published", way);
        let number = highest + step;
        round.is(workspace, &format!("Published {number} true"));
        if step == 2 {
            round.set("ann", workspace, "DeletionProposed", &[]);
            world.kubectl("bob", &["delete", "packagerevision", &round.name(workspace)]).ok();
            world.kubectl("rea", &["get", "packagerevision", &round.name(workspace)]).refused("not found");
            let tag = format!("refs/tags/{package}/v{number}");
            assert_ne!(world.on_disk(repository, &["rev-parse", "-q", "--verify", &tag]).code, 0, "{tag} is gone");
        }
    }
}
