//! Refusals that must leave everything alone: the refs and the objects before and after are the same.
//!
//! Never here: what is pushed, and why it is refused.

use crate::support::{Answer, World, eventually};

/// A repository as it was.
pub(crate) struct Untouched<'w> {
    world: &'w World,
    repository: &'w str,
    before: (String, String),
}

impl<'w> Untouched<'w> {
    /// Remembers a repository's refs and objects.
    pub(crate) fn now(world: &'w World, repository: &'w str) -> Self {
        Self { world, repository, before: state(world, repository) }
    }

    /// The repository must be as it was.
    #[track_caller]
    pub(crate) fn check(&self) {
        assert_eq!(state(self.world, self.repository), self.before, "a refusal changed the repository");
    }
}

fn state(world: &World, repository: &str) -> (String, String) {
    eventually("what was done before is written down", || {
        let left = world.on_disk(repository, &["grep", "-l", "\"intent\"", "refs/stoop/ledger"]);
        left.stdout.is_empty().then_some(())
    });
    let objects = world.on_disk(repository, &["count-objects", "-v"]).ok().stdout;
    (world.refs(repository), objects)
}

/// Pushes what must be refused with a code and a text, and leave `packages` untouched.
#[track_caller]
pub(crate) fn refused(world: &World, code: &str, text: &str, push: impl FnOnce() -> Answer) -> Answer {
    let untouched = Untouched::now(world, "packages");
    let answer = push();
    let answer = answer.refused(&format!("[{code}]")).refused(text);
    untouched.check();
    answer
}
