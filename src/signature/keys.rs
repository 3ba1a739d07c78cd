//! Keys that users sign with, as the configuration and the ledger write them: a line of a `.pub` file, or an OpenPGP public
//! key block.
//!
//! Never here: private keys; one that is written by mistake is refused and not repeated.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

/// The largest key that is taken, in bytes. An OpenPGP key with many signatures under it has some ten thousand.
const LARGEST: usize = 64 << 10;
/// The kinds of plain SSH keys. Certificates are not taken: they change whenever they are issued.
const SSH_KINDS: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];
const PGP_BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const PGP_END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// A public key that a user signs with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SigningKey {
    /// An SSH key.
    Ssh(SshKey),
    /// OpenPGP: one armored block.
    OpenPgp(String),
}

/// An SSH key, and when it may sign.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SshKey {
    /// `valid-after` and `valid-before`, as OpenSSH's allowed signers file writes them; may be empty.
    validity: String,
    kind: String,
    blob: Vec<u8>,
}

/// Why a text is no key to sign with. The text itself is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSigningKey {
    /// It is a private key.
    #[error(
        "this is a private key, and now known to whoever reads the file; make a new one, and write its public half"
    )]
    Private,
    /// It says when it is valid in a way that is not known.
    #[error(
        "before an SSH key only valid-after=\"YYYYMMDD\" and valid-before=\"YYYYMMDD\" may stand, in UTC, with a comma between"
    )]
    Validity,
    /// It is something else.
    #[error("write the line of a .pub file, as in ssh-ed25519 AAAA…, or a block that begins with {PGP_BEGIN}")]
    NotAKey,
}

impl SigningKey {
    /// Takes a key as it is written.
    ///
    /// # Errors
    /// The text is something else.
    pub fn parse(text: &str) -> Result<Self, InvalidSigningKey> {
        let text = text.trim();
        if text.contains("PRIVATE KEY") {
            return Err(InvalidSigningKey::Private);
        }
        if text.len() > LARGEST {
            return Err(InvalidSigningKey::NotAKey);
        }
        if text.starts_with(PGP_BEGIN) {
            let whole = text.ends_with(PGP_END) && text.matches("-----BEGIN ").count() == 1;
            return whole.then(|| Self::OpenPgp(text.to_owned())).ok_or(InvalidSigningKey::NotAKey);
        }
        SshKey::parse(text).map(Self::Ssh)
    }

    /// What two texts of the same key have in common.
    pub fn identity(&self) -> String {
        match self {
            Self::Ssh(key) => fingerprint(&key.blob),
            Self::OpenPgp(armor) => armor.split_ascii_whitespace().collect(),
        }
    }

    /// The key as it can be parsed again. Two texts of the same SSH key give the same, whatever their comments.
    pub fn text(&self) -> String {
        match self {
            Self::Ssh(key) if key.validity.is_empty() => format!("{}\n", key.line()),
            Self::Ssh(key) => format!("{} {}\n", key.validity, key.line()),
            Self::OpenPgp(armor) => format!("{armor}\n"),
        }
    }
}

impl SshKey {
    fn parse(text: &str) -> Result<Self, InvalidSigningKey> {
        let mut words = text.split_ascii_whitespace().peekable();
        let is_kind = |word: &str| SSH_KINDS.contains(&word);
        let validity = words.next_if(|word| !is_kind(word) && word.contains('=')).unwrap_or_default();
        if !validity.is_empty() && !validity.split(',').all(is_validity) {
            return Err(InvalidSigningKey::Validity);
        }
        let (Some(kind), Some(encoded)) = (words.next().filter(|word| is_kind(word)), words.next()) else {
            return Err(InvalidSigningKey::NotAKey);
        };
        let blob = STANDARD.decode(encoded).map_err(|_| InvalidSigningKey::NotAKey)?;
        if take_string(&blob).is_none_or(|(own, _)| own != kind.as_bytes()) {
            return Err(InvalidSigningKey::NotAKey);
        }
        Ok(Self { validity: validity.to_owned(), kind: kind.to_owned(), blob })
    }

    /// The key as it goes over the wire.
    pub(super) fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// A line of an allowed signers file for one principal.
    pub(super) fn allowed(&self, principal: &str) -> String {
        format!("{principal} {} {}\n", self.validity, self.line())
    }

    fn line(&self) -> String {
        format!("{} {}", self.kind, STANDARD.encode(&self.blob))
    }
}

/// The fingerprint of an SSH key, as `ssh-keygen -l` prints it.
pub(super) fn fingerprint(blob: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
}

/// A string of the SSH wire format, and what comes after it.
pub(super) fn take_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

fn is_validity(option: &str) -> bool {
    let value = ["valid-after=\"", "valid-before=\""].iter().find_map(|key| option.strip_prefix(key));
    let digits = value.and_then(|value| value.strip_suffix('"'));
    digits.is_some_and(|digits| matches!(digits.len(), 8 | 12 | 14) && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

impl fmt::Debug for SshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.validity, self.kind, fingerprint(&self.blob))
    }
}
