//! Reads the file, judges every value, and refuses what cannot be meant, with its line.
//!
//! Never here: the running daemon's copy (see `shared`).

use std::collections::HashMap;
use std::fs::File;
use std::hash::Hash;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::locate::{Step, check_keys, locate};
use super::{
    Account, Config, ConfigError, IdentitySource, MAX_FILE_BYTES, RepositoryConfig, RepositoryPath, ServerConfig, User,
    schema,
};
use crate::domain::names::{Directory, Namespace, RepositoryName, UserName};
use crate::domain::refs::RefName;
use crate::identity::passwords::PasswordHash;
use crate::identity::ssh_keys::KeyFingerprint;
use crate::identity::tokens::TokenHash;
use crate::signature::SigningKey;

/// The longest time between rescans, in seconds: a day.
const MAX_RESCAN_SECONDS: i64 = 86_400;

/// The most keys that one user signs with.
const MOST_SIGNING_KEYS: usize = 8;

/// The longest time that what was dropped is kept, in days.
const MAX_KEEP_DAYS: u32 = 3_650;

pub(super) fn load(file: &Path) -> Result<Config, ConfigError> {
    parse(&read(file)?, file)
}

/// The text of a file that is not too large.
pub(super) fn read(file: &Path) -> Result<String, ConfigError> {
    let unreadable =
        |error: std::io::Error| ConfigError::new(file, None, format!("cannot be read: {error}; name a readable file"));
    let mut bytes = Vec::new();
    File::open(file).map_err(unreadable)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(ConfigError::new(file, None, "is larger than 4 MiB; is it the right file?"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        ConfigError::new(file, Some((line, 1)), "this line is not UTF-8; save the file as UTF-8")
    })
}

/// Whether a text says nothing.
pub(super) fn is_blank(text: &str) -> bool {
    text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
}

pub(super) fn parse(text: &str, file: &Path) -> Result<Config, ConfigError> {
    let yaml = |error: serde_yaml::Error| ConfigError::yaml(file, &error);
    if is_blank(text) {
        return Ok(Config::default());
    }
    check_keys(text).map_err(yaml)?;
    let written: Option<schema::File> = serde_yaml::from_str(text).map_err(yaml)?;
    Checker { text, file }.config(written.unwrap_or_default())
}

struct Checker<'a> {
    text: &'a str,
    file: &'a Path,
}

/// Where the first of something was, so that the second can name it.
struct Seen<K>(HashMap<K, String>);

impl<K: Hash + Eq> Seen<K> {
    fn new() -> Self {
        Self(HashMap::new())
    }

    /// The owner of an earlier equal key, if there is one.
    fn add(&mut self, key: K, owner: &str) -> Option<String> {
        match self.0.entry(key) {
            std::collections::hash_map::Entry::Occupied(entry) => Some(entry.get().clone()),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(owner.to_owned());
                None
            }
        }
    }
}

