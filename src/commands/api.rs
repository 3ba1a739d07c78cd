//! The API door's side of the commands: updates and removals of one package revision, and its files.
//!
//! Every write is decided under the repository's writer lock against its state of that moment, as a push is.
//! Never here: HTTP and the shape of objects.

use std::sync::Arc;

use super::decide::{Decision, Scene, decide, failed};
use super::explain;
use super::push::ruled_reply;
use super::record::{Draft, append, person};
use super::repositories::Repositories;
use super::repository::ManagedRepository;
use super::request::{PackageFile, Packages, Precondition, Removal, Update, Written};
use super::ruled;
use super::settle::{settle_locked, settle_logged};
use super::terms::Terms;
use super::transition::{self, Also};
use crate::domain::change::Change;
use crate::domain::evidence::Limits;
use crate::domain::ledger::Via;
use crate::domain::lifecycle::{Lifecycle, State, action_between, removal};
use crate::domain::package::{Metadata, PackageRevision};
use crate::domain::policy::break_glass::Reason;
use crate::domain::policy::{Actor, Right, Scope};
use crate::domain::refusal::{Code, Refusal};
use crate::git::{Mode, Reader};
use crate::index::assemble::RevisionId;
use crate::index::guarded::{View, Writer};
use crate::telemetry::Door;

/// A file of more bytes than this is not served through the API.
const LARGEST_FILE: u64 = 64 << 20;

/// The commands as the API sees them.
#[derive(Debug, Clone)]
pub struct PackageCommands {
    repositories: Arc<Repositories>,
    limits: Limits,
}

/// What a write looks at: the repository's state while nobody else may change it.
struct Desk<'r> {
    repository: &'r ManagedRepository,
    writer: Writer<'r>,
    view: View,
    reader: Reader,
    object: Arc<PackageRevision>,
    terms: Terms,
}

impl PackageCommands {
    /// Commands on these repositories.
    pub fn new(repositories: Arc<Repositories>, limits: Limits) -> Self {
        Self { repositories, limits }
    }

    /// Runs a blocking job with the repository that holds an object of this name now.
    async fn at<T: Send + 'static>(
        &self,
        namespace: String,
        name: String,
        job: impl FnOnce(&ManagedRepository, &str) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let repositories = self.repositories.clone();
        let run = move || {
            let repository = repositories.of_object(&namespace, &name).ok_or_else(|| not_found(&name))?;
            job(&repository, &name)
        };
        match tokio::task::spawn_blocking(run).await {
            Ok(result) => result,
            Err(error) => {
                tracing::error!(%error, "a command ended without an answer");
                Err(Refusal::new(Code::Failed, "the request failed inside Stoop")
                    .next("its log says more; look at the object before you try again"))
            }
        }
    }

    /// Has the deeds of a write recorded, which its client need not wait for.
    fn settle_after(&self, namespace: &str, name: &str) {
        if let Some(repository) = self.repositories.of_object(namespace, name) {
            tokio::task::spawn_blocking(move || settle_logged(&repository));
        }
    }
}

fn not_found(name: &str) -> Refusal {
    Refusal::new(Code::NotFound, format!("package revision {name:?} not found"))
}

fn desk<'r>(
    repository: &'r ManagedRepository,
    (namespace, name): (&str, &str),
    precondition: &Precondition,
    break_glass: Option<Reason>,
) -> Result<Desk<'r>, Refusal> {
    let writer = repository.guarded.lock();
    let view = settle_locked(repository, &writer).map_err(|error| failed(&error))?;
    let object = object_named(repository, &view, (namespace, name)).ok_or_else(|| not_found(name))?;
    let changed = || {
        Refusal::new(
            Code::Stale,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    };
    if precondition.resource_version.is_some_and(|version| version != object.resource_version) {
        return Err(changed());
    }
    if precondition.uid.as_ref().is_some_and(|uid| *uid != object.uid()) {
        return Err(Refusal::new(
            Code::Stale,
            format!("the UID in the precondition does not match the UID {}", object.uid()),
        ));
    }
    if repository.leases().holds(&object.package, None) {
        repository.metrics.lease_wait(Door::Api);
        let place = format!("{}/{}", object.repository.namespace, object.name);
        return Err(Refusal::new(
            Code::Busy,
            format!("another request is already in progress on package revision \"{place}\""),
        )
        .next("try again in a moment"));
    }
    let reader = repository.guarded.store().reader();
    let terms = repository.terms(break_glass, None);
    Ok(Desk { repository, writer, view, reader, object, terms })
}

/// The object of this name as the view has it. The catalog knows which package revision the name stands for.
fn object_named(
    repository: &ManagedRepository,
    view: &View,
    (namespace, name): (&str, &str),
) -> Option<Arc<PackageRevision>> {
    let shown = repository.guarded.shared().catalog.revision(namespace, name)?;
    view.objects.get(&(shown.package.clone(), shown.workspace.clone())).cloned()
}

