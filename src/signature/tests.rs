//! Signatures by the real programs: what holds, and everything that does not.
//!
//! Never here: certificates and pushes (see `tests/suite`).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::*;

const PAYLOAD: &[u8] = b"certificate version 0.1\n";
const NOW: Micros = Micros(1_800_000_000_000_000);

/// Runs a program in a directory that is its home, with input; gives its output.
fn run(home: &Path, program: &str, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(args).current_dir(home).env("HOME", home).env("GNUPGHOME", home).env("LC_ALL", "C");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), input).expect("written");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{program} {args:?}\n{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

fn ssh_key(home: &Path, name: &str, kind: &str) -> (PathBuf, String) {
    run(home, "ssh-keygen", &["-q", "-t", kind, "-N", "", "-C", "a comment", "-f", name], b"");
    let public = std::fs::read_to_string(home.join(format!("{name}.pub"))).expect("readable");
    (home.join(name), public)
}

fn ssh_sign(home: &Path, key: &Path, namespace: &str) -> Vec<u8> {
    run(home, "ssh-keygen", &["-q", "-Y", "sign", "-n", namespace, "-f", key.to_str().expect("text")], PAYLOAD)
}

fn key(text: &str) -> SigningKey {
    SigningKey::parse(text).expect("a key")
}

#[test]
fn an_ssh_signature_holds_for_its_key_its_text_and_its_time() {
    let home = home();
    let home = home.path();
    let (own, public) = ssh_key(home, "own", "ed25519");
    let (_, other) = ssh_key(home, "other", "ecdsa");
    let signature = ssh_sign(home, &own, "git");
    let fingerprint = run(home, "ssh-keygen", &["-l", "-f", "own.pub"], b"");
    let fingerprint = String::from_utf8(fingerprint).expect("text");
    let fingerprint = fingerprint.split(' ').nth(1).expect("one");
    let keys = [key(&other), key(&public)];
    let signer = verify(PAYLOAD, &signature, &keys, NOW).expect("it holds");
    assert_eq!((signer.key, signer.shown), (keys[1].clone(), format!("SSH key {fingerprint}")));

    assert_eq!(verify(b"another text", &signature, &keys, NOW), Err(Problem::Bad));
    assert_eq!(verify(PAYLOAD, &ssh_sign(home, &own, "file"), &keys, NOW), Err(Problem::Bad), "signed for another use");
    assert_eq!(verify(PAYLOAD, &signature, &keys[..1], NOW), Err(Problem::OtherKey(format!("SSH key {fingerprint}"))));
    for (validity, holds) in [
        ("valid-before=\"20280101\"", true),
        ("valid-after=\"20260101\",valid-before=\"20280101000000\"", true),
        ("valid-before=\"20260101\"", false),
        ("valid-after=\"20280101\"", false),
    ] {
        let dated = key(&format!("{validity} {public}"));
        assert_eq!(SigningKey::parse(&dated.text()), Ok(dated.clone()));
        let outcome = verify(PAYLOAD, &signature, &[dated], NOW);
        assert_eq!(outcome.map(|_| ()), if holds { Ok(()) } else { Err(Problem::Expired) }, "{validity}");
    }
    let text = String::from_utf8(signature.clone()).expect("text");
    for broken in [text.replacen("U1NIU0lH", "U1NIU0lI", 1), text.replace("-----END", "----END"), text[..60].to_owned()]
    {
        assert!(verify(PAYLOAD, broken.as_bytes(), &keys, NOW).is_err(), "{broken}");
    }
    assert_eq!(verify(PAYLOAD, b"-----BEGIN SIGNED MESSAGE-----\n", &keys, NOW), Err(Problem::Kind));
    assert_eq!(verify(PAYLOAD, &signature, &[], NOW), Err(Problem::OtherKey(format!("SSH key {fingerprint}"))));
}

/// An OpenPGP key without a passphrase, and what is under a payload by it.
fn gpg(home: &Path, user: &str, expire: &str) -> (String, Vec<u8>) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(home, PermissionsExt::from_mode(0o700)).expect("private");
    let batch = ["--batch", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback"];
    run(home, "gpg", &[&batch[..], &["--quick-generate-key", user, "ed25519", "sign", expire]].concat(), b"");
    let public = String::from_utf8(run(home, "gpg", &["--armor", "--export", user], b"")).expect("text");
    let signature = run(home, "gpg", &[&batch[..], &["-u", user, "--armor", "--detach-sign"]].concat(), PAYLOAD);
    (public, signature)
}

fn now() -> Micros {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Micros::from_seconds(i64::try_from(since.as_secs()).expect("it fits"))
}

#[test]
fn an_openpgp_signature_holds_until_its_key_expires_or_is_revoked() {
    let (one, two) = (home(), home());
    let (public, signature) = gpg(one.path(), "Ann <ann@example.com>", "2d");
    let (other, _) = gpg(two.path(), "Bob <bob@example.com>", "never");
    let keys = [key(&other), key(&public)];
    let signer = verify(PAYLOAD, &signature, &keys, now()).expect("it holds");
    assert_eq!(signer.key, keys[1]);
    assert!(signer.shown.starts_with("OpenPGP key ") && signer.shown.len() == 52, "{}", signer.shown);
    assert_eq!(verify(b"another text", &signature, &keys, now()), Err(Problem::Bad));
    assert!(matches!(verify(PAYLOAD, &signature, &keys[..1], now()), Err(Problem::OtherKey(_))));
    let later = Micros(now().0 + 3 * 86_400 * 1_000_000);
    assert_eq!(verify(PAYLOAD, &signature, &keys, later), Err(Problem::Expired));

    let print = signer.shown.strip_prefix("OpenPGP key ").expect("a fingerprint");
    let certificate = one.path().join("openpgp-revocs.d").join(format!("{print}.rev"));
    let revocation = std::fs::read_to_string(certificate).expect("gpg makes one").replace(":-----BEGIN", "-----BEGIN");
    run(one.path(), "gpg", &["--batch", "--quiet", "--import"], revocation.as_bytes());
    let revoked = String::from_utf8(run(one.path(), "gpg", &["--armor", "--export"], b"")).expect("text");
    assert_eq!(verify(PAYLOAD, &signature, &[key(&revoked)], now()), Err(Problem::Revoked));
    // The agents that gpg started end with their homes.
    for home in [&one, &two] {
        run(home.path(), "gpgconf", &["--kill", "all"], b"");
    }
}

#[test]
fn what_is_no_public_key_is_not_taken() {
    let home = home();
    let (own, public) = ssh_key(home.path(), "own", "ed25519");
    let private = std::fs::read_to_string(own).expect("readable");
    let (kind, blob) = public.split_once(' ').expect("two words");
    for (text, why) in [
        (private, InvalidSigningKey::Private),
        (String::new(), InvalidSigningKey::NotAKey),
        ("SHA256:abc".to_owned(), InvalidSigningKey::NotAKey),
        (kind.to_owned(), InvalidSigningKey::NotAKey),
        (format!("ssh-rsa {blob}"), InvalidSigningKey::NotAKey),
        (format!("cert-authority={public}"), InvalidSigningKey::Validity),
        (format!("valid-before=\"soon\" {public}"), InvalidSigningKey::Validity),
        (format!("ann {public}"), InvalidSigningKey::NotAKey),
        ("-----BEGIN PGP PUBLIC KEY BLOCK-----\nx".to_owned(), InvalidSigningKey::NotAKey),
        (format!("ssh-ed25519 {}", "A".repeat(70_000)), InvalidSigningKey::NotAKey),
    ] {
        assert_eq!(SigningKey::parse(&text), Err(why));
    }
}
