//! The verdict on a whole push: every update is read and decided; one that may not happen refuses the push, and each ref
//! gets its own reason.
//!
//! Never here: the wire format, and moving refs: git moves those it was told it may.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use super::branch::Ground;
use super::company::{Company, Member, Party};
use super::fit::MOST_LINES;
use super::read::{Meaning, Move, PushedRef, read};
use super::signed::PushedCertificate;
use super::told::{self, Audience, Told};
use super::trunk::tags_are_free;
use super::{reply, signed};
use crate::commands::decide::{Decision, Scene, decide, failed, pass_branch};
use crate::commands::explain;
use crate::commands::keep::keep;
use crate::commands::lease::{Held, LEASE_TIME, Lease, LeaseStage, Purpose, Trunk};
use crate::commands::record::{self, Draft, person};
use crate::commands::repository::ManagedRepository;
use crate::commands::ruled;
use crate::commands::seen::Refs;
use crate::commands::settle::settle_locked;
use crate::commands::transition::{self, Also, Decided};
use crate::commands::verdict_refs::is_verdict_ref;
use crate::domain::announcement;
use crate::domain::change::Change;
use crate::domain::completion::Completion;
use crate::domain::evidence::Limits;
use crate::domain::ledger::{Deed, Intent, Via};
use crate::domain::names::{PackagePath, Workspace};
use crate::domain::policy::break_glass::Reason;
use crate::domain::policy::{Actor, Right};
use crate::domain::refs::RefName;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::trunk;
use crate::git::Reader;
use crate::index::clock;
use crate::index::guarded::View;
use crate::process::ProcessId;
use crate::step::Step;
use crate::telemetry::Door;

/// A push, as its hooks tell of it.
#[derive(Debug, Clone)]
pub struct Push {
    /// The process that all its hooks share, where it is known.
    pub process: Option<ProcessId>,
    /// Who pushes; the refusal says why nobody is known.
    pub actor: Result<Actor, Refusal>,
    /// Whether the option `import` was given.
    pub import: bool,
    /// What the Git server says of the pusher, by the names of its variables, as far as it was asked for.
    pub variables: BTreeMap<String, String>,
    /// The certificate of `git push --signed`.
    pub certificate: Option<PushedCertificate>,
    /// The reason that the option `break-glass` gives.
    pub break_glass: Option<Reason>,
    /// The updates.
    pub updates: Vec<PushedRef>,
}

/// What a push gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether git may move the refs.
    pub accept: bool,
    /// What to tell the pusher of what is done already. Refusals are told by what is said of each ref.
    pub lines: Vec<String>,
    /// The refusal of each ref that has one of its own; for metrics and for `proc-receive`.
    pub refs: Vec<(RefName, Option<Refusal>)>,
}

impl Verdict {
    fn accepted(push: &Push, lines: Vec<String>) -> Self {
        Self { accept: true, lines, refs: push.updates.iter().map(|update| (update.name.clone(), None)).collect() }
    }

    fn all_refused(push: &Push, refusal: &Refusal) -> Self {
        Self::refused(push.updates.iter().map(|update| (update.name.clone(), Some(refusal.clone()))).collect())
    }

    fn refused(refs: Vec<(RefName, Option<Refusal>)>) -> Self {
        Self { accept: false, lines: Vec::new(), refs }
    }
}

/// Where a decided update is completed.
enum Judged {
    Unmanaged,
    Change(Box<Decision>),
    Part(Change),
    Branch(Vec<Decision>, Vec<PackagePath>),
    Import,
}

