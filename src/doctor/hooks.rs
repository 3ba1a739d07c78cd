//! The hooks of each repository: installed, this version's, run by git, and told the right things.
//!
//! Never here: installing them; the daemon does that when it starts and at every rescan.

use std::path::{Path, PathBuf};

use super::Place;
use super::report::Finding;
use super::settings::last;
use crate::config::{Config, RepositoryPath, kept_variables};
use crate::domain::names::Directory;
use crate::domain::refs::RefName;
use crate::git::{Setting, Store};
use crate::hooks::{Condition, Found, Guard, Layout, STUB, StubFile, inspect};

const CHECK: &str = "hooks";

/// What was found of a repository's hooks.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    managed: bool,
    condition: Condition,
    /// Where git looks for hooks instead, when that is another directory.
    elsewhere: Option<PathBuf>,
    /// What the guard file should say; why that is not known.
    wanted: Result<Guard, String>,
}

impl Facts {
    pub(super) fn proc_receive_is_ours(&self) -> bool {
        self.condition.proc_receive == Found::Ours
    }
}

/// Looks at the hooks of a repository. `socket` is the daemon's.
pub(super) fn look(place: &Place, config: &Config, socket: &Path, settings: &[Setting]) -> Result<Facts, String> {
    let layout = Layout::with_custom_hooks(config.identity_of(&place.name).has_custom_hooks());
    let condition = inspect(&place.path, STUB, layout).map_err(|error| format!("the hooks cannot be read: {error}"))?;
    let elsewhere = last(settings, "core.hookspath")
        .map(|path| from_home(&place.path, path))
        .filter(|path| !["hooks", "hooks/stoop/path"].iter().any(|own| same(path, &place.path.join(own))));
    Ok(Facts { managed: place.managed, condition, elsewhere, wanted: wanted(place, config, socket) })
}

fn same(one: &Path, other: &Path) -> bool {
    std::fs::canonicalize(one).ok() == std::fs::canonicalize(other).ok()
}

/// A path of a setting, `~/` before it or relative to the repository.
fn from_home(repository: &Path, path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => repository.join(path),
    }
}

/// What the daemon would write into the guard file; whether the repository is guarded is left as open as it is there.
fn wanted(place: &Place, config: &Config, socket: &Path) -> Result<Guard, String> {
    let at = RepositoryPath::parse(&place.name).ok();
    let configured = at.as_ref().and_then(|path| config.repository(path));
    let directories = at.iter().flat_map(|path| config.repositories_at(path)).map(|configured| &configured.directory);
    let directory = Directory::together(directories).unwrap_or_default();
    let branch = match configured.and_then(|configured| configured.branch.clone()) {
        Some(branch) => branch,
        None => head_branch(&place.path)?,
    };
    let server = config.identity_of(&place.name);
    Ok(Guard {
        socket: socket.to_owned(),
        branches: vec![branch.to_string()],
        directory: directory.as_str().to_owned(),
        guarded: true,
        identity: Some(server.variable().to_owned()),
        variables: kept_variables(server).iter().map(|name| (*name).to_owned()).collect(),
    })
}

/// The branch that is registered when none is configured: the one of HEAD, or `main` where only that one exists.
fn head_branch(path: &Path) -> Result<RefName, String> {
    let text = |error: crate::git::GitError| error.to_string();
    let reader = Store::open(path).map_err(text)?.reader();
    let head = reader.head_branch().map_err(text)?;
    let head = head.ok_or("its HEAD names no branch; git symbolic-ref HEAD refs/heads/main sets one")?;
    let main = RefName::branch("main").map_err(|error| error.to_string())?;
    let born = |branch: &RefName| reader.ref_target(branch).map(|target| target.is_some()).map_err(text);
    Ok(if !born(&head)? && born(&main)? { main } else { head })
}

