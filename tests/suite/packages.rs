//! Package revisions in every state of their life, brought there by pushes, for the stories of the Kubernetes door.
//!
//! Never here: assertions about what the API says of them.

use crate::support::{Workdir, World};

/// A world with `packages.git` and a clone for an author and for an approver.
pub(crate) struct Shelf {
    pub(crate) world: World,
    pub(crate) ann: Workdir,
    pub(crate) bob: Workdir,
}

impl Shelf {
    pub(crate) fn new() -> Self {
        Self::of(World::with_repository())
    }

    /// On a world that has `packages.git` and a running daemon.
    pub(crate) fn of(world: World) -> Self {
        let (ann, bob) = (world.clone("ann", "packages"), world.clone("bob", "packages"));
        Self { world, ann, bob }
    }

    /// A draft with one resource, on the branch's newest commit; returns its commit.
    pub(crate) fn draft(&self, package: &str, workspace: &str) -> String {
        self.ann.reset();
        let commit = self.ann.package(package, workspace);
        self.ann.draft(package, workspace).ok();
        commit
    }

    /// A proposal; returns its commit.
    pub(crate) fn propose(&self, package: &str, workspace: &str) -> String {
        self.ann.reset();
        let commit = self.ann.package(package, workspace);
        self.ann.propose(package, workspace).ok();
        commit
    }

    /// A published revision.
    pub(crate) fn publish(&self, package: &str, workspace: &str) {
        let commit = self.propose(package, workspace);
        self.bob.git(&["fetch", "-q", "origin", &commit]).ok();
        self.bob.approve(&commit, package, workspace).ok();
    }

    /// Lines of `kubectl get packagerevisions -o name` with more arguments, without the kind, joined by blanks.
    #[track_caller]
    pub(crate) fn names(&self, arguments: &[&str]) -> String {
        let answer = self.world.kubectl("rea", &[&["get", "packagerevisions", "-o", "name"], arguments].concat()).ok();
        let names = answer.stdout.lines().filter_map(|line| line.strip_prefix("packagerevision.porch.kpt.dev/"));
        names.collect::<Vec<_>>().join(" ")
    }
}