impl Desk<'_> {
    fn decide(&self, actor: &Actor, change: &Change, limits: &Limits) -> Result<Decision, Refusal> {
        let (guarded, view, reader) = (&self.repository.guarded, &self.view, &self.reader);
        let scene = Scene { guarded, view, reader, limits, terms: &self.terms };
        decide(scene, actor, change)
    }

    /// Whether the user holds a right on the object that no step of the lifecycle asks for.
    fn holds(&self, actor: &Actor, right: Right) -> bool {
        let package = &self.object.package;
        let key = self.repository.guarded.key_of(package);
        let scope = Scope { namespace: &key.namespace, repository: &key.name, package };
        let roles = self.terms.policy.roles(&scope, &actor.name, &actor.roles);
        Actor { name: actor.name.clone(), roles }.holds(right, None)
    }

    fn change(&self, action: crate::domain::lifecycle::Action, precondition: &Precondition) -> Change {
        let bound = precondition.resource_version.is_some();
        Change {
            package: self.object.package.clone(),
            workspace: self.object.workspace.clone(),
            action,
            commit: None,
            via: if bound { Via::Api } else { Via::ApiUnbound },
        }
    }

    /// Carries out a decision, and writes metadata in the same transaction. Gives the object after it; `None` when it is gone,
    /// or when it was done and the repository cannot be read just then.
    fn carry_out(
        &self,
        actor: &Actor,
        decision: &Decision,
        metadata: Option<Metadata>,
    ) -> Result<Option<Arc<PackageRevision>>, Refusal> {
        let decided = [(decision.clone(), decision.deed(actor))];
        let mut also = Also::default();
        if let Some(metadata) = metadata {
            also.ledger.entry(&self.view, &self.object.package, &self.object.workspace).metadata = metadata;
        }
        let view = transition::carry_out(self.repository, &self.writer, &self.view, &decided, also)?;
        ruled::tell(self.repository, Door::Api, &decided[0]);
        Ok(view.and_then(|view| view.objects.get(&self.id()).cloned()))
    }

    fn write_metadata(&self, actor: &Actor, metadata: Metadata) -> Result<(), Refusal> {
        let object = &self.object;
        let mut draft = Draft::default();
        draft.entry(&self.view, &object.package, &object.workspace).metadata = metadata;
        let message = format!("annotate {} {} by {}", object.package, object.workspace, actor.name);
        append(&self.repository.guarded, &self.writer, &self.view, draft, &message, person(&actor.name))
            .map_err(transition::not_moved)
    }

    /// The object as it is now; `None` when it is gone or cannot be read.
    fn now(&self) -> Option<Arc<PackageRevision>> {
        self.repository.guarded.refresh().ok()?.objects.get(&self.id()).cloned()
    }

    fn id(&self) -> RevisionId {
        (self.object.package.clone(), self.object.workspace.clone())
    }
}

impl Packages for PackageCommands {
    async fn update(&self, update: Update) -> Result<Written, Refusal> {
        let limits = self.limits;
        let (namespace, name) = (update.namespace.clone(), update.name.clone());
        let place = (namespace.clone(), name.clone());
        let done =
            self.at(namespace, name, move |repository, name| run_update(repository, name, update, &limits)).await;
        self.settle_after(&place.0, &place.1);
        done
    }

    async fn remove(&self, wanted: Removal) -> Result<Written, Refusal> {
        let limits = self.limits;
        let (namespace, name) = (wanted.namespace.clone(), wanted.name.clone());
        let place = (namespace.clone(), name.clone());
        let done =
            self.at(namespace, name, move |repository, name| run_removal(repository, name, &wanted, &limits)).await;
        self.settle_after(&place.0, &place.1);
        done
    }

    async fn files(&self, revision: Arc<PackageRevision>) -> Result<Vec<PackageFile>, Refusal> {
        let place = (revision.repository.namespace.to_string(), revision.name.clone());
        self.at(place.0, place.1, move |repository, _| {
            let reader = repository.guarded.store().reader();
            let mut files = Vec::new();
            for file in reader.files(revision.tree).map_err(|error| failed(&error))? {
                if matches!(file.mode, Mode::Regular | Mode::Executable) {
                    let content = reader.blob(file.id, LARGEST_FILE).map_err(|error| failed(&error))?;
                    files.push(PackageFile { path: file.path, content });
                }
            }
            Ok(files)
        })
        .await
    }

