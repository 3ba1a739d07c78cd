//! Decides one change: the table, the right, then the rules of its action. The same for both doors, read only.
//!
//! Never here: moving refs, leases, and what several changes of one push mean together.

use super::collect::collect;
use super::explain;
use super::terms::Terms;
use crate::domain::change::Change;
use crate::domain::evidence::{Evidence, Limits, Stage, judge, warnings};
use crate::domain::integrity::{Finding, Subject};
use crate::domain::ledger::{Deed, Entry, Via};
use crate::domain::lifecycle::{Action, Lifecycle, State, step};
use crate::domain::names::{PackagePath, Workspace};
use crate::domain::oid::ObjectId;
use crate::domain::package::PackageRevision;
use crate::domain::policy::judge::{Ruling, holds_right, judge as judge_policy};
use crate::domain::policy::question::Question;
use crate::domain::policy::{Actor, Right, Scope};
use crate::domain::readiness::Readiness;
use crate::domain::refs::{RefName, RevisionNumber};
use crate::domain::refusal::{Code, Refusal};
use crate::git::{GitError, Reader, name_conflict};
use crate::index::assemble::of_package;
use crate::index::clock;
use crate::index::guarded::{Guarded, View};
use crate::krm::kptfile::{Condition, Kptfile};

/// A change that may happen.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The change, with the commit it is bound to.
    pub change: Change,
    /// The commit it is bound to.
    pub commit: ObjectId,
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// For an approval, the number it gives; for a deletion, the number that was published.
    pub number: Option<RevisionNumber>,
    /// The package's tree in the commit, where the action is about content.
    pub tree: Option<ObjectId>,
    /// What the policy says of it.
    pub ruling: Ruling,
    /// What to tell although it is allowed.
    pub warnings: Vec<String>,
    /// Whether the package has a pipeline, which cannot run yet.
    pub pipeline: bool,
    /// How its readiness gates stand.
    pub readiness: Readiness,
    /// What its content is to be compared with, where the action is about content.
    pub against: Option<Against>,
    /// The published revision's tag segment (`v<N>`), or the branch for a placeholder; for actions on published revisions.
    pub segment: Option<String>,
    /// The ref the object stood on.
    pub ref_name: Option<RefName>,
}

/// What a package's content is compared with when its changes are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Against {
    /// The latest published revision: its tag's last segment, and the package's tree.
    Revision(String, ObjectId),
    /// Nothing is published: what the branch held where the draft began, if it held anything.
    Branch(Option<ObjectId>),
}

impl Decision {
    /// The deed that it becomes, done now.
    pub fn deed(&self, actor: &Actor) -> Deed {
        let deed = Deed::new(actor.name.clone(), clock::now(), self.commit, self.change.via);
        Deed { broken: self.ruling.broken.clone(), ..deed }
    }

    /// The decision, if it does the whole of what was asked: for doors that cannot keep one approval of several.
    ///
    /// # Errors
    /// It is an approval that others must join.
    pub fn whole(self) -> Result<Self, Refusal> {
        let Some(tally) = &self.ruling.tally else { return Ok(self) };
        let (package, workspace) = (&self.change.package, &self.change.workspace);
        let title = explain::title(package, workspace);
        let reason = format!("{title} needs {} approvals, and this would be approval {}", tally.needed, tally.have());
        let refusal = Refusal::new(Code::ApprovalsMissing, reason);
        if self.change.action == Action::Publish {
            return Err(refusal.next("propose it, and have each of them approve the proposal"));
        }
        let approve = explain::approve_command(package, workspace, &self.commit.short());
        Err(refusal.next(format!("have each be counted: {approve}")))
    }
}

/// What a decision looks at.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The repository.
    pub guarded: &'a Guarded,
    /// Its state.
    pub view: &'a View,
    /// Git; of a push it also sees the pushed objects.
    pub reader: &'a Reader,
    /// The limits on content.
    pub limits: &'a Limits,
    /// The policy in force, the moment, and what else comes with the request.
    pub terms: &'a Terms,
}

/// Turns a failure of Git into a refusal: nothing was changed, and the log has the whole of it.
pub fn failed(error: &GitError) -> Refusal {
    tracing::error!(%error, "a change was refused because the repository cannot be read");
    Refusal::new(Code::Failed, format!("the repository cannot be read: {error}"))
        .next("nothing was changed; try again, and tell the administrator of this Git server if it stays")
}

