//! What the refs of a package's workspace show of a transition: as they are, or as a push is about to make them.
//!
//! Never here: what that means for the transition (see `domain::completion`), and moving anything.

use std::collections::HashMap;

use super::push::read::PushedRef;
use crate::domain::completion::{Completion, Seen, complete};
use crate::domain::ledger::{Entry, Intent};
use crate::domain::lifecycle::Action;
use crate::domain::oid::ObjectId;
use crate::domain::refs::RefName;
use crate::git::{GitError, Reader};
use crate::index::guarded::View;

/// The refs of a repository, and over them what a push makes of them.
#[derive(Debug, Clone)]
pub(super) struct Refs<'a> {
    view: &'a View,
    /// By name: a push may have thousands, and each of its transitions asks for several.
    pushed: HashMap<&'a RefName, Option<ObjectId>>,
}

impl<'a> Refs<'a> {
    /// The refs as they are.
    pub(super) fn now(view: &'a View) -> Self {
        Self { view, pushed: HashMap::new() }
    }

    /// The refs once git has moved what is pushed.
    pub(super) fn after(view: &'a View, pushed: &'a [PushedRef]) -> Self {
        Self { view, pushed: pushed.iter().map(|update| (&update.name, update.new)).collect() }
    }

    fn value(&self, name: &RefName) -> Option<ObjectId> {
        match self.pushed.get(name) {
            Some(new) => *new,
            None => self.view.snapshot.get(name).map(|value| value.target),
        }
    }

    /// What they show of an intent. `branch` is the registered one.
    fn see(&self, reader: &Reader, branch: &RefName, entry: &Entry, intent: &Intent) -> Result<Seen, GitError> {
        let (package, workspace) = (&entry.package, &entry.workspace);
        let head = if self.pushed.is_empty() { self.view.head } else { self.value(branch) };
        let branch_has = |commit: Option<ObjectId>| match (commit, head) {
            (Some(commit), Some(head)) => Ok(reader.commit(commit).is_ok() && reader.is_ancestor(commit, head)?),
            _ => Ok::<_, GitError>(false),
        };
        Ok(Seen {
            draft: self.value(&RefName::draft(package, workspace)),
            proposed: self.value(&RefName::proposed(package, workspace)),
            tag: self.tag(entry, intent),
            marker: self.marker(entry, intent),
            branch_has_merge: branch_has(intent.merge)?,
            branch_has_push: branch_has(intent.pushed)?,
        })
    }

    fn tag(&self, entry: &Entry, intent: &Intent) -> Option<ObjectId> {
        let (package, workspace) = (&entry.package, &entry.workspace);
        match (intent.action, intent.revision) {
            (Action::Approve | Action::Publish, Some(number)) => self.value(&RefName::tag(package, &number.segment())),
            (Action::Delete, _) => {
                let object = self.view.objects.get(&(package.clone(), workspace.clone()));
                let object = object.filter(|object| object.lifecycle.is_published())?;
                // The object is shown as it was published, whatever becomes of its tag.
                if object.is_placeholder() { Some(object.commit) } else { self.value(&object.ref_name) }
            }
            _ => None,
        }
    }

    fn marker(&self, entry: &Entry, intent: &Intent) -> Option<(RefName, ObjectId)> {
        let numbers = [intent.revision, entry.highest_revision].into_iter().flatten();
        let segments = numbers.flat_map(|number| [number.segment(), number.to_string()]);
        let mut segments = segments.chain([entry.workspace.to_string()]);
        segments.find_map(|segment| {
            let name = RefName::deletion_proposed(&entry.package, &segment);
            self.value(&name).map(|value| (name, value))
        })
    }

    /// What is left of an intent by what they show.
    pub(super) fn completion(
        &self,
        reader: &Reader,
        branch: &RefName,
        entry: &Entry,
        intent: &Intent,
    ) -> Result<Completion, GitError> {
        let seen = self.see(reader, branch, entry, intent)?;
        Ok(complete(&entry.package, &entry.workspace, intent, &seen))
    }
}
