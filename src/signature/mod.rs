//! Signatures under push certificates: whether one was made by one of some keys, asked of `ssh-keygen` and `gpg`.
//!
//! Each question gets a directory of its own with nothing in it but the key: no key ring, agent, key server or setting of
//! the daemon's user has a say. Never here: whose key it is, and what is signed.

mod keys;
mod openpgp;
mod program;
mod ssh;

use crate::domain::timestamp::Micros;

pub use keys::{InvalidSigningKey, SigningKey};

/// A key by which something was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The key, as it was configured.
    pub key: SigningKey,
    /// How people know it, such as `SSH key SHA256:…`.
    pub shown: String,
}

/// Why a signature counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It was made with none of the keys.
    #[error("it is signed with another key, {0}")]
    OtherKey(String),
    /// It does not belong to what it is under, or is broken.
    #[error("the signature does not hold")]
    Bad,
    /// The key was not valid any more, or not yet.
    #[error("the key is not valid at this time: it has expired, or is not valid yet")]
    Expired,
    /// The key was revoked.
    #[error("the key is revoked")]
    Revoked,
    /// It is of a kind that is not looked at.
    #[error("the signature is neither one of SSH nor one of OpenPGP")]
    Kind,
    /// The program that could tell failed. Nothing is known of the signature.
    #[error("the signature cannot be looked at: {0}")]
    Program(String),
}

/// Finds the key, among these, that made a signature over a payload, and asks whether it holds at a moment.
///
/// # Errors
/// It counts for nothing; among several reasons, that of the key that is nearest to it.
pub fn verify(payload: &[u8], signature: &[u8], keys: &[SigningKey], at: Micros) -> Result<Signer, Problem> {
    if signature.starts_with(b"-----BEGIN SSH SIGNATURE-----\n") {
        return ssh::verify(payload, signature, keys, at);
    }
    if !signature.starts_with(b"-----BEGIN PGP SIGNATURE-----\n") {
        return Err(Problem::Kind);
    }
    let mut nearest = Problem::OtherKey("which is not known here".to_owned());
    for key in keys {
        let SigningKey::OpenPgp(armor) = key else { continue };
        match openpgp::verify(payload, signature, armor, at) {
            Ok(shown) => return Ok(Signer { key: key.clone(), shown }),
            Err(problem @ Problem::OtherKey(_)) if !matches!(nearest, Problem::OtherKey(_)) => drop(problem),
            Err(problem) => nearest = problem,
        }
    }
    Err(nearest)
}

#[cfg(test)]
mod tests;
