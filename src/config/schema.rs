//! The configuration file as it is written: keys and plain values, nothing judged yet.
//!
//! Names stay text here, because the YAML reader only knows the line of a mistake that it finds itself.
//! Never here: judging the values (see `check`) and finding their lines (see `locate`).

use serde::{Deserialize, Deserializer};

use crate::domain::policy::Role;
use crate::domain::trunk::Trunk;

#[derive(Deserialize, Default)]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    expecting = "a mapping with keys such as users and repositories"
)]
pub(super) struct File {
    pub(super) identity: Option<String>,
    #[serde(default, deserialize_with = "empty_as_none")]
    pub(super) servers: Vec<Server>,
    pub(super) announce_as: Option<Account>,
    #[serde(default)]
    pub(super) anonymous_read: bool,
    pub(super) rescan_seconds: Option<i64>,
    pub(super) keep_dropped_days: Option<i64>,
    pub(super) policy: Option<String>,
    #[serde(default, deserialize_with = "empty_as_none")]
    pub(super) users: Vec<User>,
    #[serde(default, deserialize_with = "empty_as_none")]
    pub(super) repositories: Vec<Repository>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "a mapping with name and roles")]
pub(super) struct User {
    pub(super) name: String,
    pub(super) roles: Vec<Role>,
    pub(super) password: Option<String>,
    #[serde(default, deserialize_with = "empty_as_none")]
    pub(super) tokens: Vec<String>,
    #[serde(default, deserialize_with = "empty_as_none")]
    pub(super) signing_keys: Vec<String>,
    #[serde(default, deserialize_with = "empty_as_none")]
    pub(super) ssh_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "a mapping with path and identity")]
pub(super) struct Server {
    pub(super) path: String,
    pub(super) identity: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "a mapping with name and id")]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) id: u64,
    pub(super) email: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "a mapping with path")]
pub(super) struct Repository {
    pub(super) path: String,
    #[serde(default = "yes")]
    pub(super) managed: bool,
    pub(super) name: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) branch: Option<String>,
    pub(super) directory: Option<String>,
    #[serde(default)]
    pub(super) deployment: bool,
    #[serde(default)]
    pub(super) trunk: Trunk,
}

fn yes() -> bool {
    true
}

/// A key whose list is empty or commented out is an empty list.
fn empty_as_none<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
