//! OpenPGP signatures, verified by `gpg` with a home directory of their own that holds one key block.
//!
//! Never here: trust in other keys, key servers, and reading gpg's sentences: only its status lines are read.

use super::Problem;
use super::program::{Scratch, run};
use crate::domain::timestamp::Micros;

/// How the lines for programs begin.
const STATUS: &str = "[GNUPG:] ";

/// Verifies a signature by one of the keys of an armored block; gives the key as people know it.
pub(super) fn verify(payload: &[u8], signature: &[u8], key: &str, at: Micros) -> Result<String, Problem> {
    let scratch = Scratch::new()?;
    let key = scratch.file("key", key.as_bytes())?;
    let (signature, payload) = (scratch.file("signature", signature)?, scratch.file("payload", payload)?);
    let gpg = |words: &[&str]| {
        let mut command = scratch.command("gpg");
        command.arg("--homedir").arg(scratch.path()).args([
            "--batch",
            "--no-tty",
            "--no-options",
            "--no-autostart",
            "--no-auto-check-trustdb",
            "--trust-model=always",
            "--ignore-time-conflict",
            "--status-fd=1",
        ]);
        command.args(words);
        command
    };
    let mut import = gpg(&["--import"]);
    import.arg(&key);
    run(import, None)?;
    let mut verify = gpg(&[&format!("--faked-system-time={}", at.seconds()), "--verify"]);
    verify.arg(&signature).arg(&payload);
    read(&run(verify, None)?.said)
}

/// Reads the status lines of a verification. Exactly one good signature and one valid one is what counts.
fn read(status: &str) -> Result<String, Problem> {
    let lines = || status.lines().filter_map(|line| line.strip_prefix(STATUS));
    let count = |word: &str| lines().filter(|line| line.split(' ').next() == Some(word)).count();
    let any = |words: &[&str]| words.iter().any(|word| count(word) > 0);
    if any(&["REVKEYSIG"]) {
        return Err(Problem::Revoked);
    }
    if any(&["EXPKEYSIG", "EXPSIG"]) {
        return Err(Problem::Expired);
    }
    if any(&["BADSIG"]) {
        return Err(Problem::Bad);
    }
    if let Some(key) = lines().find_map(|line| line.strip_prefix("NO_PUBKEY ")) {
        return Err(Problem::OtherKey(format!("OpenPGP key {key}")));
    }
    if count("GOODSIG") != 1 || count("VALIDSIG") != 1 || any(&["ERRSIG"]) {
        return Err(Problem::Bad);
    }
    // The last word is the primary key, whichever of its subkeys signed.
    let valid = lines().find_map(|line| line.strip_prefix("VALIDSIG "));
    let primary = valid.and_then(|valid| valid.rsplit(' ').next()).ok_or(Problem::Bad)?;
    Ok(format!("OpenPGP key {primary}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_good_and_valid_signature_counts() {
        let good =
            "[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 1234 Ann\n[GNUPG:] VALIDSIG SUB 2026-01-01 1 0 4 0 22 10 00 PRIMARY\n";
        assert_eq!(read(good), Ok("OpenPGP key PRIMARY".to_owned()));
        assert_eq!(read(&[good, good].concat()), Err(Problem::Bad));
        assert_eq!(read(&good.replace("GOODSIG", "EXPKEYSIG")), Err(Problem::Expired));
        assert_eq!(read(&good.replace("GOODSIG", "REVKEYSIG")), Err(Problem::Revoked));
        assert_eq!(read("[GNUPG:] BADSIG 1234 Ann\n"), Err(Problem::Bad));
        assert_eq!(read(&format!("{good}[GNUPG:] BADSIG 1234 Ann\n")), Err(Problem::Bad));
        assert_eq!(read(""), Err(Problem::Bad));
        assert_eq!(read(&good.replace("[GNUPG:] ", "gpg: ")), Err(Problem::Bad), "a user id's words are no status");
        let missing = "[GNUPG:] ERRSIG 12 1 10 00 1 9\n[GNUPG:] NO_PUBKEY 12\n";
        assert_eq!(read(missing), Err(Problem::OtherKey("OpenPGP key 12".to_owned())));
    }
}
