//! A push certificate, as `git push --signed` writes it: what the pusher says, and the signature under it. Read, not believed.
//!
//! Never here: whether the signature holds (see `signature`), whose the key is, and whether the nonce is ours.

use super::oid::ObjectId;
use serde::{Deserialize, Serialize};

/// The largest certificate that is looked at and kept, in bytes: some thousand refs.
pub const LARGEST: u64 = 1 << 20;

/// How every line that begins a signature begins.
const SIGNATURE: &[u8] = b"-----BEGIN ";

/// A push certificate, in parts of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushCertificate<'a> {
    /// Who the pusher says to be: a key's fingerprint or a name.
    pub pusher: &'a str,
    /// Where the pusher pushed to, as the pusher's git knew it.
    pub pushee: Option<&'a str>,
    /// What the server gave the pusher to sign.
    pub nonce: &'a str,
    /// The ref updates.
    pub updates: Vec<CertifiedUpdate<'a>>,
    /// What is signed: everything before the signature.
    pub payload: &'a [u8],
    /// The signature, armored.
    pub signature: &'a [u8],
}

/// One ref update that a certificate names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertifiedUpdate<'a> {
    /// The ref.
    pub name: &'a [u8],
    /// The value before, in hexadecimal; zeros for none.
    pub old: &'a str,
    /// The value after, likewise.
    pub new: &'a str,
}

/// Why bytes are no push certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCertificate {
    /// There is no signature under it.
    #[error("it is not signed")]
    Unsigned,
    /// It does not begin with the version that is known.
    #[error("it is not of version 0.1")]
    Version,
    /// A line of its head is missing, repeated or no text.
    #[error("its head is not as git writes it")]
    Head,
    /// A line is no ref update, or there is none.
    #[error("a line of it is no ref update")]
    Update,
}

impl<'a> PushCertificate<'a> {
    /// Reads a certificate.
    ///
    /// # Errors
    /// It is not what git writes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, InvalidCertificate> {
        let at = signature_at(bytes).ok_or(InvalidCertificate::Unsigned)?;
        let (payload, signature) = bytes.split_at(at);
        let mut lines = payload.strip_suffix(b"\n").ok_or(InvalidCertificate::Head)?.split(|byte| *byte == b'\n');
        if lines.next() != Some(b"certificate version 0.1") {
            return Err(InvalidCertificate::Version);
        }
        let (mut pusher, mut pushee, mut nonce) = (None, None, None);
        loop {
            let line = lines.next().ok_or(InvalidCertificate::Head)?;
            if line.is_empty() {
                break;
            }
            let line = std::str::from_utf8(line).map_err(|_| InvalidCertificate::Head)?;
            let (key, value) = line.split_once(' ').ok_or(InvalidCertificate::Head)?;
            let slot = match key {
                "pusher" => &mut pusher,
                "pushee" => &mut pushee,
                "nonce" => &mut nonce,
                // Git compares the push options itself.
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(InvalidCertificate::Head);
            }
        }
        let updates: Option<Vec<_>> = lines.map(CertifiedUpdate::parse).collect();
        let updates = updates.filter(|updates| !updates.is_empty()).ok_or(InvalidCertificate::Update)?;
        let (Some(pusher), Some(nonce)) = (pusher, nonce) else { return Err(InvalidCertificate::Head) };
        Ok(Self { pusher, pushee, nonce, updates, payload, signature })
    }

    /// Whether it names exactly these updates, each once, in whatever order.
    pub fn names_exactly(&self, updates: &[CertifiedUpdate<'_>]) -> bool {
        let sorted = |updates: &[CertifiedUpdate<'_>]| -> Vec<(Vec<u8>, String, String)> {
            let owned =
                |update: &CertifiedUpdate<'_>| (update.name.to_vec(), update.old.to_owned(), update.new.to_owned());
            let mut sorted: Vec<_> = updates.iter().map(owned).collect();
            sorted.sort();
            sorted
        };
        sorted(&self.updates) == sorted(updates)
    }

    /// Whether it was made for a repository of this name, the last part of its path: the one binding that the pusher's own
    /// git wrote. Where it says nothing of the place, the nonce alone binds it.
    pub fn is_for(&self, repository: &str) -> bool {
        fn plain(name: &str) -> &str {
            name.strip_suffix(".git").unwrap_or(name)
        }
        self.pushee.is_none_or(|pushee| {
            let pushee = pushee.trim_end_matches('/');
            let pushee = pushee.strip_suffix("/.git").unwrap_or(pushee);
            plain(pushee.rsplit(['/', ':']).next().unwrap_or_default()) == plain(repository)
        })
    }
}