/// Judges the push that a pre-receive hook tells of. What is accepted is leased to it.
pub fn pre_receive(repository: &ManagedRepository, push: &Push, quarantine: Option<&Path>, limits: &Limits) -> Verdict {
    let proc_receive = repository.proc_receive();
    let by_verdict_ref = |update: &PushedRef| proc_receive && is_verdict_ref(&update.name);
    let only_verdicts = push.updates.iter().all(by_verdict_ref);
    let signed = match signed::examine(repository, push) {
        Ok(signed) => signed,
        Err(refusal) => return Verdict::all_refused(push, &refusal),
    };
    let told: Vec<String> = signed::is_unknown(push).map(reply::signed_for_nothing).into_iter().collect();
    signed::keep(repository, push, signed.as_ref(), false);
    if only_verdicts && quarantine.is_none_or(|_| brings_nothing(repository, push)) {
        return Verdict::accepted(push, told);
    }
    let writer = repository.guarded.lock();
    let opened = settle_locked(repository, &writer).and_then(|view| {
        let store = repository.guarded.store();
        let reader = match quarantine {
            Some(quarantine) => store.quarantined(quarantine)?,
            None => store.reader(),
        };
        Ok((view, reader))
    });
    let (view, reader) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            return Verdict::all_refused(push, &failed(&error));
        }
    };
    if let Some(Err(refusal)) = signed.as_ref().map(|signed| signed.unused(&repository.guarded.store().reader(), &view))
    {
        return Verdict::all_refused(push, &refusal);
    }
    let judged = judge(repository, push, signed.as_ref(), &view, &reader, limits);
    if judged.iter().any(Result::is_err) {
        let refs = push.updates.iter().zip(judged).map(|(update, judged)| (update.name.clone(), judged.err()));
        return Verdict::refused(refs.collect());
    }
    let judged: Vec<Judged> = judged.into_iter().flatten().collect();
    if judged.iter().all(|judged| matches!(judged, Judged::Unmanaged)) {
        return Verdict::accepted(push, told);
    }
    let Ok(actor) = &push.actor else { return Verdict::accepted(push, told) };
    let certificate = signed.as_ref().map(|signed| signed.certificate.clone());

    Step::Decided.reached(None);
    let mut intents = Draft::default();
    intents.keep(signed.iter().flat_map(signed::Signed::files));
    let mut leases = Vec::new();
    let mut announced = Vec::new();
    let mut notes = Vec::new();
    let branch = &repository.guarded.key().registration.branch;
    let after = Refs::after(&view, &push.updates);
    // One time for all: the changes of one push are known by it (see `verdict_refs`).
    let at = clock::now();
    for (update, judged) in push.updates.iter().zip(judged) {
        if by_verdict_ref(update) {
            if let Some(process) = push.process.filter(|_| !only_verdicts) {
                repository.leases().note_mixed(process);
            }
            continue;
        }
        let commit = update.new.or(update.old);
        let deed = commit.map(|commit| Deed {
            certificate: certificate.clone(),
            ..Deed::new(actor.name.clone(), at, commit, Via::Push)
        });
        let purpose = match (judged, deed) {
            (Judged::Change(decision), Some(_)) => {
                let deed = Deed { at, certificate: certificate.clone(), ..decision.deed(actor) };
                let entry = intents.entry(&view, &decision.change.package, &decision.change.workspace);
                let mut intent = transition::intent(&decision, &deed, None);
                intent.variables = push.variables.clone();
                // What this leaves out, the settlement names before it moves it.
                let left = after.completion(&reader, branch, entry, &intent);
                if let Ok(Completion::Finish(left)) = left {
                    announcement::name(&mut intent.moves, &left);
                }
                entry.intent = Some(intent);
                let decided = (*decision.clone(), deed.clone());
                ruled::tell(repository, Door::Git, &decided);
                announced.push(decided);
                Purpose::Change(decision, deed)
            }
            (Judged::Part(change), _) => Purpose::Part(change.package),
            (Judged::Branch(decisions, passed), Some(deed)) => {
                let mut decided = Vec::with_capacity(decisions.len());
                for decision in decisions {
                    let own = Deed { at, certificate: certificate.clone(), ..decision.deed(actor) };
                    let entry = intents.entry(&view, &decision.change.package, &decision.change.workspace);
                    let intent = transition::intent(&decision, &own, None);
                    let variables = push.variables.clone();
                    entry.intent = Some(Intent { pushed: update.new, variables, ..intent });
                    let one = (decision, own);
                    ruled::tell(repository, Door::Git, &one);
                    decided.push(one);
                }
                announced.extend(decided.iter().cloned());
                let trunk = Trunk { decided, passed, deed };
                if let Some(note) = trunk.note(&update.name) {
                    notes.push(note);
                    intents.tell();
                }
                Purpose::Trunk(Box::new(trunk))
            }
            (Judged::Import, Some(deed)) => {
                notes.push(format!("import {} at {} by {}", update.name, deed.commit, deed.by));
                intents.tell();
                Purpose::Import(update.name.clone(), deed)
            }
            _ => continue,
        };
        leases.push(Lease {
            process: push.process,
            until: Instant::now() + LEASE_TIME,
            name: update.name.clone(),
            new: update.new,
            purpose,
            stage: LeaseStage::Waiting,
        });
    }
    // Before git takes the ref away: nothing that is dropped is ever without one.
    match keep(&repository.guarded.store().reader(), &view, &announced) {
        Ok(edit) => edit.into_iter().for_each(|edit| intents.move_with_it(edit)),
        Err(error) => {
            let refusal = failed(&error);
            return Verdict::refused(
                push.updates.iter().map(|update| (update.name.clone(), Some(refusal.clone()))).collect(),
            );
        }
    }
    let begun = (!announced.is_empty()).then(|| transition::message(&announced));
    let message = format!("Begin: {}", begun.into_iter().chain(notes).collect::<Vec<_>>().join("\n\n"));
    let recorded = !intents.is_empty();
    if let Err(error) = record::append(&repository.guarded, &writer, &view, intents, &message, person(&actor.name)) {
        return Verdict::all_refused(push, &transition::not_moved(error));
    }
    signed::keep(repository, push, signed.as_ref(), recorded);
    if let Some(process) = push.process {
        let moved = leases.iter().map(|lease| (&lease.name, lease.new.is_none()));
        repository.guarded.store().plan_push_locks(process, moved);
    }
    repository.leases().add(leases);
    Step::Leased.reached(None);
    Verdict::accepted(push, told)
}

