//! Which fields differ between two versions of a resource: each with its path, and both values shortened.
//!
//! Elements of a list are matched by a key where all of them have it and it is unique, such as a container's name; else by
//! their place. Of a Secret no value is ever told, only which key differs.
//! Never here: which resources belong together (see `changes`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_yaml::Value;

use super::shown;

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Where it is, such as `spec.containers[name=web].image`. Fit to be shown.
    pub path: String,
    /// The value before, shortened and fit to be shown; none when it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// The value after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
}

/// The fields that differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    /// The first of them, ordered by path.
    pub first: Vec<FieldChange>,
    /// How many there are.
    pub count: usize,
}

/// So many fields of one resource are told one by one.
const MOST_FIELDS: usize = 100;
/// So many characters of a value are told.
const MOST_VALUE: usize = 60;
/// So many characters of one key are told.
const MOST_KEY: usize = 60;
/// So many characters of a path are told.
const MOST_PATH: usize = 160;
/// How many characters before the first difference of two long values are told.
const BEFORE: usize = 20;

/// What elements of lists are matched by, in this order.
const KEYS: [&str; 11] = [
    "name",
    "containerPort",
    "port",
    "mountPath",
    "devicePath",
    "type",
    "conditionType",
    "topologyKey",
    "ip",
    "key",
    "image",
];

/// What stands for every value of a Secret.
const SECRET: &str = "(secret)";

/// Compares two versions of a resource.
pub fn compare(old: &Value, new: &Value) -> Fields {
    let mut walk = Walk { path: Vec::new(), secret: None, fields: Fields::default() };
    walk.values(Some(old), Some(new));
    walk.fields
}

struct Walk {
    path: Vec<String>,
    /// At which depth of the path the Secret begins that the walk is in.
    secret: Option<usize>,
    fields: Fields,
}

impl Walk {
    fn values(&mut self, old: Option<&Value>, new: Option<&Value>) {
        if old == new {
            return;
        }
        let outer = self.secret;
        if outer.is_none() && [old, new].into_iter().flatten().any(is_secret) {
            self.secret = Some(self.path.len());
        }
        match (old, new) {
            _ if self.is_secret_leaf() => self.leaf(old, new),
            (Some(Value::Mapping(old)), Some(Value::Mapping(new))) => {
                let mut entries: BTreeMap<String, [Option<&Value>; 2]> = BTreeMap::new();
                for (side, mapping) in [old, new].into_iter().enumerate() {
                    for (key, value) in mapping {
                        entries.entry(key_step(key)).or_default()[side] = Some(value);
                    }
                }
                for (step, [old, new]) in entries {
                    self.below(step, old, new);
                }
            }
            (Some(Value::Sequence(old)), Some(Value::Sequence(new))) => self.lists(old, new),
            (Some(Value::Tagged(old)), Some(Value::Tagged(new))) if old.tag == new.tag => {
                self.values(Some(&old.value), Some(&new.value));
            }
            _ => self.leaf(old, new),
        }
        self.secret = outer;
    }

    fn below(&mut self, step: String, old: Option<&Value>, new: Option<&Value>) {
        self.path.push(step);
        self.values(old, new);
        self.path.pop();
    }

    fn lists(&mut self, old: &[Value], new: &[Value]) {
        let key = if self.secret.is_some() { None } else { merge_key(old, new) };
        let Some(key) = key else { return self.by_place(old, new) };
        let mut elements: BTreeMap<String, [Option<&Value>; 2]> = BTreeMap::new();
        let mut orders: [Vec<String>; 2] = Default::default();
        for (side, list) in [old, new].into_iter().enumerate() {
            for value in list {
                let id = value.get(key).and_then(scalar).unwrap_or_default();
                orders[side].push(id.clone());
                elements.entry(id).or_default()[side] = Some(value);
            }
        }
        let common = |id: &String| elements.get(id).is_some_and(|sides| sides.iter().all(Option::is_some));
        let [old_order, new_order] =
            orders.map(|order| order.into_iter().filter(common).collect::<Vec<_>>().join(", "));
        if old_order != new_order {
            let order = |text: String| Some(format!("order {}", shown::line(&text, MOST_VALUE)));
            self.told(order(old_order), order(new_order));
        }
        for (id, [old, new]) in elements {
            self.below(format!("[{key}={}]", shown::line(&id, MOST_KEY)), old, new);
        }
    }