/// What was pushed is beyond a limit of looking at it, which is nobody's failure but the pusher's; else [`failed`].
fn unjudged(package: &PackagePath, error: &GitError) -> Refusal {
    match error {
        GitError::TooMany { .. } | GitError::TooLarge { .. } => {
            Refusal::new(Code::BadContent, format!("what was pushed for {package} cannot be looked at: {error}"))
                .next("push less of it at once, or make the package smaller")
        }
        other => failed(other),
    }
}

/// Decides.
pub fn decide(scene: Scene<'_>, actor: &Actor, change: &Change) -> Result<Decision, Refusal> {
    let id = (change.package.clone(), change.workspace.clone());
    let object = scene.view.objects.get(&id).map(AsRef::as_ref);
    let state = object.map_or(State::Absent, |object| State::Present(object.lifecycle));
    let there = object.map(|object| object.commit);
    let step = step(state, change.action).map_err(|code| explain::illegal_step(change, state, code, there))?;
    let entry = scene.view.ledger.get(&change.package, &change.workspace);
    let none_yet = Entry::new(change.package.clone(), change.workspace.clone());
    let question = question(scene, actor, change, step.right, entry.unwrap_or(&none_yet));
    if !holds_right(&question) {
        return Err(explain::no_right(change, &actor.name, step.right));
    }
    let commit = bound_commit(scene, change, object)?;
    // Everything was settled before: this one could not be, and another intent would take its place.
    let under_way = entry.and_then(|entry| entry.intent.as_ref());
    if let Some(intent) = under_way.filter(|intent| (intent.action, intent.deed.commit) != (change.action, commit)) {
        return Err(explain::unfinished(change, intent));
    }
    if let Some(finding) = object.and_then(|object| forbids(object, change.action)) {
        return Err(explain::tampered(change, finding, commit));
    }
    let mut decision = Decision {
        change: Change { commit: Some(commit), ..change.clone() },
        commit,
        from: state,
        to: step.to,
        number: None,
        ruling: Ruling::default(),
        tree: object.map(|object| object.tree),
        warnings: Vec::new(),
        pipeline: false,
        readiness: Readiness::default(),
        against: None,
        segment: object.filter(|object| object.lifecycle.is_published()).map(segment),
        ref_name: object.map(|object| object.ref_name.clone()),
    };
    let mut conditions = Vec::new();
    match change.action {
        Action::Save => conditions = content(scene, change, commit, Stage::Save, &mut decision)?,
        Action::Propose => {
            descends_from_draft(scene, change, object, commit)?;
            conditions = content(scene, change, commit, Stage::Propose, &mut decision)?;
        }
        Action::Approve => {
            conditions = content(scene, change, commit, Stage::Approve, &mut decision)?;
            decision.number = Some(next_number(scene.view, &change.package)?);
        }
        Action::Publish => {
            conditions = content(scene, change, commit, Stage::Publish, &mut decision)?;
            decision.number = Some(next_number(scene.view, &change.package)?);
        }
        Action::ProposeDeletion | Action::Delete => {
            if let Some(object) = object {
                if change.action == Action::Delete {
                    decision.number = Some(object.revision).filter(|number| number.is_published());
                }
                unreferenced(scene, object)?;
                marker_possible(scene, object, change.action)?;
            }
        }
        Action::DropDraft | Action::DropProposal | Action::Reject | Action::RefuseDeletion => {}
    }
    decision.ruling = judge_policy(&Question { commit: Some(commit), conditions: Some(&conditions), ..question })?;
    if decision.ruling.tally.is_some() {
        (decision.to, decision.number) = (state, None);
    }
    Ok(decision)
}

/// The finding that keeps a proposal, or the proposal of a deletion, from being approved: nobody made it as it is.
fn forbids(object: &PackageRevision, action: Action) -> Option<&Finding> {
    let subject = match action {
        Action::Approve => Subject::Proposal,
        Action::Delete => Subject::Marker,
        _ => return None,
    };
    object.findings.iter().find(|finding| finding.subject == subject)
}

/// The change as the policy is asked about it, content not looked at yet.
fn question<'a>(
    scene: Scene<'a>,
    actor: &'a Actor,
    change: &'a Change,
    right: Right,
    history: &'a Entry,
) -> Question<'a> {
    let (key, terms) = (scene.guarded.key_of(&change.package), scene.terms);
    Question {
        policy: &terms.policy,
        scope: Scope { namespace: &key.namespace, repository: &key.name, package: &change.package },
        workspace: &change.workspace,
        action: change.action,
        right,
        user: &actor.name,
        everywhere: &actor.roles,
        via: change.via,
        commit: None,
        now: terms.now,
        history: Some(history),
        conditions: None,
        break_glass: terms.break_glass.as_ref(),
        certificate: terms.certificate.as_ref(),
    }
}