impl Checker<'_> {
    fn error(&self, path: &[Step<'_>], message: impl Into<String>) -> ConfigError {
        ConfigError::new(self.file, locate(self.text, path), message)
    }

    fn config(&self, written: schema::File) -> Result<Config, ConfigError> {
        let defaults = Config::default();
        let identity = match written.identity {
            None => defaults.identity,
            Some(name) => IdentitySource::parse(&name)
                .map_err(|why| self.error(&[Step::Key("identity")], format!("identity {name:?}: {why}")))?,
        };
        let rescan = match written.rescan_seconds {
            None => defaults.rescan,
            Some(seconds) if (1..=MAX_RESCAN_SECONDS).contains(&seconds) => Duration::from_secs(seconds.unsigned_abs()),
            Some(seconds) => {
                let message = format!("rescanSeconds is {seconds}; write a number from 1 to {MAX_RESCAN_SECONDS}");
                return Err(self.error(&[Step::Key("rescanSeconds")], message));
            }
        };
        let keep_dropped_days = match written.keep_dropped_days.map(u32::try_from) {
            None => defaults.keep_dropped_days,
            Some(Ok(days)) if days <= MAX_KEEP_DAYS => days,
            Some(_) => {
                let message = format!("keepDroppedDays must be a number from 0 to {MAX_KEEP_DAYS}");
                return Err(self.error(&[Step::Key("keepDroppedDays")], message));
            }
        };
        Ok(Config {
            identity,
            servers: self.servers(written.servers)?,
            announce_as: written.announce_as.map(|account| self.account(account)).transpose()?,
            anonymous_read: written.anonymous_read,
            rescan,
            keep_dropped_days,
            policy_file: written.policy.map(|path| self.policy_file(&path)).transpose()?,
            users: self.users(written.users)?,
            repositories: self.repositories(written.repositories)?,
            policy: defaults.policy,
        })
    }

    fn account(&self, written: schema::Account) -> Result<Account, ConfigError> {
        let error = |key, message: String| self.error(&[Step::Key("announceAs"), Step::Key(key)], message);
        let name = UserName::parse(&written.name).map_err(|why| error("name", why.to_string()))?;
        if written.id == 0 {
            return Err(error("id", "id is the number of the account in the forge, from 1".to_owned()));
        }
        let plain = |email: &String| !email.is_empty() && email.len() <= 254 && !email.chars().any(char::is_control);
        if let Some(email) = written.email.as_ref().filter(|email| !plain(email)) {
            return Err(error("email", format!("{email:?} is no address")));
        }
        Ok(Account { name, id: written.id, email: written.email })
    }

    /// A relative path begins where the configuration file is.
    fn policy_file(&self, path: &str) -> Result<PathBuf, ConfigError> {
        if path.is_empty() || path.contains('\0') {
            let message = "policy names no file; write a path, as in policy.yaml, or take the key out";
            return Err(self.error(&[Step::Key("policy")], message));
        }
        Ok(self.file.parent().unwrap_or(Path::new("")).join(path))
    }

    fn users(&self, written: Vec<schema::User>) -> Result<Vec<User>, ConfigError> {
        let (mut names, mut tokens, mut signing, mut keys) = (Seen::new(), Seen::new(), Seen::new(), Seen::new());
        let mut users = Vec::with_capacity(written.len());
        for (index, user) in written.into_iter().enumerate() {
            let error =
                |key, message: String| self.error(&[Step::Key("users"), Step::Index(index), Step::Key(key)], message);
            let name = UserName::parse(&user.name).map_err(|why| error("name", why.to_string()))?;
            if names.add(name.clone(), "").is_some() {
                return Err(error("name", format!("user {name:?} is there twice; merge the two entries into one")));
            }
            if user.roles.is_empty() {
                let message =
                    format!("user {name:?} has no role; give at least one of reader, author, approver, admin");
                return Err(error("roles", message));
            }
            let password = match user.password {
                None => None,
                Some(_) if name.as_str().contains(':') => {
                    let message = format!(
                        "user {name:?} cannot log in with a password, since ':' ends the name there; use a token or another name"
                    );
                    return Err(error("password", message));
                }
                Some(hash) => Some(
                    PasswordHash::parse(&hash)
                        .map_err(|why| error("password", format!("the password of user {name:?}: {why}")))?,
                ),
            };
            let mut hashes = Vec::with_capacity(user.tokens.len());
            for (place, token) in user.tokens.iter().enumerate() {
                let error = |message: String| {
                    let path = [Step::Key("users"), Step::Index(index), Step::Key("tokens"), Step::Index(place)];
                    self.error(&path, message)
                };
                let hash = TokenHash::parse(token).map_err(|why| error(format!("a token of user {name:?}: {why}")))?;
                if let Some(owner) = tokens.add(hash.clone(), name.as_str()) {
                    let message = format!(
                        "this token of user {name:?} is already one of user {owner:?}; make a new one with `stoop config token`"
                    );
                    return Err(error(message));
                }
                hashes.push(hash);
            }
            if user.signing_keys.len() > MOST_SIGNING_KEYS {
                return Err(error(
                    "signingKeys",
                    format!("user {name:?} has more than {MOST_SIGNING_KEYS} signing keys"),
                ));
            }
            let mut signing_keys = Vec::with_capacity(user.signing_keys.len());
            for (place, key) in user.signing_keys.iter().enumerate() {
                let path = [Step::Key("users"), Step::Index(index), Step::Key("signingKeys"), Step::Index(place)];
                let error = |message: String| self.error(&path, message);
                let key =
                    SigningKey::parse(key).map_err(|why| error(format!("a signing key of user {name:?}: {why}")))?;
                if let Some(owner) = signing.add(key.identity(), name.as_str()) {
                    return Err(error(format!(
                        "this signing key of user {name:?} is already one of user {owner:?}; who signs with it must be one person"
                    )));
                }
                signing_keys.push(key);
            }
            let mut ssh_keys = Vec::with_capacity(user.ssh_keys.len());
            for (place, key) in user.ssh_keys.iter().enumerate() {
                let error = |message: String| {
                    let path = [Step::Key("users"), Step::Index(index), Step::Key("sshKeys"), Step::Index(place)];
                    self.error(&path, message)
                };
                let key =
                    KeyFingerprint::parse(key).map_err(|why| error(format!("an SSH key of user {name:?}: {why}")))?;
                if let Some(owner) = keys.add(key.clone(), name.as_str()) {
                    let message = format!("the SSH key {key} of user {name:?} is already one of user {owner:?}");
                    return Err(error(message));
                }
                ssh_keys.push(key);
            }
            let roles = user.roles.into_iter().collect();
            users.push(User { name, roles, password, tokens: hashes, signing_keys, ssh_keys });
        }
        Ok(users)
    }

    fn servers(&self, written: Vec<schema::Server>) -> Result<Vec<ServerConfig>, ConfigError> {
        let mut paths = Seen::new();
        let mut servers = Vec::with_capacity(written.len());
        for (index, entry) in written.into_iter().enumerate() {
            let error =
                |key, message: String| self.error(&[Step::Key("servers"), Step::Index(index), Step::Key(key)], message);
            let path = RepositoryPath::parse(&entry.path).map_err(|why| error("path", why.to_string()))?;
            if paths.add(path.clone(), "").is_some() {
                return Err(error("path", format!("server path {path:?} is there twice; one server serves it")));
            }
            let identity = IdentitySource::parse(&entry.identity)
                .map_err(|why| error("identity", format!("identity {:?}: {why}", entry.identity)))?;
            servers.push(ServerConfig { path, identity });
        }
        Ok(servers)
    }

    fn repositories(&self, written: Vec<schema::Repository>) -> Result<Vec<RepositoryConfig>, ConfigError> {
        let mut names = Seen::new();
        let mut repositories: Vec<RepositoryConfig> = Vec::with_capacity(written.len());
        for (index, entry) in written.into_iter().enumerate() {
            let error = |key, message: String| {
                self.error(&[Step::Key("repositories"), Step::Index(index), Step::Key(key)], message)
            };
            let path = RepositoryPath::parse(&entry.path).map_err(|why| error("path", why.to_string()))?;
            let namespace = entry.namespace.as_deref().unwrap_or("default");
            let namespace = Namespace::parse(namespace).map_err(|why| error("namespace", why.to_string()))?;
            let name = entry.name.as_deref().map(RepositoryName::parse).transpose();
            let name = name.map_err(|why| error("name", why.to_string()))?;
            if let Some(name) = &name
                && let Some(owner) = names.add((namespace.clone(), name.clone()), path.as_str())
            {
                let message = format!(
                    "the name {name:?} in namespace {namespace:?} already belongs to repository {owner:?}; choose another name or namespace"
                );
                return Err(error("name", message));
            }
            let branch = match entry.branch.as_deref() {
                None => None,
                Some(branch) if branch.starts_with("refs/") => {
                    let message = format!("branch {branch:?}: write the branch's name without refs/heads/, as in main");
                    return Err(error("branch", message));
                }
                Some(branch) => Some(RefName::branch(branch).map_err(|_| {
                    error("branch", format!("branch {branch:?} is no name that Git takes; write one as in main"))
                })?),
            };
            let directory = Directory::parse(entry.directory.as_deref().unwrap_or("/"))
                .map_err(|why| error("directory", why.to_string()))?;
            let repository = RepositoryConfig {
                path,
                managed: entry.managed,
                name,
                namespace,
                branch,
                directory,
                deployment: entry.deployment,
                trunk: entry.trunk,
            };
            for other in repositories.iter().filter(|other| other.path == repository.path) {
                share(other, &repository).map_err(|message| error("path", message))?;
            }
            repositories.push(repository);
        }
        Ok(repositories)
    }
}

/// Whether two Repositories can share one bare repository: each with a name and packages of its own, on one branch.
fn share(one: &RepositoryConfig, other: &RepositoryConfig) -> Result<(), String> {
    let twice = format!("repository {:?} is there twice ('.git' does not count)", one.path);
    if one.directory.overlaps(&other.directory) {
        return Err(format!(
            "{twice}, on the directories \"/{}\" and \"/{}\", which share packages; merge the two entries into one, or give each a directory of its own",
            one.directory, other.directory
        ));
    }
    if one.name.is_none() || other.name.is_none() {
        return Err(format!("{twice}, so each of its entries needs a name; add `name` to both"));
    }
    if one.managed != other.managed {
        return Err(format!("{twice}, once with managed: false; a repository is managed as a whole or not at all"));
    }
    if one.branch != other.branch {
        return Err(format!(
            "{twice}, with different branches; Repositories that share one have one branch: name the same in both"
        ));
    }
    if one.trunk != other.trunk {
        return Err(format!(
            "{twice}, with different settings `trunk`; one push to their branch may touch both: write the same in both"
        ));
    }
    Ok(())
}
