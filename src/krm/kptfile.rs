//! Reads a Kptfile into the summary that the index and the API show.
//!
//! Reading is lenient where old packages need it (unknown fields are kept in Git and only warned of) and strict where a
//! wrong guess would mislead: what is not YAML, not a mapping, of another kind, or of the wrong type is an error that
//! names the place. Never here: writing Kptfiles and running pipelines.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_yaml::Value;

use super::yaml::{self, YamlError};

/// What Stoop needs to know of a Kptfile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kptfile {
    /// `metadata.labels`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// `info.readinessGates[].conditionType`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readiness_gates: Vec<String>,
    /// `status.conditions`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// `upstreamLock.git`, when `upstream.git` is there too (as in Porch).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_lock: Option<GitLock>,
    /// Whether the pipeline names at least one function.
    #[serde(default)]
    pub has_pipeline: bool,
}

/// One of `status.conditions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// The condition's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// True, False or Unknown.
    pub status: ConditionStatus,
    /// One word for programs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// The three values of a condition. Porch panics on any other; here it is an error of the Kptfile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody knows.
    Unknown,
}

/// Where a package was taken from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GitLock {
    /// The upstream repository's URL.
    pub repo: String,
    /// The package's directory there.
    pub directory: String,
    /// The ref it was taken at.
    #[serde(rename = "ref")]
    pub git_ref: String,
    /// The commit that was.
    pub commit: String,
}

/// A Kptfile that was read, and what in it was not understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The summary.
    pub kptfile: Kptfile,
    /// Unknown fields, as dotted paths, at most ten.
    pub unknown: Vec<String>,
}

/// Why a Kptfile cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KptfileError {
    /// It is not UTF-8.
    #[error("it is not UTF-8 text")]
    NotText,
    /// It is not YAML.
    #[error("it is not valid YAML: {0}")]
    NotYaml(String),
    /// It is not a Kptfile of a version that is known.
    #[error("it is {0}, but apiVersion kpt.dev/v1 and kind Kptfile are needed")]
    OtherKind(String),
    /// A field has the wrong type or value.
    #[error("{path}: {problem}")]
    Field {
        /// The field, as a dotted path.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
}

const TOP: &[&str] =
    &["apiVersion", "kind", "metadata", "upstream", "upstreamLock", "info", "pipeline", "inventory", "status"];
const METADATA: &[&str] = &["name", "namespace", "labels", "annotations", "creationTimestamp"];
const INFO: &[&str] = &["site", "emails", "license", "licenseFile", "description", "keywords", "man", "readinessGates"];

/// Reads a Kptfile's bytes.
pub fn read(bytes: &[u8]) -> Result<Reading, KptfileError> {
    let text = std::str::from_utf8(bytes).map_err(|_| KptfileError::NotText)?;
    let root: Value = yaml::read(text).map_err(|error| KptfileError::NotYaml(one_line(&error.to_string())))?;
    if !root.is_mapping() {
        return Err(KptfileError::OtherKind("no mapping".to_owned()));
    }
    let version = scalar(&root, "apiVersion")?;
    let kind = scalar(&root, "kind")?;
    if version != "kpt.dev/v1" || kind != "Kptfile" {
        return Err(KptfileError::OtherKind(format!("apiVersion {:?} and kind {:?}", short(&version), short(&kind))));
    }
    let mut reading = Reading::default();
    unknown_fields(&root, "", TOP, &mut reading.unknown);
    let out = &mut reading.kptfile;
    if let Some(metadata) = section(&root, "metadata")? {
        out.labels = string_map(metadata, "labels", "metadata.labels")?;
        out.annotations = string_map(metadata, "annotations", "metadata.annotations")?;
        unknown_fields(metadata, "metadata.", METADATA, &mut reading.unknown);
    }
    if let Some(info) = section(&root, "info")? {
        for (i, gate) in list(info, "readinessGates", "info.readinessGates")?.iter().enumerate() {
            let path = format!("info.readinessGates[{i}].conditionType");
            out.readiness_gates.push(text_at(gate, "conditionType", &path)?.ok_or_else(|| missing(&path))?);
        }
        unknown_fields(info, "info.", INFO, &mut reading.unknown);
    }
    if let Some(status) = section(&root, "status")? {
        for (i, condition) in list(status, "conditions", "status.conditions")?.iter().enumerate() {
            out.conditions.push(read_condition(condition, &format!("status.conditions[{i}]"))?);
        }
    }
    if let Some(pipeline) = section(&root, "pipeline")? {
        for name in ["mutators", "validators"] {
            out.has_pipeline |= !list(pipeline, name, &format!("pipeline.{name}"))?.is_empty();
        }
    }
    let upstream = section(&root, "upstream")?.and_then(|upstream| upstream.get("git"));
    if let (Some(_), Some(lock)) = (upstream, section(&root, "upstreamLock")?.and_then(|lock| lock.get("git"))) {
        let at =
            |key| Ok::<_, KptfileError>(text_at(lock, key, &format!("upstreamLock.git.{key}"))?.unwrap_or_default());
        out.upstream_lock = Some(GitLock {
            repo: at("repo")?,
            directory: at("directory")?,
            git_ref: at("ref")?,
            commit: at("commit")?,
        });
    }
    Ok(reading)
}