impl<'a> CertifiedUpdate<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut parts = line.splitn(3, |byte| *byte == b' ');
        let mut id = || {
            let text = std::str::from_utf8(parts.next()?).ok()?;
            text.parse::<ObjectId>().is_ok().then_some(text)
        };
        let (old, new) = (id()?, id()?);
        let name = parts.next().filter(|name| !name.is_empty())?;
        Some(Self { name, old, new })
    }
}

/// Where the first line begins that begins a signature. No ref update begins like it.
fn signature_at(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(SIGNATURE) {
            return Some(at);
        }
        at += bytes[at..].iter().position(|byte| *byte == b'\n')? + 1;
    }
    None
}

/// The certificate that a deed stands on: what the ledger says of it. Both blobs lie in the ledger's tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The push certificate.
    pub push: ObjectId,
    /// The key that signed it, as it was configured for the user at that time.
    pub signer: ObjectId,
    /// The key as people know it, such as `SSH key SHA256:…`.
    pub key: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZERO: &str = "0000000000000000000000000000000000000000";
    const ONE: &str = "1111111111111111111111111111111111111111";

    fn text(head: &str, updates: &str) -> String {
        format!(
            "certificate version 0.1\n{head}\n{updates}-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----\n"
        )
    }

    #[test]
    fn a_certificate_is_read_as_git_writes_it() {
        let head = "pusher SHA256:abc 1795530068 +0000\npushee https://git.example/a/packages.git/\nnonce 1795530068-28\npush-option x y\n";
        let updates = format!("{ZERO} {ONE} refs/heads/drafts/a/w\n{ONE} {ZERO} refs/tags/\u{e4}\n");
        let text = text(head, &updates);
        let read = PushCertificate::parse(text.as_bytes()).expect("sound");
        assert_eq!((read.pusher, read.nonce), ("SHA256:abc 1795530068 +0000", "1795530068-28"));
        assert!(
            read.signature.starts_with(b"-----BEGIN SSH SIGNATURE-----\n")
                && read.payload.ends_with("\u{e4}\n".as_bytes())
        );
        let wanted = [
            CertifiedUpdate { name: "refs/tags/\u{e4}".as_bytes(), old: ONE, new: ZERO },
            CertifiedUpdate { name: b"refs/heads/drafts/a/w", old: ZERO, new: ONE },
        ];
        assert!(read.names_exactly(&wanted) && !read.names_exactly(&wanted[..1]));
        let other = CertifiedUpdate { new: ONE, ..wanted[0] };
        assert!(!read.names_exactly(&[other, wanted[1]]) && !read.names_exactly(&[wanted[0], wanted[0]]));
        assert!(read.is_for("packages.git") && read.is_for("packages") && !read.is_for("other.git"));
    }

    #[test]
    fn the_place_is_read_from_every_form_of_address() {
        for (pushee, fits) in [
            ("../packages.git", true),
            ("git@host:packages", true),
            ("ssh://host/~/packages.git", true),
            ("/srv/packages.git/", true),
            ("packages.git", true),
            ("https://host/packages/other", false),
            ("https://host/morepackages.git", false),
            ("", false),
        ] {
            let text = text(&format!("pusher x\npushee {pushee}\nnonce 1-2\n"), &format!("{ZERO} {ONE} refs/x\n"));
            assert_eq!(
                PushCertificate::parse(text.as_bytes()).expect("sound").is_for("packages.git"),
                fits,
                "{pushee}"
            );
        }
    }

    #[test]
    fn what_is_no_certificate_is_an_error() {
        let update = format!("{ZERO} {ONE} refs/x\n");
        let head = "pusher x\nnonce 1-2\n";
        for (text, why) in [
            (String::new(), InvalidCertificate::Unsigned),
            (text(head, &update).replace("-----BEGIN", "BEGIN"), InvalidCertificate::Unsigned),
            (text(head, &update).replace("0.1", "0.2"), InvalidCertificate::Version),
            (text("pusher x\n", &update), InvalidCertificate::Head),
            (text("nonce 1-2\n", &update), InvalidCertificate::Head),
            (text("pusher x\nnonce 1-2\nnonce 1-2\n", &update), InvalidCertificate::Head),
            (text("pusher x\nnonce\n", &update), InvalidCertificate::Head),
            (text(head, ""), InvalidCertificate::Update),
            (text(head, "refs/x\n"), InvalidCertificate::Update),
            (text(head, &format!("{ZERO} {ONE} \n")), InvalidCertificate::Update),
            (text(head, &format!("{ZERO} 12 refs/x\n")), InvalidCertificate::Update),
            (text(head, &format!("{update}\n{update}")), InvalidCertificate::Update),
        ] {
            assert_eq!(PushCertificate::parse(text.as_bytes()), Err(why), "{text}");
        }
        assert!(PushCertificate::parse(b"certificate version 0.1\nnonce \xff\n\n-----BEGIN ").is_err());
    }
}
