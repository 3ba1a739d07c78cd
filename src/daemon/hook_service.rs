//! Answers the hooks: what they tell is read into values, the commands decide, and the verdict is put into a reply.
//!
//! Never here: the socket (see `hooks`) and the deciding (see `commands::push`).

use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::hints::Hints;
use super::hook_log;
use super::warden::Warden;
use crate::commands::push::outcome::outcome;
use crate::commands::push::read::PushedRef;
use crate::commands::push::reply::{self, TOGETHER};
use crate::commands::push::signed::PushedCertificate;
use crate::commands::push::told::Audience;
use crate::commands::push::verdict::{self, Push, Verdict};
use crate::commands::repository::ManagedRepository;
use crate::config::SharedConfig;
use crate::domain::evidence::Limits;
use crate::domain::policy::Actor;
use crate::domain::policy::break_glass::{self, Reason};
use crate::domain::refusal::{Code, Refusal};
use crate::hooks::{self, Hook, HookService, Pusher, Reply, Request, State};
use crate::identity::pusher::{Told, pusher};
use crate::process::ProcessId;
use crate::step::Step;
use crate::telemetry::{Door, Metrics, PushVerdict};

/// The push option of those who want no hints.
const NO_HINTS: &[u8] = b"no-hints";

/// The service behind the hook socket.
#[derive(Debug)]
pub struct Service {
    warden: Arc<Warden>,
    config: Arc<SharedConfig>,
    metrics: Arc<Metrics>,
    limits: Limits,
    hints: Arc<Hints>,
}

impl Service {
    /// A service for these repositories and users.
    pub fn new(warden: Arc<Warden>, config: Arc<SharedConfig>, metrics: Arc<Metrics>) -> Self {
        Self { warden, config, metrics, limits: Limits::default(), hints: Arc::default() }
    }
}

impl HookService for Service {
    async fn handle(&self, request: Request, _closed: CancellationToken) -> Reply {
        let Some(repository) = self.warden.repositories().at(&request.git_dir) else {
            return unknown(&request);
        };
        let (begun, metrics) = (Instant::now(), self.metrics.clone());
        // What only hints is answered at once and done behind it.
        if let Hook::ReferenceTransaction(State::Committed | State::Aborted) = request.hook {
            Step::Moved.reached(None);
            self.hints.follow(&repository);
            return Reply { accept: true, ..Reply::default() };
        }
        let audience = self.audience(&request);
        let push = match self.push(&request) {
            Ok(push) => push,
            Err(refusal) => {
                let name = &repository.guarded.key().name;
                tracing::info!(repository = %name, decision = "refused", code = refusal.code.as_str(), reason = refusal.reason, "push");
                metrics.push(PushVerdict::Refused);
                metrics.refusal(Door::Git, refusal.code);
                return refuse_all(&request, &refusal, audience.hints);
            }
        };
        let limits = self.limits;
        let (hook, counted, asked) = (request.hook, metrics.clone(), repository.clone());
        let answer = tokio::task::spawn_blocking(move || {
            let verdict = match answer(&asked, &request, &push, &limits, &audience) {
                Ok(verdict) => verdict,
                Err(reply) => return reply,
            };
            hook_log::tell(&asked, request.hook, &push, &verdict, begun.elapsed(), &counted);
            reply(verdict, audience.hints)
        });
        let answer = answer.await;
        metrics.hook(name_of(hook), begun.elapsed());
        if let Hook::PostReceive | Hook::ProcReceive { .. } = hook {
            // The deeds: the pusher need not wait for them.
            self.hints.follow(&repository);
        }
        answer.unwrap_or_else(|error| {
            tracing::error!(%error, "a hook could not be answered");
            metrics.push(PushVerdict::Failed);
            Reply {
                accept: false,
                lines: vec![
                    "Stoop failed while it looked at this push; nothing was changed. Its log says more.".to_owned(),
                ],
                verdicts: Vec::new(),
            }
        })
    }
}

impl Service {
    fn push(&self, request: &Request) -> Result<Push, Refusal> {
        let mut updates = Vec::with_capacity(request.updates.len());
        for update in &request.updates {
            updates.extend(PushedRef::parse(&update.name, &update.old, &update.new)?);
        }
        Ok(Push {
            process: request.process.map(|process| ProcessId { pid: process.pid, start: process.start }),
            actor: self.actor(request),
            certificate: self.certificate(request),
            variables: request.variables.iter().map(|found| (found.name.clone(), found.value.clone())).collect(),
            break_glass: break_glass(&request.options)?,
            import: request.options.iter().any(|option| option == b"import"),
            updates,
        })
    }

    /// The push certificate that git names, with the keys that the pushing user may have signed it with.
    fn certificate(&self, request: &Request) -> Option<PushedCertificate> {
        let told = request.certificate.as_ref()?;
        let config = self.config.current();
        let actor = self.actor(request).ok();
        let user = actor.and_then(|actor| config.user(&actor.name).cloned());
        let keys = user.map(|user| user.signing_keys).unwrap_or_default();
        Some(PushedCertificate { blob: told.blob.parse().ok()?, directory: told.directory.clone(), keys })
    }

