//! Turns what a client shows (a certificate, a token, a name with a password) into an `Actor`.
//!
//! A password is verified with argon2 once; then a keyed hash of name and password is remembered until the configuration
//! changes. Wrong credentials are an error, never anonymous, and are never remembered as anything but an attempt.
//! Never here: what the actor may do, HTTP status codes, the names that hooks bring.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::attempts::Attempts;
use super::kubeconfig::ADMIN_GROUP;
use super::passwords::{MAX_PASSWORD_BYTES, PasswordHash};
use super::tokens::{self, TokenHash};
use super::{NoRandom, random};
use crate::config::{Config, SharedConfig};
use crate::domain::names::UserName;
use crate::domain::policy::{Actor, Role};

/// So many passwords are verified at one time.
const VERIFYING: usize = 2;
/// So many may wait for that; more are sent away.
const WAITING: usize = 64;
/// So many verified pairs are remembered.
const REMEMBERED: usize = 1024;
/// The longest `Authorization` header that is looked at, in bytes.
const MAX_HEADER_BYTES: usize = 8192;

/// What a client shows of itself.
#[derive(Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// The client's certificate (DER), already verified against our authority by the TLS listener.
    pub peer_certificate: Option<&'a [u8]>,
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
}

/// Why credentials are not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The header or certificate cannot be read.
    #[error("the credentials cannot be read: {0}")]
    Malformed(&'static str),
    /// No such user, or not this password or token.
    #[error("the user name, password or token is wrong")]
    Wrong,
    /// A valid certificate names somebody who is not configured.
    #[error(
        "the client certificate names user {0:?}, who is not in Stoop's configuration; ask an administrator to add the user"
    )]
    UnknownUser(UserName),
    /// The name has to wait after wrong passwords.
    #[error("too many wrong passwords for this user; try again in {} s", .0.as_secs().max(1))]
    TooManyAttempts(Duration),
    /// Too many passwords are being verified.
    #[error("too many passwords are being verified right now; try again in a few seconds")]
    Busy,
    /// Verifying failed by itself.
    #[error("the credentials could not be verified; the log of Stoop says more")]
    Failed,
}

/// Knows who somebody is, by the current configuration.
pub struct Authenticator {
    config: Arc<SharedConfig>,
    secret: [u8; 32],
    remembered: Mutex<Remembered>,
    attempts: Mutex<Attempts>,
    verifying: Arc<Semaphore>,
    waiting: Semaphore,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authenticator(…)")
    }
}

/// Verified pairs of one configuration, by their keyed hash.
struct Remembered {
    config: Arc<Config>,
    pairs: HashMap<[u8; 32], UserName>,
}

