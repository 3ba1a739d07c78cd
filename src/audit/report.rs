//! What an audit found, one line each, for people and as JSON.
//!
//! Never here: looking at anything.

use std::fmt::Write;

use serde::Serialize;

use crate::domain::dropped::Dropped;
use crate::git::GitError;
use crate::index::audit::OfRevision;

/// One line of an audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// The repository's path below the root.
    pub repository: String,
    /// The package; none for what is about the whole repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// One word for programs.
    pub reason: &'static str,
    /// The ref.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is by the ledger; none: it should not be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<String>,
    /// What it shows; none: it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
    /// Who left it as the ledger says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// A sentence for people.
    pub message: String,
}

/// Everything an audit found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// How many repositories were looked at.
    pub repositories: usize,
    /// What was found.
    pub findings: Vec<Told>,
}

impl Report {
    /// Adds what was found in a repository, or why it cannot be read.
    pub(super) fn add(&mut self, repository: String, looked: Result<Vec<OfRevision>, GitError>) {
        self.repositories += 1;
        match looked {
            Ok(found) => self.findings.extend(found.into_iter().map(|found| told(repository.clone(), found))),
            Err(error) => self.findings.push(Told {
                repository,
                package: None,
                workspace: None,
                reason: "Unreadable",
                name: None,
                ledger: None,
                shown: None,
                by: None,
                message: error.to_string(),
            }),
        }
    }

    /// Lines for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for Told { repository, package, workspace, reason, message, .. } in &self.findings {
            let title = [package, workspace].into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ");
            let title = if title.is_empty() { title } else { format!("{title}: ") };
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{repository}: {title}{reason}: {message}");
        }
        let count = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
        let repositories = count(self.repositories, "repository", "repositories");
        let _ = match self.findings.len() {
            0 => writeln!(text, "{repositories}: everything is as the ledger says"),
            found => writeln!(text, "{repositories}: {}", count(found, "finding", "findings")),
        };
        text
    }

    /// The same as JSON.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

/// What is kept, one line each, newest first.
pub fn list(kept: &[(String, Vec<Dropped>)]) -> String {
    let line = |repository: &str, dropped: &Dropped| {
        let Dropped { package, workspace, proposal, commit, by, at } = dropped;
        let what = if *proposal { "proposal" } else { "draft" };
        format!("{repository}: {package} {workspace}: {what} at {commit} dropped by {by} {at}\n")
    };
    kept.iter().flat_map(|(repository, all)| all.iter().map(move |dropped| line(repository, dropped))).collect()
}

fn told(repository: String, (id, finding): OfRevision) -> Told {
    Told {
        repository,
        package: id.as_ref().map(|(package, _)| package.to_string()),
        workspace: id.as_ref().map(|(_, workspace)| workspace.to_string()),
        reason: finding.reason(),
        message: finding.to_string(),
        name: Some(finding.name.to_string()),
        ledger: finding.ledger.map(|id| id.to_string()),
        shown: finding.shown.map(|id| id.to_string()),
        by: finding.by.map(|by| by.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::integrity::{Finding, Subject};
    use crate::domain::names::{PackagePath, Workspace};
    use crate::domain::refs::RefName;

    #[test]
    fn each_finding_is_one_line_and_none_is_told_too() {
        let mut report = Report::default();
        report.add("a.git".to_owned(), Ok(Vec::new()));
        assert_eq!(report.text(), "1 repository: everything is as the ledger says\n");
        let id = (PackagePath::parse("net/router").expect("valid"), Workspace::parse("w1").expect("valid"));
        let finding = Finding {
            subject: Subject::Tag,
            name: RefName::parse("refs/tags/net/router/v1").expect("valid"),
            ledger: "a".repeat(40).parse().ok(),
            shown: None,
            by: None,
        };
        report.add("b.git".to_owned(), Ok(vec![(Some(id), finding)]));
        assert_eq!(
            report.text(),
            "b.git: net/router w1: TagMissing: net/router/v1 is gone, and the ledger has it at aaaaaaaaaa\n\
             2 repositories: 1 finding\n"
        );
        let json: serde_json::Value = serde_json::from_str(&report.json()).expect("JSON");
        assert_eq!(json["findings"][0]["ref"], "refs/tags/net/router/v1");
    }
}