/// Decides and carries out what a proc-receive hook tells of: approvals and rejections, all or none.
pub fn proc_receive(
    repository: &ManagedRepository,
    push: &Push,
    atomic: bool,
    limits: &Limits,
    audience: &Audience,
) -> Verdict {
    let all = |refusal: &Refusal| Verdict::all_refused(push, refusal);
    if atomic && repository.leases().is_mixed(push.process) {
        return all(&Refusal::new(Code::Mixed, "an atomic push cannot both decide and change other refs")
            .next("push the refs under refs/approve and refs/reject by themselves"));
    }
    let writer = repository.guarded.lock();
    let opened = settle_locked(repository, &writer);
    let view = match opened {
        Ok(view) => view,
        Err(error) => return all(&failed(&error)),
    };
    let reader = repository.guarded.store().reader();
    let signed = signed::kept(repository, push);
    if let Some(Err(refusal)) = signed.as_ref().map(|signed| signed.unused(&reader, &view)) {
        return all(&refusal);
    }
    let judged = judge(repository, push, signed.as_ref(), &view, &reader, limits);
    if judged.iter().any(Result::is_err) {
        let refs = push.updates.iter().zip(judged).map(|(update, judged)| (update.name.clone(), judged.err()));
        return Verdict::refused(refs.collect());
    }
    let Ok(actor) = &push.actor else { return Verdict::accepted(push, Vec::new()) };
    let decided: Vec<Decided> = judged
        .into_iter()
        .flatten()
        .filter_map(|judged| match judged {
            Judged::Change(decision) => {
                let certificate = signed.as_ref().map(|signed| signed.certificate.clone());
                let deed = Deed { certificate, ..decision.deed(actor) };
                Some((*decision, deed))
            }
            _ => None,
        })
        .collect();
    let mut also = Also { variables: push.variables.clone(), ..Also::default() };
    also.ledger.keep(signed.iter().flat_map(signed::Signed::files));
    let objects = match transition::carry_out(repository, &writer, &view, &decided, also) {
        Ok(view) => view.map(|view| view.objects).unwrap_or_default(),
        Err(refusal) => return all(&refusal),
    };
    decided.iter().for_each(|decided| ruled::tell(repository, Door::Git, decided));
    // Whoever writes next need not wait for the reply.
    drop(writer);
    let mut told: Vec<Told> = Vec::new();
    let more = decided.len().saturating_sub(MOST_LINES);
    for (decision, deed) in decided.into_iter().take(MOST_LINES) {
        let id = (decision.change.package.clone(), decision.change.workspace.clone());
        told.push(Told::Done { decision: Box::new(decision), deed, object: objects.get(&id).cloned() });
    }
    let room = room(repository, push);
    Verdict::accepted(push, told::lines(repository, &told, more, audience, room))
}

