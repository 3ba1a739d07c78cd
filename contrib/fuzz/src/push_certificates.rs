//! Push certificates: whatever a client sends with `git push --signed`, and the keys that a configuration names.

use stoop::domain::push_certificate::{CertifiedUpdate, PushCertificate};
use stoop::signature::SigningKey;

/// The bytes are a certificate, and a key.
pub fn run(data: &[u8]) {
    certificate(data);
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(key) = SigningKey::parse(text)
    {
        let again = SigningKey::parse(&key.text()).expect("what is written is read");
        assert_eq!((again.identity(), &again), (key.identity(), &key));
        assert!(!key.text().contains("PRIVATE"));
    }
}

fn certificate(data: &[u8]) {
    let Ok(read) = PushCertificate::parse(data) else { return };
    assert_eq!([read.payload, read.signature].concat(), data, "every byte is signed, or is the signature");
    assert!(read.signature.starts_with(b"-----BEGIN "));
    let begins = |line: &[u8]| line.starts_with(b"-----BEGIN ");
    assert!(!read.payload.split(|byte| *byte == b'\n').any(begins), "nothing of a signature is taken for signed");
    assert!(!read.nonce.contains('\n') && !read.pusher.contains('\n'));
    assert!(!read.updates.is_empty() && read.updates.iter().all(|update| !update.name.contains(&b'\n')));

    // It names its own updates in any order, and never fewer, more or others.
    let mut updates: Vec<CertifiedUpdate<'_>> = read.updates.iter().rev().copied().collect();
    assert!(read.names_exactly(&updates));
    updates.push(updates[0]);
    assert!(!read.names_exactly(&updates));
    updates.truncate(read.updates.len());
    let other = "e".repeat(40);
    if updates[0].new != other {
        updates[0].new = &other;
        assert!(!read.names_exactly(&updates));
    }
    assert!(!read.names_exactly(&[]));

    // A repository is known by its last name alone, with `.git` or without.
    for name in ["packages", "a.git", ""] {
        assert_eq!(read.is_for(name), read.is_for(name.trim_end_matches(".git")));
    }
    assert!(read.pushee.is_none() || !read.is_for("a\nb"));
}
