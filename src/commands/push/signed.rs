//! Signed pushes: the certificate of a push is read and judged here, and kept for those hooks of the push that git tells
//! nothing of it.
//!
//! Git's own verdict on it, which comes in variables of the hook, counts for nothing. Never here: whether a change needs to
//! be signed (see `domain::policy`).

use std::time::{Duration, Instant};

use super::verdict::Push;
use crate::commands::decide::failed;
use crate::commands::repository::ManagedRepository;
use crate::domain::names::UserName;
use crate::domain::oid::ObjectId;
use crate::domain::push_certificate::{Certificate, CertifiedUpdate, LARGEST, PushCertificate};
use crate::domain::refusal::{Code, Refusal};
use crate::git::{GitError, LedgerStore, Reader};
use crate::index::clock;
use crate::index::guarded::View;
use crate::process::ProcessId;
use crate::signature::{self, Problem, SigningKey};

/// How old a nonce may be. Between it and the push lie the pusher's passphrase and all that is sent.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// How long a certificate waits for its push's other hooks.
const KEPT: Duration = Duration::from_secs(10 * 60);

/// The certificate of a push as its hook tells of it, and who may have signed it.
#[derive(Debug, Clone)]
pub struct PushedCertificate {
    /// The blob.
    pub blob: ObjectId,
    /// The repository as git was told it, which the nonce was made for.
    pub directory: Vec<u8>,
    /// The keys of the very user who pushes.
    pub keys: Vec<SigningKey>,
}

/// A certificate that holds: the user who pushes signed exactly this push, for this repository, a moment ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// What deeds say of it.
    pub certificate: Certificate,
    /// What the ledger keeps beside them.
    files: Vec<(String, Vec<u8>)>,
    /// Whether this very push has brought it into the ledger already.
    recorded: bool,
}

impl Signed {
    /// What the ledger keeps: paths and contents.
    pub fn files(&self) -> impl Iterator<Item = (String, Vec<u8>)> + use<> {
        self.files.clone().into_iter()
    }

    /// A certificate counts once: one that the ledger has was another push's. To be asked by the writer.
    ///
    /// # Errors
    /// It was used before.
    pub fn unused(&self, reader: &Reader, view: &View) -> Result<(), Refusal> {
        let Some(head) = view.ledger_head.filter(|_| !self.recorded) else { return Ok(()) };
        match LedgerStore::keeps_certificate(reader, head, self.certificate.push) {
            Ok(false) => Ok(()),
            Ok(true) => Err(bad("the push certificate was used by an earlier push")),
            Err(error) => Err(failed(&error)),
        }
    }
}

/// Certificates between the hooks of their pushes: git tells `proc-receive` of none.
#[derive(Debug, Default)]
pub struct Waiting(Vec<(ProcessId, Instant, Signed)>);

impl Waiting {
    fn keep(&mut self, process: ProcessId, signed: Signed) {
        self.0.retain(|(other, since, _)| *other != process && since.elapsed() < KEPT && !other.is_gone());
        self.0.push((process, Instant::now(), signed));
    }

    fn of(&self, process: ProcessId) -> Option<Signed> {
        let mine = self.0.iter().find(|(other, since, _)| *other == process && since.elapsed() < KEPT);
        mine.map(|(_, _, signed)| signed.clone())
    }
}

/// Keeps the certificate for the hooks that come later; `recorded` says whether the ledger has it now.
pub(super) fn keep(repository: &ManagedRepository, push: &Push, signed: Option<&Signed>, recorded: bool) {
    if let (Some(process), Some(signed)) = (push.process, signed) {
        repository.certificates().keep(process, Signed { recorded, ..signed.clone() });
    }
}

/// The certificate that an earlier hook of the same push brought.
pub(super) fn kept(repository: &ManagedRepository, push: &Push) -> Option<Signed> {
    push.process.and_then(|process| repository.certificates().of(process))
}

/// Whether the push is signed by a user of whom no key is known: that is as good as not signed.
pub(super) fn is_unknown(push: &Push) -> Option<&UserName> {
    let unknown = push.certificate.as_ref().is_some_and(|pushed| pushed.keys.is_empty());
    push.actor.as_ref().ok().filter(|_| unknown).map(|actor| &actor.name)
}