/// Judges what was found; `running` says whether the daemon runs.
pub(super) fn judge(facts: &Result<Facts, String>, running: bool) -> Vec<Finding> {
    let facts = match facts {
        Ok(facts) => facts,
        Err(error) => return vec![Finding::fail(CHECK, error, "run stoop doctor as the daemon's user")],
    };
    let condition = &facts.condition;
    let ours = condition.hooks.iter().any(|(_, found)| *found == Found::Ours) || facts.proc_receive_is_ours();
    if !facts.managed {
        return match ours {
            true => vec![Finding::warn(
                CHECK,
                "the configuration says managed: false, and Stoop's hooks are there",
                "start the daemon or send it SIGHUP: it takes them out",
            )],
            false => vec![Finding::ok(CHECK, "not managed, and without Stoop's hooks")],
        };
    }
    let mut findings = Vec::new();
    if let Some(path) = &facts.elsewhere {
        findings.push(Finding::fail(
            CHECK,
            format!(
                "core.hooksPath makes git run the hooks in {}, so Stoop's never run and nothing is guarded",
                path.display()
            ),
            format!("{}; Stoop then has git look into the repository, and runs those hooks first", mend(running)),
        ));
    }
    if !ours && condition.stub == StubFile::Missing {
        findings.push(Finding::fail(CHECK, "none are installed: nothing is guarded", mend(running)));
        return findings;
    }
    findings.extend(missing(condition, running));
    findings.extend(judge_guard(facts, running));
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, "installed, of this version, and told what to guard"));
    }
    if condition.proc_receive == Found::Other {
        findings.push(Finding::warn(
            CHECK,
            "proc-receive belongs to another program, so approvals by push are answered as ordinary branches are, and refused without the reason in the last line",
            "this is right for a forge that needs its own (Gitea); else remove that hook and start the daemon again",
        ));
    }
    findings
}

fn mend(running: bool) -> &'static str {
    if running { "see the daemon's log for why it cannot install them" } else { "start the daemon: it installs them" }
}

fn missing(condition: &Condition, running: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lost: Vec<&str> =
        condition.hooks.iter().filter(|(_, found)| *found != Found::Ours).map(|(name, _)| *name).collect();
    if !lost.is_empty() {
        let text = format!("{} is not Stoop's any more, so pushes go around it", lost.join(", "));
        findings.push(Finding::fail(CHECK, text, mend(running)));
    }
    let (text, advice) = match condition.stub {
        StubFile::Current => return findings,
        StubFile::Missing => {
            ("hooks/stoop/stub is missing, so the hooks cannot run and git lets every push through", mend(running))
        }
        StubFile::NotExecutable => (
            "hooks/stoop/stub cannot be executed, so git leaves the hooks out and lets every push through",
            "chmod 0755 it",
        ),
        StubFile::Different => (
            "hooks/stoop/stub is not this version's",
            if running { "restart the daemon, or run the doctor of the daemon's own version" } else { mend(running) },
        ),
    };
    findings.push(match condition.stub {
        StubFile::Different => Finding::warn(CHECK, text, advice),
        _ => Finding::fail(CHECK, text, advice),
    });
    findings
}