/// Whether a push may move the registered branch although it approves and publishes nothing: where it makes the branch, and
/// where the repository's setting lets it change `packages`. The policy may give the right, or reserve it, package by package.
pub fn pass_branch(
    scene: Scene<'_>,
    actor: &Actor,
    packages: &[PackagePath],
    workspace: &Workspace,
) -> Result<(), Refusal> {
    let right = Right::Author;
    let branch = scene.guarded.key().registration.branch_name();
    let no_right = || {
        let reason = format!("{} may not push to {branch}: this needs {}", actor.name, right.holder());
        Refusal::new(Code::NotAllowed, reason).next("ask someone who holds it, or the administrator of this Git server")
    };
    if packages.is_empty() {
        return if actor.holds(right, None) { Ok(()) } else { Err(no_right()) };
    }
    for package in packages {
        let change = Change {
            package: package.clone(),
            workspace: workspace.clone(),
            action: Action::Save,
            commit: None,
            via: Via::Push,
        };
        let history = Entry::new(package.clone(), workspace.clone());
        let question = question(scene, actor, &change, right, &history);
        if !holds_right(&question) {
            return Err(no_right());
        }
        judge_policy(&question)?;
    }
    Ok(())
}

/// The commit the change is bound to: the one it names, which for anything but new content must be the one there is.
fn bound_commit(scene: Scene<'_>, change: &Change, object: Option<&PackageRevision>) -> Result<ObjectId, Refusal> {
    let there = object.map(|object| object.commit);
    match (change.action, change.commit, there) {
        (Action::Save | Action::Publish, Some(commit), _) => Ok(commit),
        (Action::Propose, commit, there) => commit.or(there).ok_or_else(|| nothing_named(change)),
        (_, Some(commit), Some(there)) if commit != there => {
            let lifecycle = object.map_or(Lifecycle::Draft, |object| object.lifecycle);
            // An annotated tag names its commit by another object; both are the same content.
            match scene.reader.peel_to_commit(commit) {
                Ok(Some(peeled)) if peeled == there => Ok(there),
                _ => Err(explain::stale(change, &there.short(), lifecycle)),
            }
        }
        (_, _, Some(there)) => Ok(there),
        (_, _, None) => Err(nothing_named(change)),
    }
}

fn nothing_named(change: &Change) -> Refusal {
    let title = explain::title(&change.package, &change.workspace);
    Refusal::new(Code::BadRequest, format!("no commit is named for {title}"))
}

/// The last segment of a published revision's tag, or the branch for a placeholder.
pub fn segment(object: &PackageRevision) -> String {
    if object.is_placeholder() {
        return object.workspace.to_string();
    }
    object.ref_name.as_str().rsplit('/').next().unwrap_or_default().to_owned()
}

/// The rules on content. Gives the conditions that the Kptfile holds.
fn content(
    scene: Scene<'_>,
    change: &Change,
    commit: ObjectId,
    stage: Stage,
    decision: &mut Decision,
) -> Result<Vec<Condition>, Refusal> {
    let registration = &scene.guarded.key().registration;
    if stage != Stage::Approve {
        let new_name = registration.directory.check_new(&change.package).and_then(|()| change.workspace.check_new());
        new_name.map_err(|error| Refusal::new(Code::BadName, error.to_string()).next("choose another name"))?;
        if registration.placeholder_workspace().as_ref() == Some(&change.workspace) {
            let branch = registration.branch_name();
            return Err(Refusal::new(
                Code::BadName,
                format!("workspace {} stands for the registered branch {branch}", change.workspace),
            )
            .next("choose another workspace name"));
        }
    }
    if scene.view.head.is_none() && stage != Stage::Publish {
        return Err(Refusal::new(
            Code::RefConflict,
            format!("the registered branch {} does not exist yet", registration.branch_name()),
        )
        .next(format!(
            "begin it with an empty commit: git push origin $(git commit-tree -m begin $(git mktree </dev/null)):{}",
            registration.branch
        )));
    }
    let names = (&change.package, &change.workspace);
    let evidence = collect(scene.reader, scene.view, registration, names, commit, scene.limits);
    let evidence = evidence.map_err(|error| unjudged(&change.package, &error))?;
    judge(&evidence, stage, scene.limits)?;
    decision.tree = evidence.tree;
    decision.warnings = warnings(&evidence);
    decision.against = Some(against(scene.view, &evidence));
    let Some(kptfile) = kptfile(&evidence) else { return Ok(Vec::new()) };
    decision.pipeline = kptfile.has_pipeline;
    decision.readiness = Readiness::of(kptfile);
    if stage != Stage::Save {
        gates(change, &decision.readiness)?;
    }
    Ok(kptfile.conditions.clone())
}