impl Authenticator {
    /// An authenticator that follows the configuration through its reloads.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn new(config: Arc<SharedConfig>) -> Result<Self, NoRandom> {
        Ok(Self {
            secret: random()?,
            remembered: Mutex::new(Remembered { config: config.current(), pairs: HashMap::new() }),
            attempts: Mutex::default(),
            verifying: Arc::new(Semaphore::new(VERIFYING)),
            waiting: Semaphore::new(WAITING),
            config,
        })
    }

    /// Who shows these credentials; `None` for somebody who shows none. A certificate counts before the header.
    ///
    /// # Errors
    /// The credentials are wrong or unreadable, or cannot be verified now.
    pub async fn authenticate(&self, credentials: Credentials<'_>) -> Result<Option<Actor>, AuthError> {
        let config = self.config.current();
        if let Some(certificate) = credentials.peer_certificate {
            return of_certificate(&config, certificate).map(Some);
        }
        let Some(header) = credentials.authorization else { return Ok(None) };
        if header.len() > MAX_HEADER_BYTES {
            return Err(AuthError::Malformed("the Authorization header is longer than 8,192 bytes"));
        }
        let (scheme, value) = header.split_once(' ').unwrap_or((header, ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            of_token(&config, value.trim()).map(Some)
        } else if scheme.eq_ignore_ascii_case("basic") {
            self.of_basic(&config, value.trim()).await.map(Some)
        } else {
            Err(AuthError::Malformed("the Authorization header is neither Basic nor Bearer"))
        }
    }

    async fn of_basic(&self, config: &Arc<Config>, value: &str) -> Result<Actor, AuthError> {
        const UNREADABLE: AuthError = AuthError::Malformed("the Basic credentials are not name:password in base64");
        let text = STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(UNREADABLE)?;
        let (name, password) = text.split_once(':').ok_or(UNREADABLE)?;
        let name = UserName::parse(name).map_err(|_| AuthError::Wrong)?;
        if password.starts_with(tokens::PREFIX) {
            let actor = of_token(config, password)?;
            return if actor.name == name { Ok(actor) } else { Err(AuthError::Wrong) };
        }
        if password.len() > MAX_PASSWORD_BYTES {
            return Err(AuthError::Wrong);
        }
        let pair = self.pair(&name, password);
        if !self.knows(config, &pair, &name) {
            self.verify(config, &name, password).await?;
            self.remember(config, pair, &name);
        }
        Ok(config.actor(&name))
    }

    /// Runs argon2, at most `VERIFYING` at a time, on a thread where that may block.
    async fn verify(&self, config: &Config, name: &UserName, password: &str) -> Result<(), AuthError> {
        let _place = self.waiting.try_acquire().map_err(|_| AuthError::Busy)?;
        let permit = self.verifying.clone().acquire_owned().await.map_err(|_| AuthError::Failed)?;
        if let Some(wait) = lock(&self.attempts).wait(name, Instant::now()) {
            return Err(AuthError::TooManyAttempts(wait));
        }
        // A name that nobody has costs the same time as one that somebody has.
        let known = config.user(name).and_then(|user| user.password.clone());
        let (exists, hash) = (known.is_some(), known.unwrap_or_else(PasswordHash::of_nobody));
        let password = password.to_owned();
        let verified = tokio::task::spawn_blocking(move || {
            // Held on this thread: a client that goes away does not make room for one more.
            let _permit = permit;
            hash.verify(&password)
        });
        let right = verified.await.map_err(|_| AuthError::Failed)? && exists;
        if right {
            lock(&self.attempts).succeeded(name);
            Ok(())
        } else {
            lock(&self.attempts).failed(name, Instant::now());
            Err(AuthError::Wrong)
        }
    }

    /// A hash of the pair that is worth nothing outside this process.
    fn pair(&self, name: &UserName, password: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.secret);
        hash.update((name.as_str().len() as u64).to_le_bytes());
        hash.update(name.as_str());
        hash.update(password);
        hash.finalize().into()
    }

    fn knows(&self, config: &Arc<Config>, pair: &[u8; 32], name: &UserName) -> bool {
        let mut remembered = lock(&self.remembered);
        if !Arc::ptr_eq(&remembered.config, config) {
            *remembered = Remembered { config: config.clone(), pairs: HashMap::new() };
        }
        remembered.pairs.get(pair) == Some(name)
    }

    fn remember(&self, config: &Arc<Config>, pair: [u8; 32], name: &UserName) {
        let mut remembered = lock(&self.remembered);
        // Verified against an older configuration: right then, and asked again next time.
        if Arc::ptr_eq(&remembered.config, config) {
            if remembered.pairs.len() >= REMEMBERED {
                remembered.pairs.clear();
            }
            remembered.pairs.insert(pair, name.clone());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The owner of a token.
fn of_token(config: &Config, token: &str) -> Result<Actor, AuthError> {
    let shown = TokenHash::of(token);
    // Every hash is looked at, so that the time tells nothing.
    let owner = config.users.iter().fold(None, |found, user| {
        let matches = user.tokens.iter().fold(false, |any, hash| any | hash.matches(&shown));
        if matches { Some(user) } else { found }
    });
    owner.map(|user| config.actor(&user.name)).ok_or(AuthError::Wrong)
}

/// The user that a verified certificate names.
fn of_certificate(config: &Config, certificate: &[u8]) -> Result<Actor, AuthError> {
    const UNREADABLE: AuthError = AuthError::Malformed("the client certificate has no common name that is a user name");
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| UNREADABLE)?;
    let subject = parsed.subject();
    let name = subject.iter_common_name().next().and_then(|name| name.as_str().ok()).ok_or(UNREADABLE)?;
    let name = UserName::parse(name).map_err(|_| UNREADABLE)?;
    if subject.iter_organization().any(|group| group.as_str() == Ok(ADMIN_GROUP)) {
        return Ok(Actor { name, roles: [Role::Admin].into() });
    }
    match config.user(&name) {
        Some(_) => Ok(config.actor(&name)),
        None => Err(AuthError::UnknownUser(name)),
    }
}

#[cfg(test)]
mod tests;
