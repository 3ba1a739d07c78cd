//! Judges every value of a policy file, and refuses what cannot be meant, with its line.
//!
//! Never here: what the rules do with the values.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::num::NonZeroU32;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{schema, time};
use crate::config::ConfigError;
use crate::config::locate::{Step, check_keys, locate};
use crate::domain::lifecycle::Action;
use crate::domain::names::UserName;
use crate::domain::policy::freeze::Freeze;
use crate::domain::policy::glob::Glob;
use crate::domain::policy::judge::RULES;
use crate::domain::policy::{Block, People, Policy, Role};
use crate::domain::refusal::Code;

/// The most approvals a rule may want.
const MOST_APPROVALS: i64 = 100;
/// So many users all rules together may name, each counted as often as it is named, by groups as well.
const MOST_NAMED: usize = 200_000;
/// The longest name of a rule, a group, a freeze or a gate, in characters.
const LONGEST_NAME: usize = 100;
/// What a group's name begins with where people are named.
const GROUP: &str = "group:";

pub(super) fn parse(text: &str, file: &Path) -> Result<Policy, ConfigError> {
    let yaml = |error: serde_yaml::Error| ConfigError::yaml(file, &error);
    check_keys(text).map_err(yaml)?;
    let written: schema::File = serde_yaml::from_str(text).map_err(yaml)?;
    let mut checker = Checker { text, file, groups: BTreeMap::new(), named: 0 };
    let serial = u64::try_from(written.serial).ok().filter(|serial| *serial > 0).ok_or_else(|| {
        checker.error(&[Step::Key("serial")], format!("serial is {}; write a number from 1 up", written.serial))
    })?;
    checker.read_groups(written.groups)?;
    let mut blocks = Vec::with_capacity(written.rules.len());
    let mut names = HashSet::new();
    for (at, rule) in written.rules.into_iter().enumerate() {
        let block = checker.block(at, rule)?;
        if !names.insert(block.name.clone()) {
            let message = format!("rule {:?} is there twice; give each its own name", block.name);
            return Err(checker.error(&[Step::Key("rules"), Step::Index(at), Step::Key("name")], message));
        }
        blocks.push(block);
    }
    let digest = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Policy { serial, digest, blocks, users: BTreeMap::new() })
}

struct Checker<'a> {
    text: &'a str,
    file: &'a Path,
    groups: BTreeMap<String, BTreeSet<UserName>>,
    named: usize,
}

