//! The policy file as it is written: keys and plain values, nothing judged yet.
//!
//! Never here: judging the values (see `check`).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "a mapping with serial, groups and rules")]
pub(super) struct File {
    pub(super) serial: i64,
    #[serde(default, deserialize_with = "empty_as_none")]
    pub(super) groups: BTreeMap<String, Vec<String>>,
    #[serde(default, deserialize_with = "empty_as_none")]
    pub(super) rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "a mapping with keys such as packages and fourEyes")]
pub(super) struct Rule {
    pub(super) name: Option<String>,
    pub(super) repositories: Option<Vec<String>>,
    pub(super) packages: Option<Vec<String>>,
    #[serde(default, deserialize_with = "empty_as_none")]
    pub(super) roles: BTreeMap<String, Vec<String>>,
    #[serde(default, deserialize_with = "empty_as_none")]
    pub(super) reserved_for: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(super) four_eyes: bool,
    pub(super) approvals: Option<i64>,
    #[serde(default, deserialize_with = "empty_as_none")]
    pub(super) readiness_gates: Vec<String>,
    #[serde(default, deserialize_with = "empty_as_none")]
    pub(super) freeze: Vec<Freeze>,
    pub(super) unbound_approvals: Option<Unbound>,
    #[serde(default, deserialize_with = "empty_as_none")]
    pub(super) signed: Vec<String>,
    #[serde(default, deserialize_with = "empty_as_none")]
    pub(super) report_only: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "a mapping with from, until and timeZone")]
pub(super) struct Freeze {
    pub(super) name: Option<String>,
    pub(super) from: String,
    pub(super) until: String,
    pub(super) time_zone: String,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Unbound {
    Allow,
    Refuse,
}

/// A key whose value is left out or commented out is one without entries.
fn empty_as_none<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
