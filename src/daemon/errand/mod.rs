//! What an administrator on the server has done beside the doors: refs put back, what was dropped restored. The daemon that
//! runs does it, asked over a socket that only its user can reach; where none runs, the command does it alone.
//!
//! Never here: deciding whether it may be done (see `commands`), and finding out who asks: whoever reaches the state
//! directory could write the repositories themselves, so the name is taken as it is given.

mod alone;
mod socket;

use std::path::PathBuf;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

pub(super) use socket::Server;

use crate::commands::put_back::put_back;
use crate::commands::repository::ManagedRepository;
use crate::commands::restore::restore;
use crate::config::{Config, RepositoryPath};
use crate::domain::evidence::Limits;
use crate::domain::names::{PackagePath, UserName, Workspace};
use crate::domain::policy::{Actor, Role};
use crate::domain::refusal::Refusal;
use crate::identity::kubeconfig::ADMIN;

/// What is to be done.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Errand {
    /// Put the refs of a package, or of the whole repository, back to what the ledger says.
    PutBack(Option<PackagePath>),
    /// Make a dropped draft or proposal a draft again.
    Restore(PackagePath, Workspace),
}

/// Who wants what done to which repository.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// In whose name: it is recorded, and its rights count.
    pub user: UserName,
    /// The repository's path below the root.
    pub repository: String,
    /// What is to be done.
    pub errand: Errand,
}

/// What became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// What was done, one line each.
    pub done: Vec<String>,
    /// What was not, and why.
    pub left: Vec<String>,
    /// Why nothing was done.
    pub refused: Option<String>,
}

impl Reply {
    fn refused(why: impl ToString) -> Self {
        Self { refused: Some(why.to_string()), ..Self::default() }
    }
}

/// Where the errand is run.
#[derive(Debug, Clone)]
pub struct Place {
    /// The directory below which the repositories are.
    pub root: PathBuf,
    /// The daemon's state directory.
    pub state: PathBuf,
    /// The configuration file, for when no daemon runs.
    pub config: Option<PathBuf>,
}

/// Has the errand done, by the daemon if one runs, and gives what became of it.
///
/// # Errors
/// The daemon cannot be asked, what it needs cannot be had, or it was refused.
pub fn run(place: &Place, request: &Request) -> Result<Reply> {
    RepositoryPath::parse(&request.repository)?;
    let reply = match socket::ask(&place.state, request)? {
        Some(reply) => reply,
        None => alone::run(place, request)?,
    };
    match reply.refused {
        Some(why) => bail!("{why}"),
        None => Ok(reply),
    }
}

/// Who that is: the administrator of this server, who holds the state directory, or a user of the configuration.
fn actor(config: &Config, user: &UserName) -> Actor {
    if user.as_str() == ADMIN {
        return Actor { name: user.clone(), roles: [Role::Admin].into() };
    }
    config.actor(user)
}

/// Does it.
fn carry_out(repository: &ManagedRepository, actor: &Actor, errand: &Errand) -> Reply {
    let done = match errand {
        Errand::PutBack(package) => put_back(repository, actor, package.as_ref()).map(|outcome| Reply {
            done: outcome.done,
            left: outcome.left,
            refused: None,
        }),
        Errand::Restore(package, workspace) => restore(repository, actor, (package, workspace), &Limits::default())
            .map(|dropped| {
                let line = format!("{package} {workspace}: a draft again at {}", dropped.commit.short());
                Reply { done: vec![line], ..Reply::default() }
            }),
    };
    done.unwrap_or_else(|refusal: Refusal| {
        tracing::info!(repository = %repository.guarded.key().name, user = %actor.name, code = refusal.code.as_str(), reason = refusal.reason, "errand refused");
        Reply::refused(format!("{refusal} [{}]", refusal.code.as_str()))
    })
}