impl Checker<'_> {
    fn error(&self, path: &[Step<'_>], message: impl Into<String>) -> ConfigError {
        ConfigError::new(self.file, locate(self.text, path), message)
    }

    fn read_groups(&mut self, written: BTreeMap<String, Vec<String>>) -> Result<(), ConfigError> {
        for (name, members) in written {
            let path = [Step::Key("groups"), Step::Key(&name)];
            if !is_plain(&name) || name.contains(':') {
                let message = format!("group {name:?}: a group has a short plain name, as in net-leads");
                return Err(self.error(&path, message));
            }
            if members.is_empty() {
                return Err(self.error(&path, format!("group {name:?} has no member; name one, or take it out")));
            }
            let mut users = BTreeSet::new();
            for (at, member) in members.iter().enumerate() {
                let path = [Step::Key("groups"), Step::Key(&name), Step::Index(at)];
                if member.starts_with(GROUP) {
                    let message = format!("{member:?}: a group holds users, not other groups; name its members");
                    return Err(self.error(&path, message));
                }
                users.insert(UserName::parse(member).map_err(|why| self.error(&path, why.to_string()))?);
            }
            self.groups.insert(name, users);
        }
        Ok(())
    }

    fn block(&mut self, at: usize, rule: schema::Rule) -> Result<Block, ConfigError> {
        let here = |key| [Step::Key("rules"), Step::Index(at), Step::Key(key)];
        let name = rule.name.unwrap_or_else(|| format!("number {}", at + 1));
        if !is_plain(&name) {
            let message = format!("name {name:?}: write 1 to {LONGEST_NAME} printable characters");
            return Err(self.error(&here("name"), message));
        }
        let approvals = match rule.approvals {
            None => None,
            Some(number) => Some(
                u32::try_from(number).ok().filter(|_| number <= MOST_APPROVALS).and_then(NonZeroU32::new).ok_or_else(
                    || {
                        let message = format!("approvals is {number}; write a number from 1 to {MOST_APPROVALS}");
                        self.error(&here("approvals"), message)
                    },
                )?,
            ),
        };
        for (gate_at, gate) in rule.readiness_gates.iter().enumerate() {
            if !is_plain(gate) {
                let path = [&here("readinessGates")[..], &[Step::Index(gate_at)]].concat();
                return Err(self.error(&path, format!("{gate:?} is no type of a condition; write one as in Tested")));
            }
        }
        let mut freezes = Vec::with_capacity(rule.freeze.len());
        for (freeze_at, freeze) in rule.freeze.into_iter().enumerate() {
            freezes.push(self.freeze(&[&here("freeze")[..], &[Step::Index(freeze_at)]].concat(), freeze)?);
        }
        Ok(Block {
            repositories: self.globs(&here("repositories"), rule.repositories)?,
            packages: self.globs(&here("packages"), rule.packages)?,
            roles: self.people(&here("roles"), rule.roles, &[Role::Author, Role::Approver, Role::Admin])?,
            reserved: self.people(&here("reservedFor"), rule.reserved_for, &[Role::Author, Role::Approver])?,
            four_eyes: rule.four_eyes,
            approvals,
            readiness_gates: rule.readiness_gates,
            freezes,
            signed: self.actions(&here("signed"), &rule.signed)?,
            refuses_unbound: rule.unbound_approvals == Some(schema::Unbound::Refuse),
            report_only: self.codes(&here("reportOnly"), &rule.report_only)?,
            name,
        })
    }

    fn globs(&self, path: &[Step<'_>], written: Option<Vec<String>>) -> Result<Vec<Glob>, ConfigError> {
        let Some(written) = written else { return Ok(Vec::new()) };
        if written.is_empty() {
            return Err(self.error(path, "this covers nothing; leave the key out to cover all, or write a pattern"));
        }
        let glob = |(at, text): (usize, &String)| {
            let path = [path, &[Step::Index(at)]].concat();
            Glob::parse(text).map_err(|why| self.error(&path, format!("pattern {text:?}: {why}")))
        };
        written.iter().enumerate().map(glob).collect()
    }

    fn people(
        &mut self,
        path: &[Step<'_>],
        written: BTreeMap<String, Vec<String>>,
        roles: &[Role],
    ) -> Result<BTreeMap<Role, People>, ConfigError> {
        let mut all = BTreeMap::new();
        for (key, list) in written {
            let path = [path, &[Step::Key(&key)]].concat();
            let Some(role) = roles.iter().find(|role| role.as_str() == key) else {
                let known: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
                return Err(self.error(&path, format!("role {key:?} is none of {}", known.join(", "))));
            };
            if list.is_empty() {
                return Err(self.error(&path, "this names nobody; name somebody, or take it out"));
            }
            let mut people = People { names: BTreeSet::new(), shown: String::new() };
            let mut shown = Vec::new();
            for (at, text) in list.iter().enumerate() {
                let path = [&path[..], &[Step::Index(at)]].concat();
                match text.strip_prefix(GROUP) {
                    None => {
                        let name = UserName::parse(text).map_err(|why| self.error(&path, why.to_string()))?;
                        people.names.insert(name);
                        shown.push(text.clone());
                    }
                    Some(group) => {
                        let Some(members) = self.groups.get(group) else {
                            return Err(self.error(&path, format!("there is no group {group:?} under groups")));
                        };
                        people.names.extend(members.iter().cloned());
                        shown.push(format!("group {group}"));
                    }
                }
                self.named += 1;
                if self.named + people.names.len() > MOST_NAMED {
                    return Err(self.error(&path, format!("the rules name more than {MOST_NAMED} users together")));
                }
            }
            self.named += people.names.len();
            people.shown = match shown.split_at_checked(5) {
                Some((first, rest)) if !rest.is_empty() => format!("{} and {} more", first.join(", "), rest.len()),
                _ => shown.join(", "),
            };
            all.insert(*role, people);
        }
        Ok(all)
    }

    fn freeze(&self, path: &[Step<'_>], written: schema::Freeze) -> Result<Freeze, ConfigError> {
        let error = |key, message: String| self.error(&[path, &[Step::Key(key)]].concat(), message);
        if let Some(name) = written.name.as_ref().filter(|name| !is_plain(name)) {
            return Err(error("name", format!("name {name:?}: write 1 to {LONGEST_NAME} printable characters")));
        }
        let zone = time::zone(&written.time_zone).map_err(|why| error("timeZone", why))?;
        let window =
            time::window(&written.from, &written.until, &zone).map_err(|(key, message)| error(key, message))?;
        Ok(Freeze { name: written.name, window, zone, zone_name: written.time_zone })
    }

    fn actions(&self, path: &[Step<'_>], written: &[String]) -> Result<BTreeSet<Action>, ConfigError> {
        let action = |(at, text): (usize, &String)| {
            Action::ALL.into_iter().find(|action| action.as_str() == text).ok_or_else(|| {
                let known: Vec<&str> = Action::ALL.iter().map(|action| action.as_str()).collect();
                let message = format!("{text:?} is nothing that is done to a package; write {}", known.join(", "));
                self.error(&[path, &[Step::Index(at)]].concat(), message)
            })
        };
        written.iter().enumerate().map(action).collect()
    }

    fn codes(&self, path: &[Step<'_>], written: &[String]) -> Result<BTreeSet<Code>, ConfigError> {
        let code = |(at, text): (usize, &String)| {
            let known = RULES.iter().map(|rule| rule.code).find(|code| code.as_str() == text);
            known.ok_or_else(|| {
                let codes: Vec<&str> = RULES.iter().map(|rule| rule.code.as_str()).collect();
                let message = format!("{text:?} is no code of a rule; the codes are {}", codes.join(", "));
                self.error(&[path, &[Step::Index(at)]].concat(), message)
            })
        };
        written.iter().enumerate().map(code).collect()
    }
}

/// Whether a name can be shown in a sentence as it is.
fn is_plain(name: &str) -> bool {
    let length = name.chars().count();
    (1..=LONGEST_NAME).contains(&length) && name.trim() == name && !name.chars().any(char::is_control)
}