fn judge_guard(facts: &Facts, running: bool) -> Option<Finding> {
    let later = if running {
        "send the daemon SIGHUP; if it stays, see its log"
    } else {
        "start the daemon: it writes it anew"
    };
    let found = match &facts.condition.guard {
        None => {
            return Some(Finding::fail(CHECK, "hooks/stoop/guard is missing, so managed pushes are refused", later));
        }
        Some(Err(error)) => return Some(Finding::fail(CHECK, format!("hooks/stoop/guard is broken: {error}"), later)),
        Some(Ok(guard)) => guard,
    };
    let wanted = match &facts.wanted {
        Ok(wanted) => wanted,
        Err(error) => {
            return Some(Finding::fail(
                CHECK,
                format!("it cannot be served: {error}"),
                "mend that; the daemon then opens it",
            ));
        }
    };
    let mut wrong = Vec::new();
    if found.socket != wanted.socket {
        wrong.push(format!("the socket {}, not {}", found.socket.display(), wanted.socket.display()));
    }
    if found.branches != wanted.branches {
        wrong.push(format!("branch {}, not {}", found.branches.join(", "), wanted.branches.join(", ")));
    }
    if found.directory != wanted.directory {
        wrong.push(format!("directory {:?}, not {:?}", found.directory, wanted.directory));
    }
    if found.identity != wanted.identity {
        let name = |identity: &Option<String>| identity.clone().unwrap_or_else(|| "nothing".to_owned());
        wrong.push(format!("the user's name from {}, not {}", name(&found.identity), name(&wanted.identity)));
    }
    if found.variables != wanted.variables {
        let names = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        wrong.push(format!("the variables {}, not {}", names(&found.variables), names(&wanted.variables)));
    }
    if wrong.is_empty() {
        return None;
    }
    let text = format!("hooks/stoop/guard names {}", wrong.join("; "));
    Some(Finding::warn(CHECK, text, format!("check --state and --config; {later}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Level::{self, Fail, Ok as Good, Warn};

    fn guard() -> Guard {
        Guard {
            socket: "/s/run/hook.sock".into(),
            branches: vec!["refs/heads/main".to_owned()],
            directory: String::new(),
            guarded: true,
            identity: Some("REMOTE_USER".to_owned()),
            variables: vec![],
        }
    }

    fn facts() -> Facts {
        let hooks = ["pre-receive", "post-receive", "reference-transaction"].map(|name| (name, Found::Ours)).to_vec();
        let guard_file = Some(Ok(Guard { guarded: false, ..guard() }));
        let condition = Condition { stub: StubFile::Current, hooks, proc_receive: Found::Ours, guard: guard_file };
        Facts { managed: true, condition, elsewhere: None, wanted: Ok(guard()) }
    }

    #[test]
    fn each_state_of_the_hooks_is_judged() {
        let with = |change: &dyn Fn(&mut Facts)| {
            let mut facts = facts();
            change(&mut facts);
            judge(&Ok(facts), false)
        };
        let bare = |facts: &mut Facts| {
            facts.condition.hooks.iter_mut().for_each(|(_, found)| *found = Found::Nothing);
            facts.condition.proc_receive = Found::Nothing;
            facts.condition.stub = StubFile::Missing;
        };
        type Change<'c> = &'c dyn Fn(&mut Facts);
        let grid: [(Change<'_>, Level, &str); 14] = [
            (&|_| {}, Good, "told what to guard"),
            (&|facts| facts.elsewhere = Some("/etc/hooks".into()), Fail, "/etc/hooks"),
            (&bare, Fail, "none are installed"),
            (&|facts| facts.condition.hooks[2].1 = Found::Other, Fail, "reference-transaction is not"),
            (&|facts| facts.condition.stub = StubFile::Missing, Fail, "every push through"),
            (&|facts| facts.condition.stub = StubFile::NotExecutable, Fail, "executed"),
            (&|facts| facts.condition.stub = StubFile::Different, Warn, "this version's"),
            (&|facts| facts.condition.guard = None, Fail, "is missing"),
            (&|facts| facts.condition.guard = Some(Guard::parse(b"")), Fail, "broken"),
            (&|facts| facts.wanted = Ok(Guard { socket: "/other".into(), ..guard() }), Warn, "not /other"),
            (&|facts| facts.wanted = Ok(Guard { directory: "d".into(), ..guard() }), Warn, "directory \"\", not \"d\""),
            (&|facts| facts.wanted = Ok(Guard { identity: None, ..guard() }), Warn, "REMOTE_USER, not nothing"),
            (
                &|facts| facts.wanted = Ok(Guard { variables: vec!["A".into()], ..guard() }),
                Warn,
                "variables none, not A",
            ),
            (&|facts| facts.managed = false, Warn, "managed: false"),
        ];
        for (number, (change, level, text)) in grid.into_iter().enumerate() {
            let judged = with(change);
            assert!(
                judged.len() == 1 && judged[0].level == level && judged[0].text.contains(text),
                "{number}: {judged:?}"
            );
        }
        let other = with(&|facts| facts.condition.proc_receive = Found::Other);
        assert_eq!(other.iter().map(|finding| finding.level).collect::<Vec<_>>(), [Good, Warn]);
        let unmanaged = with(&|facts| {
            bare(facts);
            facts.managed = false;
        });
        assert_eq!(unmanaged[0].level, Good);
        assert_eq!(judge(&Err("no".to_owned()), true)[0].level, Fail);
    }
}