    fn audience(&self, request: &Request) -> Audience {
        let config = self.config.current();
        Audience {
            hints: !request.options.iter().any(|option| option == NO_HINTS),
            users: Arc::new(move || config.users.iter().map(|user| config.actor(&user.name)).collect()),
        }
    }

    /// Who pushes. A hook that no push runs, one that somebody calls by hand perhaps, speaks for nobody. Only GitLab runs
    /// the hooks of others itself, beside the push.
    fn actor(&self, request: &Request) -> Result<Actor, Refusal> {
        let source = self.warden.identity_of(&request.git_dir);
        if request.process.is_none() && !source.has_custom_hooks() {
            return Err(Refusal::new(
                Code::NoIdentity,
                "nobody is known to push this: no git receive-pack runs the hook",
            )
            .next("change it by git push or through the Kubernetes API"));
        }
        let told = match &request.pusher {
            None => Told::Nothing,
            Some(Pusher::Name(name)) => Told::Name(name),
            Some(Pusher::Login(file)) => Told::Login(file),
        };
        pusher(&self.config.current(), &source, told)
    }
}

/// The reason for going past the policy that the push options give. One that is no use refuses the push.
fn break_glass(options: &[Vec<u8>]) -> Result<Option<Reason>, Refusal> {
    let mut given = options.iter().filter_map(|option| option.strip_prefix(break_glass::OPTION.as_bytes()));
    match (given.next(), given.next()) {
        (None, _) => Ok(None),
        (Some(reason), None) => Reason::parse(&String::from_utf8_lossy(reason)).map(Some),
        (Some(_), Some(_)) => Err(Refusal::new(Code::BreakGlass, "two reasons for breaking the glass are given")
            .next("give one: git push -o break-glass=\"why\"")),
    }
}

/// The hook's name as metrics know it.
fn name_of(hook: Hook) -> &'static str {
    match hook {
        Hook::PreReceive => "pre-receive",
        Hook::ProcReceive { .. } => "proc-receive",
        Hook::ReferenceTransaction(_) => "reference-transaction",
        Hook::PostReceive => "post-receive",
    }
}

/// The verdict on what a hook asks; for one that only fetches the outcome, the reply.
fn answer(
    repository: &ManagedRepository,
    request: &Request,
    push: &Push,
    limits: &Limits,
    audience: &Audience,
) -> Result<Verdict, Reply> {
    Ok(match request.hook {
        Hook::PreReceive => verdict::pre_receive(repository, push, request.quarantine.as_deref(), limits),
        Hook::ProcReceive { atomic } => verdict::proc_receive(repository, push, atomic, limits, audience),
        Hook::ReferenceTransaction(_) => verdict::prepared(repository, push.process, &push.updates),
        Hook::PostReceive => {
            let lines = outcome(repository, push, audience, verdict::room(repository, push));
            return Err(Reply { accept: true, lines, verdicts: Vec::new() });
        }
    })
}

/// A verdict as the hook prints it. Where one ref was refused, every ref of the push has a reason.
fn reply(verdict: Verdict, hints: bool) -> Reply {
    let refused = !verdict.accept;
    let lines = if refused { reply::refused(&verdict.refs, hints) } else { verdict.lines };
    let verdicts = verdict.refs.into_iter().map(|(name, refusal)| hooks::Verdict {
        name: name.as_str().as_bytes().to_vec(),
        refusal: match refusal {
            Some(refusal) => Some(reply::reason(&refusal)),
            None => refused.then(|| TOGETHER.to_owned()),
        },
    });
    Reply { accept: verdict.accept, lines, verdicts: verdicts.collect() }
}

fn refuse_all(request: &Request, refusal: &Refusal, hints: bool) -> Reply {
    let names = request.updates.iter().map(|update| update.name.clone());
    let verdicts = names.map(|name| hooks::Verdict { name, refusal: Some(reply::reason(refusal)) }).collect();
    Reply { accept: false, lines: reply::refused_whole(refusal, hints), verdicts }
}

/// A repository with hooks that the daemon does not know: not found yet, or taken out of the root. Closed when in doubt.
fn unknown(request: &Request) -> Reply {
    tracing::warn!(path = %request.git_dir.display(), "a hook of a repository that is not served asks");
    if let Hook::PostReceive | Hook::ReferenceTransaction(State::Committed | State::Aborted) = request.hook {
        return Reply { accept: true, ..Reply::default() };
    }
    let refusal = Refusal::new(Code::Failed, "Stoop does not serve this repository now")
        .next("try again in a moment, and tell the administrator of this Git server if it stays");
    refuse_all(request, &refusal, true)
}