/// How many lines the reply of one hook has: a push that is told of by two of them gets half from each. Of a signed push
/// pre-receive may have said a sentence.
pub fn room(repository: &ManagedRepository, push: &Push) -> usize {
    let most = MOST_LINES - usize::from(push.certificate.is_some());
    if repository.leases().is_mixed(push.process) { most / 2 } else { most }
}

/// Whether a ref transaction may go on: every managed ref in it must be leased to its push. Takes no writer lock, since
/// the transaction holds the locks of its refs while it asks.
pub fn prepared(repository: &ManagedRepository, process: Option<ProcessId>, updates: &[PushedRef]) -> Verdict {
    if let Some(process) = process {
        let moved = updates.iter().map(|update| (&update.name, update.new.is_none()));
        repository.guarded.store().note_push_locks(process, moved);
    }
    let leased = |update: &PushedRef| repository.leases().allows(process, &update.name, update.new);
    if updates.iter().all(leased) {
        // Nothing is read: a push of thousands of refs asks this once for each.
        let refs = updates.iter().map(|update| (update.name.clone(), None)).collect();
        return Verdict { accept: true, lines: Vec::new(), refs };
    }
    let view = match repository.guarded.refresh() {
        Ok(view) => view,
        Err(error) => {
            let refusal = failed(&error);
            return Verdict::refused(
                updates.iter().map(|update| (update.name.clone(), Some(refusal.clone()))).collect(),
            );
        }
    };
    let reader = repository.guarded.store().reader();
    let registration = &repository.guarded.key().registration;
    let ground = Ground { registration, view: &view, reader: &reader, trunk: trunk::Trunk::Refuse, import: false };
    let refs: Vec<(RefName, Option<Refusal>)> = updates
        .iter()
        .map(|update| {
            if leased(update) {
                return (update.name.clone(), None);
            }
            let old = view.snapshot.get(&update.name).map(|value| value.target);
            let update = PushedRef { old, ..update.clone() };
            let refusal = match read(&update, ground) {
                Ok(Meaning::Unmanaged) => None,
                Ok(Meaning::ImportOnly(refusal)) | Err(refusal) => Some(refusal),
                Ok(Meaning::Change(_) | Meaning::Branch(_)) => Some(
                    Refusal::new(
                        Code::NoIdentity,
                        format!("{} is changed behind the door, where nobody is known", update.name.shortened()),
                    )
                    .next("change it by git push or through the Kubernetes API"),
                ),
            };
            (update.name, refusal)
        })
        .collect();
    if refs.iter().any(|(_, refusal)| refusal.is_some()) {
        return Verdict::refused(refs);
    }
    Verdict { accept: true, lines: Vec::new(), refs }
}

/// Whether every object that is named is in the repository already. Where one is not, the verdict must come before git
/// takes the pushed objects in, which proc-receive is too late for.
fn brings_nothing(repository: &ManagedRepository, push: &Push) -> bool {
    let reader = repository.guarded.store().reader();
    push.updates.iter().filter_map(|update| update.new).all(|new| reader.exists(new).unwrap_or(false))
}

