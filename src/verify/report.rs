//! What a verification came to: for people a line each, for programs one JSON object.
//!
//! Never here: looking at anything.

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;

use crate::domain::oid::ObjectId;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// One word for programs.
    pub code: &'static str,
    /// What it is about: a package and workspace, a tag, a file; and the ledger's commit, where there is one.
    pub about: String,
    /// A sentence for people.
    pub message: String,
}

/// Everything that a verification found.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The repository, as it was named.
    pub repository: String,
    /// The ledger's newest commit: what to give `--known` the next time.
    pub ledger: Option<ObjectId>,
    /// How many commits the ledger has.
    pub commits: usize,
    /// How many changes of packages it tells of.
    pub changes: usize,
    /// How many of them are signed.
    pub signed: usize,
    /// How many published revisions there are.
    pub published: usize,
    /// Whether the signers were held against a list that does not come from the ledger.
    pub signers_given: bool,
    /// What is right, and worth knowing: imports, and what is older than the ledger.
    pub notes: Vec<String>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(repository: &Path, signers_given: bool) -> Self {
        Self {
            repository: repository.display().to_string(),
            ledger: None,
            commits: 0,
            changes: 0,
            signed: 0,
            published: 0,
            signers_given,
            notes: Vec::new(),
            findings: Vec::new(),
        }
    }

    pub(super) fn find(&mut self, code: &'static str, about: String, message: String) {
        self.findings.push(Finding { code, about, message });
    }

    /// One JSON object.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Lines for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let Self { repository, commits, changes, signed, published, .. } = self;
        let ledger = self.ledger.map(|head| format!(" at {head}")).unwrap_or_default();
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{repository}: ledger{ledger}: {commits} commits, {changes} changes, {signed} of them signed, {published} published revisions"
        );
        if self.signed > 0 && !self.signers_given {
            let _ = writeln!(
                text,
                "note: whose key it is was taken from the ledger itself; --allowed-signers holds it against your own list"
            );
        }
        self.notes.iter().for_each(|note| {
            let _ = writeln!(text, "note: {note}");
        });
        for Finding { code, about, message } in &self.findings {
            let _ = writeln!(text, "FAIL  {code}: {about}: {message}");
        }
        let _ = match self.findings.len() {
            0 => writeln!(text, "good: the chain is whole, and everything published is what was approved"),
            1 => writeln!(text, "1 finding"),
            count => writeln!(text, "{count} findings"),
        };
        text
    }
}
