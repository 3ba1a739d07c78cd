//! Passwords: their argon2id hashes, made and verified.
//!
//! Never here: limiting how often somebody tries (see `authenticate`), and the password itself in any text or log.

use std::fmt;

use argon2::password_hash::{PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params};

use super::{NoRandom, random};

/// The longest password that is looked at, in bytes.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// The argon2id hash of a password, `$argon2id$…`. Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

/// Why a text is no usable password hash. The text itself is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPasswordHash {
    /// It is something else, most likely the password itself.
    #[error("this is no argon2id hash; make one with `stoop config password` and write that")]
    NotAHash,
    /// Verifying it would cost too much.
    #[error(
        "this hash needs too much memory or time (at most m=262144, t=16, p=16); make one with `stoop config password`"
    )]
    TooCostly,
}

/// Why a new password cannot be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Its length is not taken.
    #[error("a password has 8 to 1,024 bytes")]
    Length,
    /// It could not be typed at a prompt.
    #[error("a password holds no line end and no other control character")]
    Control,
    /// The system failed.
    #[error(transparent)]
    NoRandom(#[from] NoRandom),
    /// The hash could not be computed.
    #[error("the password could not be hashed")]
    Hashing,
}

impl PasswordHash {
    /// Takes an argon2id hash in the PHC string form, with bounded costs.
    ///
    /// # Errors
    /// The text is no such hash.
    pub fn parse(text: &str) -> Result<Self, InvalidPasswordHash> {
        let hash = argon2::PasswordHash::new(text).map_err(|_| InvalidPasswordHash::NotAHash)?;
        if hash.algorithm != Algorithm::Argon2id.ident() || hash.hash.is_none() || hash.salt.is_none() {
            return Err(InvalidPasswordHash::NotAHash);
        }
        let costs = Params::try_from(&hash).map_err(|_| InvalidPasswordHash::NotAHash)?;
        if costs.m_cost() > 256 * 1024 || costs.t_cost() > 16 || costs.p_cost() > 16 {
            return Err(InvalidPasswordHash::TooCostly);
        }
        Ok(Self(text.to_owned()))
    }

    /// The hash of a new password, with a new salt. Takes some 20 to 100 ms of processor time and 19 MiB.
    ///
    /// # Errors
    /// The password's length or characters, or the system.
    pub fn of(password: &str) -> Result<Self, PasswordError> {
        if !(8..=MAX_PASSWORD_BYTES).contains(&password.len()) {
            return Err(PasswordError::Length);
        }
        if password.chars().any(char::is_control) {
            return Err(PasswordError::Control);
        }
        let salt = SaltString::encode_b64(&random::<16>()?).map_err(|_| PasswordError::Hashing)?;
        let hash = Argon2::default().hash_password(password.as_bytes(), &salt).map_err(|_| PasswordError::Hashing)?;
        Ok(Self(hash.to_string()))
    }

    /// Whether this is the hash of that password. Costs what `of` costs: never call it on an async thread.
    pub fn verify(&self, password: &str) -> bool {
        password.len() <= MAX_PASSWORD_BYTES
            && argon2::PasswordHash::new(&self.0)
                .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
    }

    /// The hash as it is written into the configuration.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A hash that no password has, to spend on an unknown user the time that a known one costs.
    pub(super) fn of_nobody() -> Self {
        Self(
            "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm9ib2R5$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                .to_owned(),
        )
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_verifies_its_password_only() {
        let hash = PasswordHash::of("correct horse").expect("hashed");
        assert!(hash.verify("correct horse"));
        assert!(!hash.verify("correct horsf"));
        assert!(!hash.verify(""));
        assert_ne!(hash, PasswordHash::of("correct horse").expect("hashed"), "the salt differs");
        assert_eq!(PasswordHash::parse(hash.as_str()), Ok(hash.clone()));
        assert!(!format!("{hash:?}").contains("argon2"));
    }

    #[test]
    fn what_is_no_affordable_argon2id_hash_is_refused() {
        let good = PasswordHash::of_nobody();
        assert_eq!(PasswordHash::parse(good.as_str()), Ok(good.clone()));
        for bad in ["", "secret", "$argon2id$", "$2y$10$abc", "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5"] {
            assert_eq!(PasswordHash::parse(bad), Err(InvalidPasswordHash::NotAHash), "{bad}");
        }
        let weaker = good.as_str().replace("argon2id", "argon2i");
        assert_eq!(PasswordHash::parse(&weaker), Err(InvalidPasswordHash::NotAHash));
        let costly = good.as_str().replace("m=19456", "m=4000000");
        assert_eq!(PasswordHash::parse(&costly), Err(InvalidPasswordHash::TooCostly));
    }

    #[test]
    fn new_passwords_have_limits() {
        assert_eq!(PasswordHash::of("short"), Err(PasswordError::Length));
        assert_eq!(PasswordHash::of(&"x".repeat(1025)), Err(PasswordError::Length));
        assert_eq!(PasswordHash::of("with\nline end"), Err(PasswordError::Control));
    }
}
