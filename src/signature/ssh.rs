//! SSH signatures, verified by `ssh-keygen -Y verify`.
//!
//! Never here: the format beyond the key that a signature names, which only chooses whom to ask about.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::keys::{fingerprint, take_string};
use super::program::{Scratch, run};
use super::{Problem, Signer, SigningKey};
use crate::domain::timestamp::Micros;

/// What git signs for.
const NAMESPACE: &str = "git";
/// The one name in the file that ssh-keygen is given.
const PRINCIPAL: &str = "signer";

pub(super) fn verify(payload: &[u8], signature: &[u8], keys: &[SigningKey], at: Micros) -> Result<Signer, Problem> {
    let blob = signing_blob(signature).ok_or(Problem::Bad)?;
    let shown = fingerprint(&blob);
    let is_signing = |key: &&SigningKey| matches!(key, SigningKey::Ssh(key) if key.blob() == blob);
    let Some(key @ SigningKey::Ssh(ssh)) = keys.iter().find(is_signing) else {
        return Err(Problem::OtherKey(format!("SSH key {shown}")));
    };
    let scratch = Scratch::new()?;
    let (allowed, signature) =
        (scratch.file("allowed", ssh.allowed(PRINCIPAL).as_bytes())?, scratch.file("signature", signature)?);
    let payload = scratch.file("payload", payload)?;
    let time = format!("-Overify-time={}", compact(at));
    let question = |time: &str| {
        let mut command = scratch.command("ssh-keygen");
        command
            .args(["-Y", "verify", "-n", NAMESPACE, "-I", PRINCIPAL])
            .arg(time)
            .arg("-f")
            .arg(&allowed)
            .arg("-s")
            .arg(&signature);
        run(command, Some(&payload))
    };
    let answer = question(&time)?;
    if answer.success && answer.said.starts_with("Good ") {
        return Ok(Signer { key: key.clone(), shown: format!("SSH key {shown}") });
    }
    // Without its times the same key tells whether they are all that is wrong.
    let mut command = scratch.command("ssh-keygen");
    command.args(["-Y", "check-novalidate", "-n", NAMESPACE, "-s"]).arg(&signature);
    let holds = run(command, Some(&payload))?.success;
    Err(if holds { Problem::Expired } else { Problem::Bad })
}

/// The public key that an armored signature names.
fn signing_blob(armor: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(armor).ok()?.trim_end();
    let body = text.strip_prefix("-----BEGIN SSH SIGNATURE-----")?.strip_suffix("-----END SSH SIGNATURE-----")?;
    let body: String = body.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(body).ok()?;
    let rest = bytes.strip_prefix(b"SSHSIG\0\0\0\x01")?;
    take_string(rest).map(|(key, _)| key.to_vec())
}

/// `YYYYMMDDHHMMSS`, in UTC, as ssh-keygen takes it.
fn compact(at: Micros) -> String {
    at.to_string().chars().filter(char::is_ascii_digit).collect()
}