fn judge(
    repository: &ManagedRepository,
    push: &Push,
    signed: Option<&signed::Signed>,
    view: &View,
    reader: &Reader,
    limits: &Limits,
) -> Vec<Result<Judged, Refusal>> {
    let guarded = &repository.guarded;
    let registration = &guarded.key().registration;
    let ground = Ground { registration, view, reader, trunk: repository.trunk(), import: push.import };
    let meanings: Vec<Result<Meaning, Refusal>> = push
        .updates
        .iter()
        .map(|update| match read(update, ground)? {
            Meaning::Unmanaged => Ok(Meaning::Unmanaged),
            meaning => still_there(update, view).map(|()| meaning),
        })
        .collect();
    let terms = repository.terms(push.break_glass.clone(), signed.map(|signed| signed.certificate.clone()));
    let scene = Scene { guarded, view, reader, limits, terms: &terms };
    let members: Vec<Member> = meanings.iter().enumerate().flat_map(|(at, meaning)| members(at, meaning)).collect();
    let party = Party::new(&members);
    let held = repository.leases().held(push.process);
    let decided = |one: &Member| -> Result<Option<Decision>, Refusal> {
        let actor = push.actor.as_ref().map_err(Clone::clone)?;
        free(repository, &held, &one.change.package, &one.change.workspace)?;
        match party.company(one) {
            Company::Alone => decide(scene, actor, &one.change).map(Some),
            Company::Part => Ok(None),
            Company::Clash(refusal) => Err(refusal),
        }
    };
    meanings
        .into_iter()
        .enumerate()
        .map(|(at, meaning)| match meaning? {
            Meaning::Unmanaged => Ok(Judged::Unmanaged),
            Meaning::ImportOnly(refusal) => import(push, refusal),
            Meaning::Change(change) => Ok(match decided(&Member { at, change: change.clone(), by_branch: false })? {
                Some(decision) => Judged::Change(Box::new(decision)),
                None => Judged::Part(change),
            }),
            Meaning::Branch(Move { changes, passed }) => {
                let placeholder = registration.placeholder_workspace().unwrap_or_else(Workspace::lowest);
                let mut decisions = Vec::with_capacity(changes.len());
                for change in changes {
                    // The branch is moved or not: no approval of several is kept for it.
                    decisions
                        .extend(decided(&Member { at, change, by_branch: true })?.map(Decision::whole).transpose()?);
                }
                tags_are_free(&decisions, &push.updates)?;
                if decisions.is_empty() || !passed.is_empty() {
                    let actor = push.actor.as_ref().map_err(Clone::clone)?;
                    pass_branch(scene, actor, &passed, &placeholder)?;
                }
                passed.iter().try_for_each(|package| free(repository, &held, package, &placeholder))?;
                Ok(Judged::Branch(decisions, passed))
            }
        })
        .collect()
}

/// The changes that an update makes.
fn members(at: usize, meaning: &Result<Meaning, Refusal>) -> Vec<Member> {
    match meaning {
        Ok(Meaning::Change(change)) => vec![Member { at, change: change.clone(), by_branch: false }],
        Ok(Meaning::Branch(Move { changes, .. })) => {
            changes.iter().map(|change| Member { at, change: change.clone(), by_branch: true }).collect()
        }
        _ => Vec::new(),
    }
}

/// Nobody else is changing the package at this moment.
fn free(
    repository: &ManagedRepository,
    held: &Held,
    package: &PackagePath,
    workspace: &Workspace,
) -> Result<(), Refusal> {
    if held.overlaps(package) {
        repository.metrics.lease_wait(Door::Git);
        return Err(explain::busy(package, workspace));
    }
    Ok(())
}

/// The value that the pusher saw must be the one there is: git would refuse to move the ref later, without a reason.
fn still_there(update: &PushedRef, view: &View) -> Result<(), Refusal> {
    let there = view.snapshot.get(&update.name).map(|value| value.target);
    if is_verdict_ref(&update.name) || update.old == there {
        return Ok(());
    }
    let name = update.name.shortened();
    let reason = match there {
        Some(there) => format!("{name} moved to {} while you pushed", there.short()),
        None => format!("{name} went away while you pushed"),
    };
    Err(Refusal::new(Code::Stale, reason).next("git fetch --prune, look at what is there now, and push again"))
}

fn import(push: &Push, refusal: Refusal) -> Result<Judged, Refusal> {
    let actor = push.actor.as_ref().map_err(Clone::clone)?;
    if !push.import {
        return Err(refusal);
    }
    if actor.holds(Right::Admin, None) {
        return Ok(Judged::Import);
    }
    Err(Refusal::new(Code::NotAllowed, format!("{} may not import: this needs {}", actor.name, Right::Admin.holder()))
        .next("ask the administrator of this Git server, or propose the package instead"))
}
