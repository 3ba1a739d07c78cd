//! What is wrong with a configuration file, and where.
//!
//! Never here: secrets; no text of this type holds a password, a token or a hash of one.

use std::fmt;
use std::path::{Path, PathBuf};

/// One mistake in the configuration file. Shown as `FILE:LINE:COLUMN: what is wrong and what to write`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// Line and column, both from 1, where they are known.
    pub position: Option<(usize, usize)>,
    /// What is wrong, with what to write instead.
    pub message: String,
}

impl ConfigError {
    pub(crate) fn new(file: &Path, position: Option<(usize, usize)>, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), position, message: message.into() }
    }

    /// From the YAML reader, without its own way of naming the place.
    pub(crate) fn yaml(file: &Path, error: &serde_yaml::Error) -> Self {
        let position = error.location().map(|place| (place.line(), place.column()));
        let text = error.to_string();
        let text = text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]);
        let text = without_secret(text)
            .replace("unknown field", "unknown key")
            .replace("missing field", "missing key")
            .replace("expected i64", "expected a whole number");
        Self::new(file, position, text)
    }
}

/// The YAML reader quotes a value of the wrong kind. Where that could be a secret, the quotation goes.
fn without_secret(text: &str) -> String {
    let place = text.split_once(": ").map_or("", |(place, _)| place);
    let open = place.ends_with(".name") || place.contains(".roles");
    match (text.find(": invalid "), text.rfind(", expected ")) {
        (Some(start), Some(end)) if place.starts_with("users[") && !open && start < end => {
            format!("{}: the wrong kind of value{}", &text[..start], &text[end..])
        }
        _ => text.to_owned(),
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for ConfigError {}
