//! What the checks found, one line each, for people and as JSON.
//!
//! Never here: looking at anything, and judging it.

use std::fmt::Write;

use serde::Serialize;

/// How many subjects a line names before it only counts the others.
const NAMED: usize = 3;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// All is well.
    Ok,
    /// It could not be looked at.
    Skip,
    /// It works, and something is worth changing.
    Warn,
    /// Something does not work, or will not.
    Fail,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skip => "skip",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check's name; stable, for scripts.
    pub check: &'static str,
    /// How it ended.
    #[serde(rename = "result")]
    pub level: Level,
    /// The repositories it is about, by their paths below the root; none for what is about the machine or the daemon.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
    /// What was found.
    pub text: String,
    /// What to do about it.
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    fn new(level: Level, check: &'static str, text: impl Into<String>, advice: Option<String>) -> Self {
        Self { check, level, repositories: Vec::new(), text: text.into(), advice }
    }

    /// All is well.
    pub(super) fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::Ok, check, text, None)
    }

    /// It could not be looked at; `advice` says how it could.
    pub(super) fn skip(check: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Level::Skip, check, text, Some(advice.into()))
    }

    /// Something is worth changing.
    pub(super) fn warn(check: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Level::Warn, check, text, Some(advice.into()))
    }

    /// Something does not work.
    pub(super) fn fail(check: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Level::Fail, check, text, Some(advice.into()))
    }

    /// The same, about one repository.
    pub(super) fn of(mut self, repository: &str) -> Self {
        self.repositories = vec![repository.to_owned()];
        self
    }

    fn line(&self) -> String {
        let mut line = format!("{:<4}  {:<12}  ", self.level.as_str(), self.check);
        match self.repositories.as_slice() {
            [] => {}
            // What is well in all repositories needs no list of them.
            all if self.level == Level::Ok && all.len() > 1 => {
                let _ = write!(line, "{} repositories: ", all.len());
            }
            all => {
                let named: Vec<&str> = all.iter().take(NAMED).map(String::as_str).collect();
                line.push_str(&named.join(", "));
                if all.len() > NAMED {
                    let _ = write!(line, " and {} more", all.len() - NAMED);
                }
                line.push_str(": ");
            }
        }
        line.push_str(&self.text);
        if let Some(advice) = &self.advice {
            let _ = write!(line, "; {advice}");
        }
        one_line(&line)
    }
}

/// File names and settings come from disk: whatever is in them, a finding stays on its line.
fn one_line(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, c| {
        if c.is_control() {
            line.extend(c.escape_default())
        } else {
            line.push(c)
        }
        line
    })
}

/// Everything that was found, in the order of the checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct Told<'r> {
    checks: &'r [Finding],
    ok: usize,
    warn: usize,
    fail: usize,
    skip: usize,
}

impl Report {
    /// A report of these findings; what was found alike in several repositories becomes one.
    pub(super) fn new(all: Vec<Finding>) -> Self {
        let mut findings: Vec<Finding> = Vec::with_capacity(all.len());
        for finding in all {
            let alike = |other: &&mut Finding| {
                !finding.repositories.is_empty()
                    && !other.repositories.is_empty()
                    && (other.check, other.level, &other.text, &other.advice)
                        == (finding.check, finding.level, &finding.text, &finding.advice)
            };
            match findings.iter_mut().find(alike) {
                Some(other) => other.repositories.extend(finding.repositories),
                None => findings.push(finding),
            }
        }
        Self { findings }
    }

    /// Everything that was found.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many findings ended so.
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }

    /// One line a finding, and the count.
    pub fn text(&self) -> String {
        let mut text: String = self.findings.iter().map(|finding| finding.line() + "\n").collect();
        let [ok, warn, fail, skip] = [Level::Ok, Level::Warn, Level::Fail, Level::Skip].map(|level| self.count(level));
        let _ = writeln!(text, "{ok} ok, {warn} to look at, {fail} failed, {skip} not looked at");
        text
    }

    /// The same as one JSON object.
    pub fn json(&self) -> String {
        let [ok, warn, fail, skip] = [Level::Ok, Level::Warn, Level::Fail, Level::Skip].map(|level| self.count(level));
        let told = Told { checks: &self.findings, ok, warn, fail, skip };
        serde_json::to_string_pretty(&told).unwrap_or_default() + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike_is_one_line_and_nothing_breaks_out_of_it() {
        let ok = |name: &str| Finding::ok("hooks", "installed").of(name);
        let warn = |name: &str| Finding::warn("locks", "old", "look").of(name);
        let mut all: Vec<Finding> =
            ["a.git", "b.git", "c.git", "d.git"].iter().flat_map(|name| [ok(name), warn(name)]).collect();
        all.push(Finding::fail("socket", "a\nfail  b\u{1b}[2J", "x"));
        all.push(Finding::fail("socket", "a\nfail  b\u{1b}[2J", "x"));
        let report = Report::new(all);
        assert_eq!(
            report.text(),
            "ok    hooks         4 repositories: installed\nwarn  locks         a.git, b.git, c.git and 1 more: old; look\n\
             fail  socket        a\\nfail  b\\u{1b}[2J; x\nfail  socket        a\\nfail  b\\u{1b}[2J; x\n\
             1 ok, 1 to look at, 2 failed, 0 not looked at\n"
        );
        let json: serde_json::Value = serde_json::from_str(&report.json()).expect("JSON");
        assert_eq!(json["checks"][1]["repositories"][3], "d.git");
        assert_eq!((&json["checks"][1]["do"], &json["fail"]), (&"look".into(), &2.into()));
    }
}
