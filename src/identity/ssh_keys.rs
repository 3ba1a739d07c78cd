//! SSH keys: the fingerprints that the configuration names, and the file in which sshd says which key a login has shown.
//!
//! Never here: whose key it is (see `pusher`), and reading the file: the hook does, as the user that sshd wrote it for.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

/// The most keys that one login may have shown.
const MOST_KEYS: usize = 8;

/// The SHA-256 of a public key, written `SHA256:…` as `ssh-keygen -l` does.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyFingerprint([u8; 32]);

/// Why a text is no public key and no fingerprint of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// It is a private key.
    #[error(
        "this is a private key, and now known to whoever reads the file; make a new one, and write the line of its .pub file"
    )]
    Private,
    /// It is a certificate.
    #[error(
        "this is a certificate, which changes whenever it is issued; write the key itself, the line of its .pub file"
    )]
    Certificate,
    /// It is something else.
    #[error(
        "write the line of a .pub file, as in ssh-ed25519 AAAA…, or a fingerprint as ssh-keygen -l prints it, SHA256:…"
    )]
    NotAKey,
}

/// Why sshd's file names no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// It is not as sshd writes it.
    #[error("sshd's file on the login cannot be read")]
    Malformed,
    /// The login showed none.
    #[error("the login showed no key")]
    None,
    /// The login showed a certificate.
    #[error("the login showed a certificate, and users are known by plain keys only")]
    Certificate,
}

impl KeyFingerprint {
    /// Takes the line of a `.pub` file, or a fingerprint.
    ///
    /// # Errors
    /// The text is something else.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        if text.contains("PRIVATE KEY") {
            return Err(InvalidKey::Private);
        }
        if let Some(digits) = text.strip_prefix("SHA256:") {
            let bytes = STANDARD_NO_PAD.decode(digits.trim_end_matches('=')).map_err(|_| InvalidKey::NotAKey)?;
            return bytes.try_into().map(Self).map_err(|_| InvalidKey::NotAKey);
        }
        let mut words = text.split_ascii_whitespace();
        let (Some(kind), Some(blob)) = (words.next(), words.next()) else { return Err(InvalidKey::NotAKey) };
        if is_certificate(kind) {
            return Err(InvalidKey::Certificate);
        }
        Self::of(kind, blob).ok_or(InvalidKey::NotAKey)
    }

    /// The fingerprint of a key: its kind, and its bytes in Base64, which name the kind again.
    fn of(kind: &str, blob: &str) -> Option<Self> {
        let bytes = STANDARD.decode(blob).ok()?;
        let length = usize::try_from(u32::from_be_bytes(*bytes.first_chunk()?)).ok()?;
        let rest = bytes.get(4..)?;
        let named = rest.get(..length)?;
        (named == kind.as_bytes() && rest.len() > length && !kind.is_empty())
            .then(|| Self(Sha256::digest(&bytes).into()))
    }
}

fn is_certificate(kind: &str) -> bool {
    kind.contains("-cert-v")
}

impl fmt::Display for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHA256:{}", STANDARD_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The keys that a login has shown, by the file that sshd writes with `ExposeAuthInfo yes`: a line for each method that
/// succeeded, and for a key `publickey KIND BASE64`.
///
/// # Errors
/// The file names no key, a certificate, or is not as sshd writes it.
pub fn shown(file: &[u8]) -> Result<Vec<KeyFingerprint>, NoKey> {
    let text = std::str::from_utf8(file).map_err(|_| NoKey::Malformed)?;
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(NoKey::Malformed);
    }
    let mut keys = Vec::new();
    for line in text.lines() {
        let Some(key) = line.strip_prefix("publickey ") else { continue };
        let (kind, blob) = key.split_once(' ').ok_or(NoKey::Malformed)?;
        if is_certificate(kind) {
            return Err(NoKey::Certificate);
        }
        keys.push(KeyFingerprint::of(kind, blob).ok_or(NoKey::Malformed)?);
        if keys.len() > MOST_KEYS {
            return Err(NoKey::Malformed);
        }
    }
    if keys.is_empty() { Err(NoKey::None) } else { Ok(keys) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `ssh-keygen -t ed25519`; the second line is what `ssh-keygen -l` says of it.
    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFFGZi4NNeFFWsJLxQmYkFjkHDa/AGDt1pHNCn7Yg7Ye";
    const FINGERPRINT: &str = "SHA256:rizV4MePWybiq2pAP1qk26qi5FlzmxmnZc5YLmfxQgA";

    #[test]
    fn a_key_and_its_fingerprint_are_one() {
        let key = KeyFingerprint::parse(&format!("{KEY} ann@example.com")).expect("a key");
        assert_eq!(key.to_string(), FINGERPRINT);
        assert_eq!(KeyFingerprint::parse(FINGERPRINT), Ok(key));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let blob = KEY.split_once(' ').expect("two words").1;
        for bad in [
            "",
            "SHA256:",
            "SHA256:abc",
            "MD5:00:11",
            "ssh-ed25519",
            "ssh-ed25519 !",
            "ssh-ed25519 AAAA",
            &format!("ssh-rsa {blob}"),
            &format!("restrict {KEY}"),
            &format!("command=\"x\" {KEY}"),
            &format!("{FINGERPRINT} ann"),
        ] {
            assert_eq!(KeyFingerprint::parse(bad), Err(InvalidKey::NotAKey), "{bad:?}");
        }
        assert_eq!(KeyFingerprint::parse("-----BEGIN OPENSSH PRIVATE KEY-----"), Err(InvalidKey::Private));
        let certificate = format!("ssh-ed25519-cert-v01@openssh.com {blob}");
        assert_eq!(KeyFingerprint::parse(&certificate), Err(InvalidKey::Certificate));
    }

    #[test]
    fn the_file_of_a_login_names_its_keys_and_nothing_else_does() {
        let key = KeyFingerprint::parse(FINGERPRINT).expect("a fingerprint");
        for (file, keys) in [
            (format!("publickey {KEY}\n"), 1),
            (format!("publickey {KEY}"), 1),
            (format!("password\npublickey {KEY}\n"), 1),
            (format!("publickey {KEY}\npublickey {KEY}\n"), 2),
        ] {
            assert_eq!(shown(file.as_bytes()), Ok(vec![key.clone(); keys]), "{file:?}");
        }
        for (file, why) in [
            (String::new(), NoKey::None),
            ("password\n".to_owned(), NoKey::None),
            (format!("hostbased {KEY}\n"), NoKey::None),
            (format!(" publickey {KEY}\n"), NoKey::None),
            (format!("publickey {KEY} ann\n"), NoKey::Malformed),
            (format!("publickey {KEY}\r\n"), NoKey::Malformed),
            (format!("publickey  {KEY}\n"), NoKey::Malformed),
            ("publickey \n".to_owned(), NoKey::Malformed),
            ("publickey ssh-ed25519 AAAA\n".to_owned(), NoKey::Malformed),
            (format!("publickey {KEY}\n").repeat(9), NoKey::Malformed),
            (format!("publickey {}\n", KEY.replace("ed25519 ", "ed25519-cert-v01@openssh.com ")), NoKey::Certificate),
        ] {
            assert_eq!(shown(file.as_bytes()), Err(why), "{file:?}");
        }
        assert_eq!(shown(b"publickey \xff\n"), Err(NoKey::Malformed));
    }
}
