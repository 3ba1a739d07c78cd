//! Transitions that something interrupts, and what must hold whatever it was: the state is the one before or the one after,
//! what was acknowledged happened, the ledger has it once, and nothing stays in the way of the next change.
//!
//! Never here: what interrupts them (see `faults` and `sweep`).

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::steps::P;
use crate::support::{Answer, Workdir, World, eventually, git_command, run};

/// A transition to be interrupted.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Brings a fresh workspace to the state before.
    pub(crate) before: fn(&Stage, &str),
    /// The transition; true when it was acknowledged.
    pub(crate) change: fn(&Stage, &str) -> Answer,
    /// Lifecycle before and after; empty when there is no package revision.
    pub(crate) states: (&'static str, &'static str),
    /// The ledger's line for it, up to the workspace.
    pub(crate) deed: &'static str,
}

pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) amy: Workdir,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::on(World::with_repository())
    }

    /// On a world that has `packages.git` and a running daemon.
    pub(crate) fn on(world: World) -> Self {
        let amy = world.clone("amy", "packages");
        let path = world.bare("packages");
        amy.git(&["remote", "set-url", "origin", path.to_str().expect("text")]).ok();
        Self { world, amy }
    }

    /// git in amy's clone, straight to the disk: it does not end with the daemon. Over HTTP, git may wait for ever for a
    /// server that died in the middle of its answer; so a time ends it.
    pub(crate) fn git(&self, args: &[&str]) -> Answer {
        let mut git = git_command(self.amy.path());
        git.env("REMOTE_USER", "amy").args(args);
        let mut timed = Command::new("timeout");
        timed.args(["--kill-after=5", "20"]).arg(git.get_program()).args(git.get_args()).current_dir(self.amy.path());
        timed.env_clear().envs(git.get_envs().filter_map(|(name, value)| Some((name, value?))));
        run(&mut timed)
    }

    pub(crate) fn push(&self, refspec: &str) -> Answer {
        self.git(&["push", "-q", "origin", refspec])
    }

    pub(crate) fn write(&self, workspace: &str) {
        self.git(&["fetch", "-q", "--prune", "--tags", "--force", "origin"]).ok();
        self.git(&["reset", "-q", "--hard", "origin/main"]).ok();
        self.amy.package(P, workspace);
    }

    pub(crate) fn draft(&self, workspace: &str) {
        self.write(workspace);
        self.push(&format!("HEAD:refs/heads/drafts/{P}/{workspace}")).ok();
    }

    pub(crate) fn propose(&self, workspace: &str) {
        self.write(workspace);
        self.push(&format!("HEAD:refs/heads/proposed/{P}/{workspace}")).ok();
    }

    pub(crate) fn publish(&self, workspace: &str) {
        self.propose(workspace);
        self.push(&format!("HEAD:refs/approve/{P}/{workspace}")).ok();
    }

    /// The tag's last segment of the revision that was published last; read from the disk, where nothing is made to fail.
    pub(crate) fn segment(&self) -> String {
        format!("v{}", self.newest().expect("a revision is published"))
    }

    /// The last segment of the tag of the revision that is published next.
    pub(crate) fn next_segment(&self) -> String {
        format!("v{}", self.newest().unwrap_or(0) + 1)
    }

    fn newest(&self) -> Option<u32> {
        let pattern = format!("refs/tags/{P}/v*");
        let tags = self.world.on_disk("packages", &["for-each-ref", "--format=%(refname:lstrip=-1)", &pattern]).ok();
        tags.stdout.lines().filter_map(|tag| tag.strip_prefix('v')?.parse::<u32>().ok()).max()
    }

    pub(crate) fn kubectl(&self, lifecycle: &str, workspace: &str) -> Answer {
        let patch = format!("{{\"spec\":{{\"lifecycle\":\"{lifecycle}\"}}}}");
        self.world.kubectl("amy", &["patch", "packagerevision", &object(workspace), "--type=merge", "-p", &patch])
    }

    pub(crate) fn lifecycle(&self, workspace: &str) -> String {
        self.world.field(&object(workspace), "{.spec.lifecycle}")
    }
}

pub(crate) fn object(workspace: &str) -> String {
    format!("packages.net.router.{workspace}")
}

pub(crate) fn recorded(stage: &Stage, case: &Case, workspace: &str) -> usize {
    let log = stage.world.on_disk("packages", &["log", "--format=%an: %s", "refs/stoop/ledger"]).stdout;
    let deed = format!("amy: {} {P} {workspace} ", case.deed);
    log.lines().filter(|line| line.starts_with(&deed) && line.ends_with("by amy")).count()
}