/// Whether bytes are one or more YAML documents, as far as that can be said: a text that costs too much to read counts
/// as one.
pub fn is_yaml(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    matches!(yaml::check(text), Ok(()) | Err(YamlError::Brackets | YamlError::Aliases))
}

fn read_condition(value: &Value, path: &str) -> Result<Condition, KptfileError> {
    let text = |key: &str| text_at(value, key, &format!("{path}.{key}"));
    let status = match text("status")?.unwrap_or_default().as_str() {
        "True" => ConditionStatus::True,
        "False" => ConditionStatus::False,
        "Unknown" => ConditionStatus::Unknown,
        other => {
            let problem = format!("{:?} is not True, False or Unknown", short(other));
            return Err(field(&format!("{path}.status"), &problem));
        }
    };
    Ok(Condition {
        kind: text("type")?.ok_or_else(|| missing(&format!("{path}.type")))?,
        status,
        reason: text("reason")?.unwrap_or_default(),
        message: text("message")?.unwrap_or_default(),
    })
}

fn field(path: &str, problem: &str) -> KptfileError {
    KptfileError::Field { path: path.to_owned(), problem: problem.to_owned() }
}

fn missing(path: &str) -> KptfileError {
    field(path, "it is missing")
}

/// What is repeated of a value in a sentence or a list: its first 80 characters.
fn short(text: &str) -> &str {
    text.char_indices().nth(80).map_or(text, |(end, _)| &text[..end])
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

fn scalar(root: &Value, key: &str) -> Result<String, KptfileError> {
    Ok(text_at(root, key, key)?.unwrap_or_default())
}

fn text_at(value: &Value, key: &str, path: &str) -> Result<Option<String>, KptfileError> {
    match value.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Bool(_) | Value::Number(_)) => Err(field(path, "it must be text: put the value in quotes")),
        Some(_) => Err(field(path, "it must be text")),
    }
}

fn section<'v>(value: &'v Value, key: &str) -> Result<Option<&'v Value>, KptfileError> {
    match value.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(found) if found.is_mapping() => Ok(Some(found)),
        Some(_) => Err(field(key, "it must be a mapping")),
    }
}

fn list<'v>(value: &'v Value, key: &str, path: &str) -> Result<&'v [Value], KptfileError> {
    match value.get(key) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Sequence(items)) => Ok(items),
        Some(_) => Err(field(path, "it must be a list")),
    }
}

