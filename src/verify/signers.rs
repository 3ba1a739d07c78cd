//! Whom an auditor takes a key for: a file in the manner of OpenSSH's allowed signers, with OpenPGP keys by their fingerprints.
//!
//! Never here: verifying signatures.

use std::path::Path;

use crate::domain::names::UserName;
use crate::signature::{Signer, SigningKey};

/// The largest file that is read, in bytes.
const LARGEST: usize = 4 << 20;

/// Who may sign with which key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllowedSigners(Vec<(Vec<String>, Pin)>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pin {
    /// An SSH key's fingerprint.
    Ssh(String),
    /// The fingerprint of an OpenPGP primary key, in capital letters.
    OpenPgp(String),
}

/// Why a file of signers cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum SignersError {
    /// The system refused.
    #[error("{0} cannot be read: {1}")]
    Io(String, std::io::Error),
    /// A line cannot be read.
    #[error("{0}:{1}: write `user ssh-ed25519 AAAA…`, or `user openpgp4fpr:` and a key's fingerprint")]
    Line(String, usize),
}

impl AllowedSigners {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or a line of it is neither.
    pub fn load(file: &Path) -> Result<Self, SignersError> {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| SignersError::Io(name.clone(), error))?;
        Self::parse(&text).map_err(|line| SignersError::Line(name, line))
    }

    /// Reads the text; the error is the line.
    fn parse(text: &str) -> Result<Self, usize> {
        if text.len() > LARGEST {
            return Err(1);
        }
        let mut signers = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (people, key) = line.split_once(char::is_whitespace).ok_or(index + 1)?;
            let pin = match key.trim().strip_prefix("openpgp4fpr:") {
                Some(digits)
                    if matches!(digits.len(), 40 | 64) && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
                {
                    Pin::OpenPgp(digits.to_ascii_uppercase())
                }
                Some(_) => return Err(index + 1),
                None => match SigningKey::parse(key) {
                    Ok(key @ SigningKey::Ssh(_)) => Pin::Ssh(key.identity()),
                    _ => return Err(index + 1),
                },
            };
            signers.push((people.split(',').map(str::to_owned).collect(), pin));
        }
        Ok(Self(signers))
    }

    /// Whether the list has the key for the user.
    pub(super) fn allow(&self, user: &UserName, signer: &Signer) -> bool {
        let pin = match &signer.key {
            SigningKey::Ssh(_) => Pin::Ssh(signer.key.identity()),
            SigningKey::OpenPgp(_) => {
                Pin::OpenPgp(signer.shown.rsplit(' ').next().unwrap_or_default().to_ascii_uppercase())
            }
        };
        self.0.iter().any(|(people, allowed)| *allowed == pin && people.iter().any(|one| one == user.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBCsPxaVsUBO3whpXcyIkOVZhFJwCHy9QM2P0+MOQWD9";

    #[test]
    fn lines_are_people_and_keys() {
        let text = format!(
            "# ours\n\nann,bob {KEY} a comment\ncy valid-before=\"20270101\" {KEY}\neve openpgp4fpr:{}\n",
            "ab".repeat(20)
        );
        let signers = AllowedSigners::parse(&text).expect("sound");
        let key = SigningKey::parse(KEY).expect("a key");
        let ssh = Signer { shown: "SSH key x".to_owned(), key };
        let pgp = SigningKey::parse("-----BEGIN PGP PUBLIC KEY BLOCK-----\n-----END PGP PUBLIC KEY BLOCK-----")
            .expect("a key");
        let pgp = Signer { shown: format!("OpenPGP key {}", "AB".repeat(20)), key: pgp };
        let user = |name| UserName::parse(name).expect("valid");
        for (name, by_ssh, by_pgp) in [
            ("ann", true, false),
            ("bob", true, false),
            ("cy", true, false),
            ("eve", false, true),
            ("ada", false, false),
        ] {
            assert_eq!(
                (signers.allow(&user(name), &ssh), signers.allow(&user(name), &pgp)),
                (by_ssh, by_pgp),
                "{name}"
            );
        }
        for (bad, line) in
            [("ann", 1), ("\nann ssh-ed25519\n", 2), ("ann openpgp4fpr:12\n", 1), ("ann openpgp4fpr:zz", 1)]
        {
            assert_eq!(AllowedSigners::parse(bad), Err(line), "{bad:?}");
        }
    }
}