fn against(view: &View, evidence: &Evidence) -> Against {
    match of_package(&view.objects, &evidence.package).find(|(_, object)| object.latest) {
        Some((_, latest)) => Against::Revision(segment(latest), latest.tree),
        None => Against::Branch(evidence.base_tree),
    }
}

fn kptfile(evidence: &Evidence) -> Option<&Kptfile> {
    evidence.kptfile.as_ref()?.as_ref().ok().map(|reading| &reading.kptfile)
}

/// Every readiness gate needs a condition with status True. Porch leaves this to its client.
fn gates(change: &Change, readiness: &Readiness) -> Result<(), Refusal> {
    if readiness.met == readiness.gates {
        return Ok(());
    }
    let title = explain::title(&change.package, &change.workspace);
    Err(Refusal::new(Code::NotReady, format!("{title} does not meet its readiness gates: {}", readiness.missing())).next(
        "set these conditions to \"True\" under status.conditions in the Kptfile, or remove the gates, and push again",
    ))
}

fn descends_from_draft(
    scene: Scene<'_>,
    change: &Change,
    object: Option<&PackageRevision>,
    commit: ObjectId,
) -> Result<(), Refusal> {
    let Some(draft) = object else { return Ok(()) };
    if scene.reader.is_ancestor(draft.commit, commit).map_err(|error| failed(&error))? {
        return Ok(());
    }
    let title = explain::title(&change.package, &change.workspace);
    Err(Refusal::new(
        Code::Stale,
        format!("the draft {title} is at {}, which {} does not hold", draft.commit.short(), commit.short()),
    )
    .next(format!("propose the draft's commit or one made on top of it: git fetch origin {}", draft.ref_name)))
}

/// N = 1 + the highest number ever published, by the refs and by the ledger.
pub fn next_number(view: &View, package: &PackagePath) -> Result<RevisionNumber, Refusal> {
    let in_refs = of_package(&view.objects, package).map(|(_, object)| object.revision);
    let highest = in_refs.chain(view.ledger.highest_revision(package)).filter(|number| number.is_published()).max();
    let next = highest.unwrap_or(RevisionNumber::UNPUBLISHED).0.checked_add(1);
    let number = next
        .map(RevisionNumber)
        .ok_or_else(|| Refusal::new(Code::RefConflict, format!("{package} has used up all revision numbers")))?;
    let tag = RefName::tag(package, &number.segment());
    if view.snapshot.get(&tag).is_some() {
        let name = tag.shortened();
        return Err(Refusal::new(
            Code::RefConflict,
            format!("the tag {name} that this approval would make exists, and shows no package {package}"),
        )
        .next(format!("look at what it is for, delete it (git push origin :{tag}), and approve again")));
    }
    match name_conflict(&view.snapshot, &tag) {
        None => Ok(number),
        Some(existing) => Err(Refusal::new(
            Code::RefConflict,
            format!("the tag {} cannot be made beside {existing}", tag.shortened()),
        )
        .next(format!("delete or rename {}", existing.shortened()))),
    }
}

/// A revision that another one was made from stays (Porch refuses the same).
fn unreferenced(scene: Scene<'_>, object: &PackageRevision) -> Result<(), Refusal> {
    let namespace = object.repository.namespace.as_str();
    let all = scene.guarded.shared().catalog.revisions(Some(namespace));
    let names = |task: &serde_json::Value| {
        ["/clone/upstreamRef/upstreamRef/name", "/upgrade/newUpstreamRef/name"]
            .iter()
            .any(|path| task.pointer(path).and_then(serde_json::Value::as_str) == Some(object.name.as_str()))
    };
    match all.items.iter().find(|other| !other.is_placeholder() && other.tasks.iter().any(names)) {
        None => Ok(()),
        Some(other) => Err(Refusal::new(
            Code::Referenced,
            format!("cannot delete package revision {}, it is referenced as upstream by: {}", object.name, other.name),
        )
        .next("delete or upgrade that one first")),
    }
}

fn marker_possible(scene: Scene<'_>, object: &PackageRevision, action: Action) -> Result<(), Refusal> {
    if action != Action::ProposeDeletion {
        return Ok(());
    }
    let marker = RefName::deletion_proposed(&object.package, &segment(object));
    match name_conflict(&scene.view.snapshot, &marker) {
        None => Ok(()),
        Some(existing) => Err(Refusal::new(
            Code::RefConflict,
            format!("the marker {} cannot be made beside {}", marker.shortened(), existing.shortened()),
        )
        .next(format!("delete or rename {}", existing.shortened()))),
    }
}