    async fn file_count(&self, revision: Arc<PackageRevision>) -> Result<usize, Refusal> {
        let place = (revision.repository.namespace.to_string(), revision.name.clone());
        self.at(place.0, place.1, move |repository, _| {
            repository.guarded.store().reader().file_count(revision.tree).map_err(|error| failed(&error))
        })
        .await
    }
}

fn run_update(repository: &ManagedRepository, name: &str, update: Update, limits: &Limits) -> Result<Written, Refusal> {
    let desk = desk(repository, (&update.namespace, name), &update.precondition, update.break_glass.clone())?;
    let from = desk.object.lifecycle;
    let action = match update.lifecycle {
        None => None,
        Some(to) => action_between(from, to).map_err(|code| no_such_step(&desk.object, to, code))?,
    };
    if update.break_glass.is_some() && action.is_none() {
        return Err(Refusal::new(
            Code::BadRequest,
            format!("the glass is broken for a change, and {from} is what {name} is"),
        )
        .next("give the reason together with another spec.lifecycle, or not at all"));
    }
    if update.metadata.is_some() && !desk.holds(&update.actor, Right::AuthorOrApprove) {
        return Err(Refusal::new(
            Code::NotAllowed,
            format!("{} may not annotate {name}: this needs {}", update.actor.name, Right::AuthorOrApprove.holder()),
        ));
    }
    let decision = match action {
        Some(action) => Some(desk.decide(&update.actor, &desk.change(action, &update.precondition), limits)?),
        None => None,
    };
    let preview = preview(&desk.object, decision.as_ref(), update.metadata.clone());
    let warnings = decision.as_ref().map(warnings).unwrap_or_default();
    if update.dry_run {
        return Ok(Written { object: preview, warnings });
    }
    let done = match (&decision, update.metadata) {
        (Some(decision), metadata) => desk.carry_out(&update.actor, decision, metadata)?,
        (None, Some(metadata)) => {
            desk.write_metadata(&update.actor, metadata)?;
            desk.now()
        }
        (None, None) => desk.now(),
    };
    // It is done, whatever can be read of it.
    Ok(Written { object: done.unwrap_or(preview), warnings })
}

/// What the reply to a push says in warnings, and that an approval is one of several.
fn warnings(decision: &Decision) -> Vec<String> {
    let counted = ruled_reply::counted(decision).and_then(|lines| lines.into_iter().next());
    decision.warnings.iter().cloned().chain(counted).chain(ruled_reply::warnings(decision)).collect()
}

fn run_removal(
    repository: &ManagedRepository,
    name: &str,
    wanted: &Removal,
    limits: &Limits,
) -> Result<Written, Refusal> {
    let desk = desk(repository, (&wanted.namespace, name), &wanted.precondition, wanted.break_glass.clone())?;
    if desk.object.lifecycle == Lifecycle::Published {
        return Err(Refusal::new(
            Code::Immutable,
            "published PackageRevisions must be proposed for deletion by setting spec.lifecycle to 'DeletionProposed' prior to deletion",
        ));
    }
    if let [first, ..] = desk.object.metadata.finalizers.as_slice() {
        return Err(Refusal::new(Code::Referenced, format!("{name} has the finalizer {first}"))
            .next("remove its finalizers first"));
    }
    let decision =
        desk.decide(&wanted.actor, &desk.change(removal(desk.object.lifecycle), &wanted.precondition), limits)?;
    let warnings = warnings(&decision);
    if !wanted.dry_run {
        desk.carry_out(&wanted.actor, &decision, None)?;
    }
    Ok(Written { object: desk.object, warnings })
}

/// The refusal of a lifecycle that no single step leads to, in Porch's words where it has some.
fn no_such_step(object: &PackageRevision, to: Lifecycle, code: Code) -> Refusal {
    let (title, from) = (explain::title(&object.package, &object.workspace), object.lifecycle);
    match (from, to) {
        (Lifecycle::Draft, Lifecycle::Published) => Refusal::new(
            code,
            format!(
                "cannot approve package with Draft lifecycle value; only Proposed packages can be approved ({title})"
            ),
        )
        .next("propose it first: set spec.lifecycle to Proposed"),
        _ => Refusal::new(code, format!("{title} is {from}, from where no step leads to {to}")),
    }
}

/// What an update would make of the object.
fn preview(object: &PackageRevision, decision: Option<&Decision>, metadata: Option<Metadata>) -> Arc<PackageRevision> {
    let mut preview = object.clone();
    if let Some(decision) = decision {
        if let State::Present(lifecycle) = decision.to {
            preview.lifecycle = lifecycle;
        }
        if let Some(number) = decision.number {
            preview.revision = number;
        }
        preview.tally = decision.ruling.tally.clone().map(Arc::new);
    }
    if let Some(metadata) = metadata {
        preview.metadata = Arc::new(metadata);
    }
    Arc::new(preview)
}
