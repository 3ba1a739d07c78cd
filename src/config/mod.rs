//! The configuration: one small YAML file with users, repositories and a few settings, read whole and checked whole.
//!
//! `schema` is the file as it is written, `check` turns it into the values here, `locate` finds the line of a mistake,
//! `shared` is what the running daemon holds and reloads. A file is taken completely or not at all.
//! The policy is a file of its own, which the configuration names: `policy` reads it, `serial` keeps an older one from coming
//! back.
//! Never here: verifying credentials (see `identity`), deciding who may do what (see `domain::policy`), Kubernetes objects.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::names::{Directory, Namespace, RepositoryName, UserName};
use crate::domain::policy::{Actor, Policy, Role};
use crate::domain::refs::RefName;
use crate::domain::trunk::Trunk;
use crate::identity::kubeconfig::ADMIN;
use crate::identity::passwords::PasswordHash;
use crate::identity::ssh_keys::KeyFingerprint;
use crate::identity::tokens::TokenHash;
use crate::signature::SigningKey;

mod check;
mod error;
mod locate;
mod path;
mod policy;
mod schema;
mod serial;
mod server_environment;
mod shared;
mod source;
#[cfg(test)]
mod tests;

pub use error::ConfigError;
pub use path::{InvalidRepositoryPath, RepositoryPath};
pub use server_environment::{Account, NoAccount, environment, kept_variables};
pub use shared::SharedConfig;
pub use source::{IdentitySource, IdentityVariable};

/// The largest configuration file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Everything the configuration file says, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How the Git server says who pushes, where `servers` says nothing else.
    pub identity: IdentitySource,
    /// Parts of the root that another Git server serves, in the order of the file; paths are unique.
    pub servers: Vec<ServerConfig>,
    /// As whom a forge's hooks are told of what came through no push.
    pub announce_as: Option<Account>,
    /// Whether a clone or fetch needs no user.
    pub anonymous_read: bool,
    /// Time between two rescans of every repository.
    pub rescan: Duration,
    /// How many days what was dropped can be restored.
    pub keep_dropped_days: u32,
    /// Users, in the order of the file; names are unique.
    pub users: Vec<User>,
    /// What is said about single repositories, in the order of the file. Entries with one path are Repositories that share
    /// it: they have names, one branch, and directories of which none lies in another.
    pub repositories: Vec<RepositoryConfig>,
    /// The policy file, where one is named.
    pub policy_file: Option<PathBuf>,
    /// The policy, with what roles the users have everywhere.
    pub policy: Arc<Policy>,
}

/// One user of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name, as the hooks and the API's authentication see it.
    pub name: UserName,
    /// What the user may do; never empty.
    pub roles: BTreeSet<Role>,
    /// The hash of the password, if the user has one.
    pub password: Option<PasswordHash>,
    /// The hashes of the user's tokens.
    pub tokens: Vec<TokenHash>,
    /// The keys that the user signs pushes with; each belongs to one user only.
    pub signing_keys: Vec<SigningKey>,
    /// The SSH keys by which sshd knows the user; no key is two users'.
    pub ssh_keys: Vec<KeyFingerprint>,
}

/// Which Git server serves the repositories of a directory, or a single one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// The directory or repository below the root.
    pub path: RepositoryPath,
    /// How that server says who pushes.
    pub identity: IdentitySource,
}

impl ServerConfig {
    /// Whether the repository at this path below the root, with or without `.git`, is this server's.
    pub fn holds(&self, path: &str) -> bool {
        let path = path.strip_suffix(".git").unwrap_or(path);
        path.strip_prefix(self.path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// What the configuration says about one repository. `None` leaves the default of the repository's path and HEAD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryConfig {
    /// Where it lies below the root.
    pub path: RepositoryPath,
    /// Whether Stoop guards it; when false, Stoop leaves it alone altogether.
    pub managed: bool,
    /// The name of its Repository object.
    pub name: Option<RepositoryName>,
    /// The namespace of its Repository object.
    pub namespace: Namespace,
    /// The registered branch.
    pub branch: Option<RefName>,
    /// The directory that holds its packages.
    pub directory: Directory,
    /// Whether it is a deployment repository.
    pub deployment: bool,
    /// What becomes of a push to the registered branch that changes packages and approves no proposal.
    pub trunk: Trunk,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            identity: IdentitySource::default(),
            servers: Vec::new(),
            announce_as: None,
            anonymous_read: false,
            rescan: Duration::from_secs(60),
            keep_dropped_days: 30,
            users: Vec::new(),
            repositories: Vec::new(),
            policy_file: None,
            policy: Arc::default(),
        }
    }
}

impl Config {
    /// Reads and checks the file; without a path, the defaults.
    ///
    /// # Errors
    /// The file cannot be read, is too large, is no valid YAML, or says something that cannot be meant. The error names
    /// file, line and column.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(file) = file else { return Ok(Self::default()) };
        let mut config = check::load(file)?;
        let policy = config.policy_file.as_deref().map(Policy::load).transpose()?;
        config.put_in_force(policy.unwrap_or_default());
        Ok(config)
    }

    /// The policy decides with the users of this configuration, and with the administrator of the API.
    fn put_in_force(&mut self, policy: Policy) {
        let users = self.users.iter().map(|user| (user.name.clone(), user.roles.clone()));
        let admin = UserName::parse(ADMIN).ok().map(|name| (name, [Role::Admin].into()));
        self.policy = Arc::new(Policy { users: admin.into_iter().chain(users).collect(), ..policy });
    }

    /// Checks a text as if it were a file of the given name.
    ///
    /// # Errors
    /// As `load`, without those of reading. A policy that is named is not read.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        check::parse(text, file)
    }

    /// The configured user of that name.
    pub fn user(&self, name: &UserName) -> Option<&User> {
        self.users.iter().find(|user| user.name == *name)
    }

    /// The user who has this SSH key.
    pub fn user_of_key(&self, key: &KeyFingerprint) -> Option<&User> {
        self.users.iter().find(|user| user.ssh_keys.contains(key))
    }

    /// How the Git server of a repository says who pushes, by the repository's path below the root, with or without `.git`:
    /// the most special part of the root decides.
    pub fn identity_of(&self, path: &str) -> &IdentitySource {
        let special =
            self.servers.iter().filter(|server| server.holds(path)).max_by_key(|server| server.path.as_str().len());
        special.map_or(&self.identity, |server| &server.identity)
    }

    /// A user as the doors know them: with the configured roles, or with none for a name that is not configured.
    pub fn actor(&self, name: &UserName) -> Actor {
        let roles = self.user(name).map(|user| user.roles.clone()).unwrap_or_default();
        Actor { name: name.clone(), roles }
    }

    /// Whether a repository is given this name in this namespace.
    pub fn names(&self, namespace: &Namespace, name: &str) -> bool {
        let given =
            |repository: &RepositoryConfig| repository.name.as_ref().is_some_and(|given| given.as_str() == name);
        self.repositories.iter().any(|repository| repository.namespace == *namespace && given(repository))
    }

    /// What is said about the repository at that path below the root, written with or without `.git`; where several
    /// Repositories share it, what is said about the first. All of them agree on `managed`, `branch` and `trunk`.
    pub fn repository(&self, path: &RepositoryPath) -> Option<&RepositoryConfig> {
        self.repositories_at(path).next()
    }

    /// What is said about each of the Repositories that share the repository at that path.
    pub fn repositories_at<'c>(&'c self, path: &RepositoryPath) -> impl Iterator<Item = &'c RepositoryConfig> {
        self.repositories.iter().filter(move |repository| repository.path == *path)
    }
}
