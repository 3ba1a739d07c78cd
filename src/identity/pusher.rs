//! Who pushes, by what the Git server told the hook, read as the configuration says.
//!
//! Never here: what the pusher may do, and the hook itself.

use super::ssh_keys::{self, KeyFingerprint};
use crate::config::{Config, IdentitySource};
use crate::domain::names::UserName;
use crate::domain::policy::Actor;
use crate::domain::refusal::{Code, Refusal};

/// What the hook was told, as it says itself.
#[derive(Debug, Clone, Copy)]
pub enum Told<'a> {
    /// Nothing.
    Nothing,
    /// The value of a variable.
    Name(&'a [u8]),
    /// The content of sshd's file on the login.
    Login(&'a [u8]),
}

/// The user whom the Git server named, in the way that the configuration expects of it; what is told in any other way is not
/// heard.
///
/// # Errors
/// Nobody is named, or nobody that can be a user; the refusal says what is missing.
pub fn pusher(config: &Config, source: &IdentitySource, told: Told<'_>) -> Result<Actor, Refusal> {
    match (source, told) {
        (IdentitySource::Sshd, Told::Login(file)) => by_key(config, file),
        (IdentitySource::Sshd, _) => Err(nobody("sshd says nothing about the login")
            .next("the administrator of this Git server sets ExposeAuthInfo yes in sshd's configuration")),
        (_, Told::Name(name)) => by_name(config, source.variable(), name),
        (_, _) => Err(nobody(&format!("{} is not set", source.variable()))
            .next("push through the Git server's own door and log in there")),
    }
}

fn by_name(config: &Config, variable: &str, name: &[u8]) -> Result<Actor, Refusal> {
    let name = std::str::from_utf8(name).ok().and_then(|text| UserName::parse(text).ok());
    match name {
        Some(name) => Ok(config.actor(&name)),
        None => Err(Refusal::new(Code::NoIdentity, format!("the user name in {variable} is not usable"))
            .next("user names have 1 to 253 printable characters, without < and >")),
    }
}

/// The one user whose keys the login showed.
fn by_key(config: &Config, file: &[u8]) -> Result<Actor, Refusal> {
    let keys = ssh_keys::shown(file).map_err(|error| nobody(&error.to_string()))?;
    let mut owners: Vec<Option<(&UserName, &KeyFingerprint)>> = Vec::new();
    for key in &keys {
        let Some(user) = config.user_of_key(key) else {
            return Err(nobody(&format!("no user has the key {key}"))
                .next("ask the administrator of this Git server to add it to your sshKeys"));
        };
        owners.push(Some((&user.name, key)));
    }
    let mut names = owners.into_iter().flatten().map(|(name, _)| name);
    match names.next() {
        Some(first) if names.all(|name| name == first) => Ok(config.actor(first)),
        _ => Err(nobody("the keys of the login belong to different users")),
    }
}

fn nobody(why: &str) -> Refusal {
    Refusal::new(Code::NoIdentity, format!("nobody is known to push this: {why}"))
}
