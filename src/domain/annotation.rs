//! The `kpt:` lines and subjects of commits, as Porch writes and reads them.
//!
//! Never here: making commits (see `git`), and deciding whether a pushed line is forged (see `evidence`).

use serde::{Deserialize, Serialize};

use super::names::{PackagePath, Workspace};
use super::refs::RevisionNumber;

/// The identity that commits every commit which Porch or Stoop makes itself (Porch, `pkg/externalrepo/git/commit.go`).
pub const ORCHESTRATOR: (&str, &str) = ("Package Orchestration Service", "porch@kpt.dev");

/// One `kpt:` line.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Annotation {
    /// The package, `<P>`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub package: String,
    /// The workspace, `<W>`; empty in old repositories.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub workspace_name: String,
    /// The number as text: `0` on drafts, `N` on approvals, `vN` in old repositories.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// The API's Task, on the commit that carried it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<serde_json::Value>,
}

impl Annotation {
    /// Whether this line is about a package's workspace; old lines name the workspace in `revision`.
    pub fn names(&self, package: &PackagePath, workspace: &Workspace) -> bool {
        self.package == package.as_str()
            && (self.workspace_name == workspace.as_str()
                || (self.workspace_name.is_empty() && self.revision == workspace.as_str()))
    }

    /// Whether this is a line that the commits of a draft of the package's workspace may carry; any other would speak for
    /// another package or for a published revision.
    pub fn is_a_drafts(&self, package: &PackagePath, workspace: &Workspace) -> bool {
        self.package == package.as_str()
            && self.workspace_name == workspace.as_str()
            && matches!(self.revision.as_str(), "" | "0")
    }

    /// The task, if it is one that the API shows: init, clone, edit or upgrade.
    pub fn shown_task(&self) -> Option<(&serde_json::Value, bool)> {
        let task = self.task.as_ref()?;
        match task.get("type")?.as_str()? {
            "init" | "clone" => Some((task, true)),
            "edit" | "upgrade" => Some((task, false)),
            _ => None,
        }
    }

    /// The line: compact JSON with the characters that Go's encoder escapes.
    fn to_line(&self) -> String {
        let json = serde_json::to_string(self).unwrap_or_default();
        let json = json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
        format!("kpt:{json}")
    }
}

/// The readable `kpt:` lines of a commit message, in order. Lines that are no JSON object are passed over, as in Porch.
pub fn read(message: &str) -> Vec<Annotation> {
    lines(message).filter_map(|json| serde_json::from_str(json).ok()).collect()
}

/// Whether a message has `kpt:` lines that cannot be read.
pub fn has_unreadable(message: &str) -> bool {
    lines(message).any(|json| serde_json::from_str::<Annotation>(json).is_err())
}

fn lines(message: &str) -> impl Iterator<Item = &str> {
    message.lines().filter_map(|line| line.trim().strip_prefix("kpt:"))
}

/// The message of the commit that publishes a package revision.
pub fn approval_message(package: &PackagePath, workspace: &Workspace, number: RevisionNumber) -> String {
    let annotation = Annotation {
        package: package.to_string(),
        workspace_name: workspace.to_string(),
        revision: number.to_string(),
        task: None,
    };
    format!("Approving package revision {package}/{number}\n\n{}\n", annotation.to_line())
}

/// The message of the commit that removes a package from the registered branch; Porch writes no line here.
pub fn deletion_message(package: &PackagePath) -> String {
    format!("Delete {package}")
}

/// Picks the task that the API shows from a workspace's annotations, newest commit first: the first init or clone, else
/// the oldest edit or upgrade (Porch, `loadTasks`).
pub fn pick_task<'a>(newest_first: impl Iterator<Item = &'a Annotation>) -> Option<serde_json::Value> {
    let mut picked = None;
    for annotation in newest_first {
        if let Some((task, is_origin)) = annotation.shown_task() {
            picked = Some(task.clone());
            if is_origin {
                break;
            }
        }
    }
    picked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_is_written_as_porch_writes_it_and_read_back() {
        let package = PackagePath::parse("a/b").expect("valid");
        let workspace = Workspace::parse("w1").expect("valid");
        let message = approval_message(&package, &workspace, RevisionNumber(3));
        assert_eq!(
            message,
            "Approving package revision a/b/3\n\nkpt:{\"package\":\"a/b\",\"workspaceName\":\"w1\",\"revision\":\"3\"}\n"
        );
        let read = read(&message);
        assert_eq!(read.len(), 1);
        assert!(read[0].names(&package, &workspace));
    }

    #[test]
    fn html_is_escaped_as_go_does() {
        let annotation = Annotation { package: "a<&>".to_owned(), ..Annotation::default() };
        assert_eq!(annotation.to_line(), r#"kpt:{"package":"a\u003c\u0026\u003e"}"#);
    }

    #[test]
    fn broken_lines_do_not_hide_good_ones() {
        let message = "x\n\nkpt:{broken\n  kpt:{\"package\":\"p\",\"revision\":\"v1\"}\n";
        assert_eq!(read(message).len(), 1);
        assert!(has_unreadable(message));
        let legacy = &read(message)[0];
        assert!(legacy.names(&PackagePath::parse("p").expect("valid"), &Workspace::parse("v1").expect("valid")));
    }

    #[test]
    fn the_origin_wins_over_later_tasks_and_stops_the_search() {
        let with = |kind: &str| Annotation { task: Some(serde_json::json!({"type": kind})), ..Annotation::default() };
        let newest_first = [with("render"), with("edit"), with("upgrade"), with("init"), with("clone")];
        assert_eq!(pick_task(newest_first.iter()), Some(serde_json::json!({"type": "init"})));
        assert_eq!(pick_task(newest_first[..3].iter()), Some(serde_json::json!({"type": "upgrade"})));
        assert_eq!(pick_task(newest_first[..1].iter()), None);
    }
}
