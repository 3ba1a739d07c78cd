//! Certificates in a ledger: each must be there, hold, and say what the deed on it says.
//!
//! Never here: deciding about a push (see `commands::push::signed`).

use std::collections::{BTreeMap, BTreeSet};

use super::Options;
use crate::domain::ledger::Deed;
use crate::domain::ledger_history::{Announced, Id};
use crate::domain::lifecycle::Action;
use crate::domain::oid::ObjectId;
use crate::domain::push_certificate::{Certificate, CertifiedUpdate, LARGEST, PushCertificate};
use crate::domain::refs::{DELETION_PROPOSED, DRAFTS, PROPOSED, REJECT, RefName, TAGS};
use crate::git::{GitError, LedgerStore, Reader};
use crate::signature::{self, Signer, SigningKey};

/// How far a nonce and the deed may lie apart, in seconds: what the daemon takes, and a push that takes as long again.
const FARTHEST: u64 = 2 * 60 * 60;

/// What is known of certificates so far.
#[derive(Debug, Default)]
pub(super) struct Certificates {
    deeds: usize,
    signed: usize,
    /// Signers of certificates that hold; a push of many refs has one for all.
    held: BTreeMap<(ObjectId, ObjectId), Signer>,
    /// What each certificate was used for.
    used: BTreeSet<(ObjectId, Id, &'static str)>,
}

/// What is wrong: one word, and a sentence.
type Wrong = (&'static str, String);

impl Certificates {
    pub(super) fn deeds(&self) -> usize {
        self.deeds
    }

    pub(super) fn signed(&self) -> usize {
        self.signed
    }

    /// Checks what a commit of the ledger announces; `head` is the newest one, which must still have the evidence.
    pub(super) fn check(
        &mut self,
        reader: &Reader,
        options: &Options,
        (head, commit): (ObjectId, ObjectId),
        announced: &Announced,
    ) -> Result<Result<(), Wrong>, GitError> {
        let deed = &announced.deed;
        let once = usize::from(!announced.again);
        self.deeds += once;
        let Some(certificate) = &deed.certificate else { return Ok(Ok(())) };
        self.signed += once;
        for (at, when) in [(commit, "in this commit"), (head, "any more")] {
            let there = LedgerStore::keeps_certificate(reader, at, certificate.push)?
                && LedgerStore::keeps_signer(reader, at, certificate.signer)?;
            if !there {
                let message = format!("the certificate of {} is not in the ledger {when}", deed.by);
                return Ok(Err(("certificate-missing", message)));
            }
        }
        let outcome = match self.holds(reader, certificate, deed) {
            Err(why) => Err(("bad-certificate", format!("the certificate of {}: {why}", deed.by))),
            Ok(()) => self.is_for(reader, options, certificate, announced)?,
        };
        Ok(outcome)
    }

    /// Whether its signature holds, by the key that the ledger keeps.
    fn holds(&mut self, reader: &Reader, certificate: &Certificate, deed: &Deed) -> Result<(), String> {
        let key = (certificate.push, certificate.signer);
        if self.held.contains_key(&key) {
            return Ok(());
        }
        let blob = |id| reader.blob(id, LARGEST).map_err(|error| error.to_string());
        let (bytes, key_text) = (blob(certificate.push)?, blob(certificate.signer)?);
        let key_text = String::from_utf8_lossy(&key_text);
        let read = PushCertificate::parse(&bytes).map_err(|why| why.to_string())?;
        let signing = SigningKey::parse(&key_text).map_err(|_| "its key cannot be read".to_owned())?;
        let signer = signature::verify(read.payload, read.signature, &[signing], deed.at);
        let signer = signer.map_err(|problem| problem.to_string())?;
        if signer.shown != certificate.key {
            return Err(format!("it is signed with {}, not with {}", signer.shown, certificate.key));
        }
        let given = read.nonce.split('-').next().and_then(|seconds| seconds.parse::<i64>().ok());
        if given.is_none_or(|given| given.abs_diff(deed.at.seconds()) > FARTHEST) {
            return Err("its nonce is of another time than the deed".to_owned());
        }
        self.held.insert(key, signer);
        Ok(())
    }

    /// Whether it says what was done, once, and its key is that user's.
    fn is_for(
        &mut self,
        reader: &Reader,
        options: &Options,
        certificate: &Certificate,
        announced: &Announced,
    ) -> Result<Result<(), Wrong>, GitError> {
        let Announced { id, action, deed, .. } = announced;
        let bytes = reader.blob(certificate.push, LARGEST)?;
        // It could be read just now.
        let updates = PushCertificate::parse(&bytes).map(|read| read.updates).unwrap_or_default();
        let mut says = false;
        for update in &updates {
            says = says || means(reader, update, id, *action, deed)?;
        }
        if !says {
            let message = format!("the certificate of {} names no update that means to {}", deed.by, action.words());
            return Ok(Err(("certificate-mismatch", message)));
        }
        if let (Some(allowed), Some(signer)) =
            (&options.allowed_signers, self.held.get(&(certificate.push, certificate.signer)))
            && !allowed.allow(&deed.by, signer)
        {
            return Ok(Err(("signer-not-allowed", format!("{} is not a key of {}", signer.shown, deed.by))));
        }
        // The same transition is announced again where it is carried out for a push.
        if !self.used.insert((certificate.push, id.clone(), action.as_str())) && !announced.again {
            return Ok(Err(("certificate-reused", format!("the certificate of {} was used before", deed.by))));
        }
        Ok(Ok(()))
    }
}

/// Whether a ref update, by the table of the Git door, means an action on a package's workspace at a deed's commit.
fn means(
    reader: &Reader,
    update: &CertifiedUpdate<'_>,
    (package, workspace): &Id,
    action: Action,
    deed: &Deed,
) -> Result<bool, GitError> {
    let Ok(name) = std::str::from_utf8(update.name) else { return Ok(false) };
    let id = |text: &str| text.parse::<ObjectId>().ok().filter(|id| !id.is_zero());
    let (old, new) = (id(update.old), id(update.new));
    let is = |ref_name: RefName| ref_name.as_str() == name;
    let of_package = |prefix: &str| {
        let rest = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix(package.as_str()));
        rest.and_then(|rest| rest.strip_prefix('/')).is_some_and(|segment| !segment.contains('/'))
    };
    // A tag object that is named for a commit means the commit.
    let at = |value: Option<ObjectId>| -> Result<bool, GitError> {
        let Some(value) = value else { return Ok(false) };
        Ok(value == deed.commit || (reader.exists(value)? && reader.peel_to_commit(value)? == Some(deed.commit)))
    };
    let is_branch = name.starts_with("refs/heads/")
        && ![DRAFTS, PROPOSED, DELETION_PROPOSED].iter().any(|prefix| name.starts_with(prefix));
    let draft = || is(RefName::draft(package, workspace));
    let proposed = || is(RefName::proposed(package, workspace));
    Ok(match action {
        Action::Save => draft() && at(new)?,
        Action::Propose => proposed() && at(new)?,
        Action::Reject => (draft() || name == format!("{REJECT}{package}/{workspace}")) && at(new)?,
        Action::Approve if is(RefName::approve(package, workspace)) => at(new)?,
        Action::Approve if !is_branch => false,
        Action::Approve => new.map_or(Ok(false), |new| same_package(reader, new, deed.commit, package))?,
        Action::DropDraft => draft() && new.is_none() && at(old)?,
        Action::DropProposal => proposed() && new.is_none() && at(old)?,
        Action::ProposeDeletion => of_package(DELETION_PROPOSED) && new.is_some(),
        Action::RefuseDeletion => of_package(DELETION_PROPOSED) && new.is_none(),
        Action::Publish => is_branch && at(new)?,
        Action::Delete if is_branch => new.map_or(Ok(false), |new| package_is_gone(reader, new, package))?,
        Action::Delete => of_package(TAGS) && new.is_none(),
    })
}

/// Whether a branch that was pushed brings the package as it was approved: an approval by a merge.
fn same_package(
    reader: &Reader,
    pushed: ObjectId,
    approved: ObjectId,
    package: &crate::domain::names::PackagePath,
) -> Result<bool, GitError> {
    if !reader.exists(pushed)? || reader.peel_to_commit(pushed)?.is_none() {
        return Ok(false);
    }
    let tree = |commit: ObjectId| reader.subtree(reader.commit(commit)?.tree, package);
    Ok(tree(pushed)?.is_some_and(|tree_there| tree(approved).is_ok_and(|approved| approved == Some(tree_there))))
}

/// Whether a branch that was pushed has no package at this path any more: a deletion from the branch.
fn package_is_gone(
    reader: &Reader,
    pushed: ObjectId,
    package: &crate::domain::names::PackagePath,
) -> Result<bool, GitError> {
    if !reader.exists(pushed)? || reader.peel_to_commit(pushed)?.is_none() {
        return Ok(false);
    }
    match reader.subtree(reader.commit(pushed)?.tree, package)? {
        Some(tree) => Ok(!reader.is_package(tree)?),
        None => Ok(true),
    }
}
