//! Tokens: random names for a user that programs send. Stoop keeps only their SHA-256.
//!
//! A token has 256 random bits, so a plain hash is enough and verifying costs nothing.
//! Never here: whose token it is (see `authenticate`).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::{NoRandom, random, same_digest};

/// What every token begins with, so that people and secret scanners know one when they see it.
pub const PREFIX: &str = "stoop_";

/// A new token. It is shown once, to the one who asked; never by `Debug`.
pub struct Token(String);

/// The SHA-256 of a token, `sha256:<64 hexadecimal digits>`. Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

/// Why a text is no token hash. The text itself is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTokenHash {
    /// It is the token itself.
    #[error(
        "this is a token itself, and now known to whoever reads the file; make a new one with `stoop config token` and write its sha256:… line"
    )]
    Token,
    /// It is something else.
    #[error("write sha256: and 64 hexadecimal digits, as `stoop config token` prints them")]
    NotAHash,
}

impl Token {
    /// A new random token.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn make() -> Result<Self, NoRandom> {
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random::<32>()?))))
    }

    /// The token, for its owner.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl TokenHash {
    /// The hash of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Takes `sha256:` and 64 hexadecimal digits.
    ///
    /// # Errors
    /// The text is something else.
    pub fn parse(text: &str) -> Result<Self, InvalidTokenHash> {
        if text.starts_with(PREFIX) {
            return Err(InvalidTokenHash::Token);
        }
        let digits = text.strip_prefix("sha256:").ok_or(InvalidTokenHash::NotAHash)?.as_bytes();
        let mut hash = [0; 32];
        if digits.len() != 64 {
            return Err(InvalidTokenHash::NotAHash);
        }
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |at: u8| char::from(at).to_digit(16).ok_or(InvalidTokenHash::NotAHash);
            *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
        }
        Ok(Self(hash))
    }

    /// Whether both are the hash of one token; takes the same time wherever they differ.
    pub fn matches(&self, other: &Self) -> bool {
        same_digest(&self.0, &other.0)
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_random_and_known_by_their_hash() {
        let (one, two) = (Token::make().expect("random"), Token::make().expect("random"));
        assert!(one.reveal().starts_with("stoop_") && one.reveal().len() == 6 + 43, "{}", one.reveal());
        assert_ne!(one.reveal(), two.reveal());
        let hash = TokenHash::of(one.reveal());
        assert!(hash.matches(&TokenHash::parse(&hash.to_string()).expect("round trip")));
        assert!(!hash.matches(&TokenHash::of(two.reveal())));
        assert!(!format!("{one:?}{hash:?}").contains(&one.reveal()[6..12]));
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        let digits = "0f".repeat(32);
        assert!(TokenHash::parse(&format!("sha256:{digits}")).is_ok());
        for bad in
            ["", "sha256:", &digits, &format!("sha256:{}g", &digits[1..]), &format!("sha256:{digits}0"), "sha1:00"]
        {
            assert_eq!(TokenHash::parse(bad), Err(InvalidTokenHash::NotAHash), "{bad}");
        }
        assert_eq!(TokenHash::parse("stoop_abc"), Err(InvalidTokenHash::Token));
    }
}