pub(crate) fn check(stage: &Stage, case: &Case, workspace: &str, answer: &Answer, at: &str) {
    let world = &stage.world;
    let (before, after) = case.states;
    // A push that outlives the daemon has its lease no more; what its refs say is taken up within a moment.
    let lifecycle = eventually("every intent is finished or dropped", || {
        let left = world.on_disk("packages", &["grep", "-l", "\"intent\"", "refs/stoop/ledger"]);
        left.stdout.is_empty().then(|| stage.lifecycle(workspace))
    });
    assert!(lifecycle == before || lifecycle == after, "{at}: {lifecycle:?}");
    assert!(
        answer.code != 0 || lifecycle == after,
        "{at}: it was acknowledged, and it is {lifecycle}\n{}",
        answer.stderr
    );
    assert_eq!(recorded(stage, case, workspace), usize::from(lifecycle == after), "{at}: deeds in the ledger");
    let refs = world.refs("packages");
    let has = |name: &str| refs.lines().any(|line| line.starts_with(&format!("{name} ")));
    let published = matches!(lifecycle.as_str(), "Published" | "DeletionProposed");
    assert_eq!(has(&format!("refs/heads/drafts/{P}/{workspace}")), lifecycle == "Draft", "{at}: {refs}");
    assert_eq!(has(&format!("refs/heads/proposed/{P}/{workspace}")), lifecycle == "Proposed", "{at}: {refs}");
    assert!(!refs.contains("refs/approve/") && !refs.contains("refs/reject/"), "{at}: {refs}");
    if published {
        let segment = stage.segment();
        let marked = has(&format!("refs/heads/deletionProposed/{P}/{segment}"));
        assert_eq!(marked, lifecycle == "DeletionProposed", "{at}: {refs}");
    }
    if case.deed.starts_with("drop-") {
        let kept = kept(world).iter().any(|line| line.contains(&format!(" {workspace}: ")));
        assert_eq!(kept, lifecycle.is_empty(), "{at}: what was dropped is kept, and nothing else");
    }
    let locks = locks_below(&world.bare("packages"));
    assert!(locks.is_empty(), "{at}: {locks:?}");
    // The package is not held by anything: the next change goes through.
    stage.draft(&format!("x{workspace}"));
    stage.push(&format!(":refs/heads/drafts/{P}/x{workspace}")).ok();
}

/// The lines of `stoop restore --list`.
pub(crate) fn kept(world: &World) -> Vec<String> {
    let root = world.root();
    let listed = world.stoop(&["restore", "packages", "--list", "--root", root.to_str().expect("text")]).ok();
    listed.stdout.lines().map(str::to_owned).collect()
}

pub(crate) fn locks_below(directory: &Path) -> Vec<String> {
    let mut locks = Vec::new();
    for entry in fs::read_dir(directory).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            locks.extend(locks_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "lock") {
            locks.push(path.display().to_string());
        }
    }
    locks
}

pub(crate) const SAVE_BY_PUSH: Case = Case {
    name: "save by push",
    before: |stage, workspace| stage.write(workspace),
    change: |stage, workspace| stage.push(&format!("HEAD:refs/heads/drafts/{P}/{workspace}")),
    states: ("", "Draft"),
    deed: "save",
};

pub(crate) const PROPOSE_BY_PUSH: Case = Case {
    name: "propose by push",
    before: Stage::draft,
    change: |stage, workspace| stage.push(&format!("HEAD:refs/heads/proposed/{P}/{workspace}")),
    states: ("Draft", "Proposed"),
    deed: "propose",
};

pub(crate) const APPROVE_BY_PUSH: Case = Case {
    name: "approve by push",
    before: Stage::propose,
    change: |stage, workspace| stage.push(&format!("HEAD:refs/approve/{P}/{workspace}")),
    states: ("Proposed", "Published"),
    deed: "approve",
};

pub(crate) const PROPOSE_BY_API: Case = Case {
    name: "propose by API",
    before: Stage::draft,
    change: |stage, workspace| stage.kubectl("Proposed", workspace),
    states: ("Draft", "Proposed"),
    deed: "propose",
};

pub(crate) const APPROVE_BY_API: Case = Case {
    name: "approve by API",
    before: Stage::propose,
    change: |stage, workspace| stage.kubectl("Published", workspace),
    states: ("Proposed", "Published"),
    deed: "approve",
};

pub(crate) const REJECT_BY_API: Case = Case {
    name: "reject by API",
    before: Stage::propose,
    change: |stage, workspace| stage.kubectl("Draft", workspace),
    states: ("Proposed", "Draft"),
    deed: "reject",
};

pub(crate) const DELETE_BY_PUSH: Case = Case {
    name: "delete by push",
    before: |stage, workspace| {
        stage.publish(workspace);
        let segment = stage.segment();
        stage.git(&["fetch", "-q", "--tags", "--force", "origin"]).ok();
        stage.push(&format!("refs/tags/{P}/{segment}:refs/heads/deletionProposed/{P}/{segment}")).ok();
    },
    change: |stage, _| stage.push(&format!(":refs/tags/{P}/{}", stage.segment())),
    states: ("DeletionProposed", ""),
    deed: "delete",
};

pub(crate) const DROP_BY_PUSH: Case = Case {
    name: "drop a draft by push",
    before: Stage::draft,
    change: |stage, workspace| stage.push(&format!(":refs/heads/drafts/{P}/{workspace}")),
    states: ("Draft", ""),
    deed: "drop-draft",
};

pub(crate) const REJECT_BY_PUSH: Case = Case {
    name: "reject by push",
    before: Stage::propose,
    change: |stage, workspace| stage.push(&format!("HEAD:refs/reject/{P}/{workspace}")),
    states: ("Proposed", "Draft"),
    deed: "reject",
};

pub(crate) const PROPOSE_DELETION_BY_API: Case = Case {
    name: "propose a deletion by API",
    before: Stage::publish,
    change: |stage, workspace| stage.kubectl("DeletionProposed", workspace),
    states: ("Published", "DeletionProposed"),
    deed: "propose-deletion",
};

pub(crate) const DELETE_BY_API: Case = Case {
    name: "delete by API",
    before: |stage, workspace| (DELETE_BY_PUSH.before)(stage, workspace),
    change: |stage, workspace| stage.world.kubectl("amy", &["delete", "packagerevision", &object(workspace)]),
    states: ("DeletionProposed", ""),
    deed: "delete",
};

pub(crate) const DROP_BY_API: Case = Case {
    name: "drop a proposal by API",
    before: Stage::propose,
    change: |stage, workspace| stage.world.kubectl("amy", &["delete", "packagerevision", &object(workspace)]),
    states: ("Proposed", ""),
    deed: "drop-proposal",
};