fn string_map(value: &Value, key: &str, path: &str) -> Result<BTreeMap<String, String>, KptfileError> {
    let Some(found) = value.get(key).filter(|found| !found.is_null()) else { return Ok(BTreeMap::new()) };
    let mapping = found.as_mapping().ok_or_else(|| field(path, "it must be a mapping"))?;
    let mut out = BTreeMap::new();
    for (key, value) in mapping {
        let (Some(key), Some(value)) = (key.as_str(), value.as_str()) else {
            return Err(field(path, "keys and values must be text: put numbers and booleans in quotes"));
        };
        out.insert(key.to_owned(), value.to_owned());
    }
    Ok(out)
}

fn unknown_fields(value: &Value, prefix: &str, known: &[&str], out: &mut Vec<String>) {
    for key in value.as_mapping().into_iter().flat_map(|mapping| mapping.keys()) {
        let name = key.as_str().unwrap_or("(a key that is not text)");
        if !known.contains(&name) && out.len() < 10 {
            out.push(format!("{prefix}{}", short(name)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: kpt.dev/v1\nkind: Kptfile\n";

    #[test]
    fn the_parts_are_read() {
        let reading = read(
            format!(
                "{HEAD}metadata:\n  name: a\n  labels: {{x: y}}\n  annotations: {{n: \"1\"}}\n\
                 info:\n  readinessGates:\n  - conditionType: Tested\n\
                 pipeline:\n  mutators:\n  - image: set-namespace:v0.4\n\
                 upstream: {{type: git, git: {{repo: r, directory: d, ref: main}}}}\n\
                 upstreamLock: {{type: git, git: {{repo: r, directory: d, ref: v1, commit: abc}}}}\n\
                 status:\n  conditions:\n  - {{type: Tested, status: \"True\", reason: Ok}}\n"
            )
            .as_bytes(),
        )
        .expect("a valid Kptfile");
        let kptfile = reading.kptfile;
        assert_eq!(kptfile.labels["x"], "y");
        assert_eq!(kptfile.readiness_gates, ["Tested"]);
        assert!(kptfile.has_pipeline);
        assert_eq!(kptfile.upstream_lock.expect("a lock").git_ref, "v1");
        assert_eq!(kptfile.conditions[0].status, ConditionStatus::True);
        assert!(reading.unknown.is_empty());
    }

    #[test]
    fn unknown_fields_are_told_and_not_refused() {
        let reading =
            read(format!("{HEAD}metadata: {{name: a, finalizers: []}}\nextra: 1\n").as_bytes()).expect("readable");
        assert_eq!(reading.unknown, ["extra", "metadata.finalizers"]);
    }

    #[test]
    fn broken_ones_name_the_place() {
        for (text, want) in [
            ("a: [", "not valid YAML"),
            ("- a\n", "no mapping"),
            ("apiVersion: kpt.dev/v1alpha2\nkind: Kptfile\n", "v1alpha2"),
            (&format!("{HEAD}metadata: {{labels: {{a: 1}}}}\n"), "metadata.labels"),
            (&format!("{HEAD}metadata: []\n"), "metadata"),
            (&format!("{HEAD}status: {{conditions: [{{type: A, status: yes}}]}}\n"), "status.conditions[0].status"),
            (&format!("{HEAD}pipeline: {{mutators: x}}\n"), "pipeline.mutators"),
            (&format!("{HEAD}info: {{readinessGates: [{{}}]}}\n"), "info.readinessGates[0].conditionType"),
        ] {
            let error = read(text.as_bytes()).expect_err(text).to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
        assert_eq!(read(&[0xff]), Err(KptfileError::NotText));
    }

    #[test]
    fn what_is_told_of_a_long_one_is_short() {
        let long = "é".repeat(100_000);
        for text in [
            format!("apiVersion: {long}\nkind: {long}\n"),
            format!("{HEAD}status: {{conditions: [{{type: A, status: {long}}}]}}\n"),
        ] {
            assert!(read(text.as_bytes()).expect_err("not readable").to_string().len() < 1000);
        }
        let reading = read(format!("{HEAD}? {long}\n: 1\n").as_bytes()).expect("readable");
        assert_eq!(reading.unknown, ["é".repeat(80)]);
    }
}