/// Judges the certificate of a push, if it has one and its user has keys to sign with.
///
/// # Errors
/// It does not hold. A push that brings one is then refused, whether or not it had to be signed.
pub(super) fn examine(repository: &ManagedRepository, push: &Push) -> Result<Option<Signed>, Refusal> {
    let (Some(pushed), Ok(actor)) = (&push.certificate, &push.actor) else { return Ok(None) };
    if pushed.keys.is_empty() {
        return Ok(None);
    }
    // Git writes it beside the quarantine, into the repository itself.
    let reader = repository.guarded.store().reader();
    let bytes = reader.blob(pushed.blob, LARGEST).map_err(|error| unreadable(&error))?;
    let read =
        PushCertificate::parse(&bytes).map_err(|why| bad(format!("the push certificate cannot be read: {why}")))?;
    is_of_this_push(&reader, push, pushed, &read)?;
    let signer = signature::verify(read.payload, read.signature, &pushed.keys, clock::now())
        .map_err(|problem| not_signed_by(&actor.name, &problem))?;
    let key = signer.key.text().into_bytes();
    let signer_blob = reader.write_blob(&key).map_err(|error| failed(&error))?;
    let files =
        vec![(LedgerStore::certificate_path(pushed.blob), bytes.clone()), (LedgerStore::signer_path(signer_blob), key)];
    let certificate = Certificate { push: pushed.blob, signer: signer_blob, key: signer.shown };
    Ok(Some(Signed { certificate, files, recorded: false }))
}

/// Whether it was made for this push: a fresh nonce of this repository's, its name, and its very updates.
fn is_of_this_push(
    reader: &Reader,
    push: &Push,
    pushed: &PushedCertificate,
    read: &PushCertificate<'_>,
) -> Result<(), Refusal> {
    let given = reader.nonce_time(read.nonce, &pushed.directory).map_err(|error| failed(&error))?;
    let Some(given) = given else {
        return Err(bad("the push certificate carries a nonce that this repository did not give out"));
    };
    let (now, longest) = (clock::now(), LONGEST.as_secs());
    if now.seconds().abs_diff(given.seconds()) > longest {
        return Err(bad(format!(
            "the push certificate carries a nonce that is not from the last {} minutes",
            longest / 60
        )));
    }
    let name = reader.path().file_name().unwrap_or_default().to_string_lossy();
    if !read.is_for(&name) {
        let pushee = read.pushee.unwrap_or_default();
        return Err(bad(format!("the push certificate is for {pushee:?}, and this is {name}")));
    }
    let ids: Vec<(String, String)> =
        push.updates.iter().map(|update| (hex(reader, update.old), hex(reader, update.new))).collect();
    let updates: Vec<CertifiedUpdate<'_>> = push
        .updates
        .iter()
        .zip(&ids)
        .map(|(update, (old, new))| CertifiedUpdate { name: update.name.as_str().as_bytes(), old, new })
        .collect();
    match read.names_exactly(&updates) {
        true => Ok(()),
        false => Err(bad("the push certificate names other ref updates than those of this push")),
    }
}

fn hex(reader: &Reader, id: Option<ObjectId>) -> String {
    id.unwrap_or_else(|| reader.zero_id()).to_string()
}

fn bad(reason: impl Into<String>) -> Refusal {
    Refusal::new(Code::BadCertificate, reason).next("sign the push anew: git push --signed")
}

fn unreadable(error: &GitError) -> Refusal {
    match error {
        GitError::TooLarge { .. } => {
            Refusal::new(Code::BadCertificate, format!("the push certificate is larger than {} KiB", LARGEST >> 10))
                .next("push fewer refs at once")
        }
        GitError::Missing { .. } | GitError::WrongKind { .. } => {
            bad("the push certificate that git names is not there")
        }
        other => failed(other),
    }
}

fn not_signed_by(user: &UserName, problem: &Problem) -> Refusal {
    match problem {
        Problem::OtherKey(_) => {
            Refusal::new(Code::BadCertificate, format!("the push is not signed by {user}: {problem}")).next(format!(
                "sign with a key of {user}, or ask the administrator to put this one under signingKeys of {user}"
            ))
        }
        Problem::Program(_) => {
            Refusal::new(Code::Failed, format!("the signature of {user} cannot be verified: {problem}"))
                .next("nothing was changed; tell the administrator of this Git server")
        }
        _ => Refusal::new(Code::BadCertificate, format!("the push is not signed by {user}: {problem}"))
            .next(format!("sign with a key of {user} that is valid, and push again")),
    }
}