    /// What is the same at both ends is left out, so that one element more in the middle is one change.
    fn by_place(&mut self, old: &[Value], new: &[Value]) {
        let most = old.len().min(new.len());
        let begin = old.iter().zip(new).take_while(|(old, new)| old == new).count();
        let pairs = old.iter().rev().zip(new.iter().rev()).take(most - begin);
        let end = pairs.take_while(|(old, new)| old == new).count();
        for place in begin..old.len().max(new.len()) - end {
            let of = |list: &'_ [Value]| if place < list.len() - end { Some(place) } else { None };
            self.below(format!("[{place}]"), of(old).map(|at| &old[at]), of(new).map(|at| &new[at]));
        }
    }

    /// Whether the walk has come to something in a Secret that is only told of as a whole.
    fn is_secret_leaf(&self) -> bool {
        let Some(start) = self.secret else { return false };
        let inside = &self.path[start..];
        match inside.first().map(String::as_str) {
            None | Some("apiVersion" | "kind" | "type" | "immutable") => false,
            Some("metadata") => inside.len() > 2 || (inside.len() == 2 && !is_open_metadata(&inside[1])),
            Some(_) => inside.len() > 1,
        }
    }

    /// Whether the value at the path may be told.
    fn is_open(&self) -> bool {
        let Some(start) = self.secret else { return true };
        match self.path[start..].iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["apiVersion" | "kind" | "type" | "immutable"] => true,
            ["metadata", name] => matches!(name, "name" | "namespace"),
            ["metadata", "labels", _] => true,
            _ => false,
        }
    }

    fn leaf(&mut self, old: Option<&Value>, new: Option<&Value>) {
        if self.fields.first.len() >= MOST_FIELDS {
            self.fields.count += 1;
            return;
        }
        if !self.is_open() {
            let told = |value: Option<&Value>| value.map(|_| SECRET.to_owned());
            return self.told(told(old), told(new));
        }
        let start = match (old, new) {
            (Some(Value::String(old)), Some(Value::String(new))) => {
                let same = old.chars().zip(new.chars()).take_while(|(old, new)| old == new).count();
                let fits = |text: &str| text.chars().nth(MOST_VALUE).is_none();
                if fits(old) && fits(new) { 0 } else { same.saturating_sub(BEFORE) }
            }
            _ => 0,
        };
        let told = |value: &Value| text(value, start);
        self.told(old.map(told), new.map(told));
    }

    fn told(&mut self, old: Option<String>, new: Option<String>) {
        self.fields.count += 1;
        if self.fields.first.len() < MOST_FIELDS {
            let mut path = String::new();
            for step in &self.path {
                if !path.is_empty() && !step.starts_with('[') {
                    path.push('.');
                }
                path.push_str(step);
            }
            let path = if path.is_empty() { "(all)".to_owned() } else { shown::line(&path, MOST_PATH) };
            self.fields.first.push(FieldChange { path, old, new });
        }
    }
}

fn is_secret(value: &Value) -> bool {
    value.get("kind").and_then(Value::as_str) == Some("Secret")
}

fn is_open_metadata(name: &str) -> bool {
    matches!(name, "name" | "namespace" | "labels")
}

/// A key as a path has it: plain where it is a plain word, else in brackets and quotes.
fn key_step(key: &Value) -> String {
    let plain = |text: &str| {
        !text.is_empty()
            && text.len() <= MOST_KEY
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    match key {
        Value::String(text) if plain(text) => text.clone(),
        Value::String(text) => format!("[{}]", shown::quoted(text, 0, usize::MAX)),
        other => format!("[{}]", text(other, 0)),
    }
}

/// The text of a value that is neither a mapping nor a list.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(bool) => Some(bool.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The key that every element of both lists has, each with another value.
fn merge_key(old: &[Value], new: &[Value]) -> Option<&'static str> {
    let identifies = |list: &[Value], key: &str| {
        let mut seen = BTreeSet::new();
        list.iter().all(|value| value.get(key).and_then(scalar).is_some_and(|id| seen.insert(id)))
    };
    KEYS.into_iter().find(|key| identifies(old, key) && identifies(new, key))
}

/// A value as it is told: a scalar from `start` on, of anything larger how large it is.
fn text(value: &Value, start: usize) -> String {
    let counted = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(bool) => bool.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => shown::quoted(text, start, MOST_VALUE),
        Value::Sequence(list) => format!("[{}]", counted(list.len(), "element")),
        Value::Mapping(mapping) => format!("{{{}}}", counted(mapping.len(), "field")),
        Value::Tagged(tagged) => {
            let tag = shown::line(&tagged.tag.to_string(), MOST_KEY);
            format!("{tag} {}", text(&tagged.value, start))
        }
    }
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
