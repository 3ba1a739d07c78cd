//! A client of both doors that looks, does something that may be right, and writes down what it was told.
//!
//! Never here: whether that can be (see `order`).

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use stoop::domain::lifecycle::{Action, Lifecycle};

use super::history::{Commit, Operation, Seen, Told, Wish};
use crate::client::{REVISIONS, client, send};
use crate::support::{Workdir, World};
use crate::traffic::Random;
use crate::traffic::commits::commits;

/// What the clients of one world share.
#[derive(Default)]
pub(super) struct Common {
    clock: AtomicU64,
    /// Every commit that was made, by its id.
    made: Mutex<HashMap<String, Commit>>,
}

impl Common {
    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }
}

/// An answer of the API about one package revision, with what a client needs to go on.
#[derive(Debug, Clone)]
struct Look {
    seen: Seen,
    version: String,
    commit: String,
}

/// One client.
pub(super) struct Client<'w> {
    world: &'w World,
    common: &'w Common,
    user: &'static str,
    clone: Workdir,
    runtime: tokio::runtime::Runtime,
    door: kube::Client,
    random: Random,
    number: u64,
    count: usize,
    /// What it was told in this round, by package.
    pub(super) told: Vec<(usize, Operation)>,
}

impl<'w> Client<'w> {
    pub(super) fn new(world: &'w World, common: &'w Common, user: &'static str, number: u64) -> Self {
        let clone = world.clone(user, "packages");
        // It sees every object of the repository as its own, and so needs no fetch to name one.
        let objects = format!("{}\n", world.bare("packages").join("objects").display());
        std::fs::write(clone.path().join(".git/objects/info/alternates"), objects).expect("written");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let door = runtime.block_on(client(world, user));
        let random = Random::new(number);
        Self { world, common, user, clone, runtime, door, random, number, count: 0, told: Vec::new() }
    }

    /// Looks at a workspace of one of the packages, and does something that its lifecycle leads to, or might.
    pub(super) fn turn(&mut self, packages: &[String], workspaces: &[&str]) {
        let (package, workspace) = (self.random.below(packages.len()), self.random.below(workspaces.len()));
        let at = (package, workspace);
        let (p, w) = (packages[package].as_str(), workspaces[workspace]);
        let look = self.read(at, p, w);
        let Some(look) = look else {
            match self.random.below(4) {
                0 => self.save_all(packages, workspaces),
                1 => self.propose_new(at, p, w),
                _ => self.save(at, p, w),
            }
            return;
        };
        let known = self.common.made.lock().expect("no panic").get(&look.commit).cloned();
        if self.random.one_in(8) {
            let any = Lifecycle::ALL[self.random.below(4)];
            return self.set(at, p, w, any, None);
        }
        let bound = self.random.one_in(2).then_some(&look);
        let by_push = self.random.one_in(2);
        let number = look.seen.number;
        let [draft, proposed] = ["drafts", "proposed"].map(|kind| format!("refs/heads/{kind}/{p}/{w}"));
        let [tag, marker] = ["tags", "heads/deletionProposed"].map(|kind| format!("refs/{kind}/{p}/v{number}"));
        let id = &look.commit;
        match (look.seen.lifecycle, self.random.below(4), by_push) {
            (Lifecycle::Draft, 0, _) => self.save(at, p, w),
            (Lifecycle::Draft, 1, true) => self.push(at, Action::DropDraft, None, &format!(":{draft}")),
            (Lifecycle::Draft, 1, false) | (Lifecycle::Proposed, 0, false) => self.remove(at, p, w),
            (Lifecycle::Draft, _, true) => self.push(at, Action::Propose, known, &format!("{id}:{proposed}")),
            (Lifecycle::Draft, _, false) => self.set(at, p, w, Lifecycle::Proposed, bound),
            (Lifecycle::Proposed, 0, true) => self.push(at, Action::DropProposal, None, &format!(":{proposed}")),
            (Lifecycle::Proposed, 1, true) if bound.is_some() => {
                self.push(at, Action::Save, known, &format!("+{id}:{draft}"));
            }
            (Lifecycle::Proposed, 1, true) => {
                self.push(at, Action::Reject, known, &format!("{id}:refs/reject/{p}/{w}"));
            }
            (Lifecycle::Proposed, 1, false) => self.set(at, p, w, Lifecycle::Draft, bound),
            (Lifecycle::Proposed, _, true) => {
                self.push(at, Action::Approve, known, &format!("{id}:refs/approve/{p}/{w}"));
            }
            (Lifecycle::Proposed, _, false) => self.set(at, p, w, Lifecycle::Published, bound),
            (Lifecycle::Published, _, true) => {
                self.push(at, Action::ProposeDeletion, None, &format!("{id}:{marker}"));
            }
            (Lifecycle::Published, _, false) => self.set(at, p, w, Lifecycle::DeletionProposed, bound),
            (Lifecycle::DeletionProposed, 0 | 1, true) => self.push(at, Action::Delete, None, &format!(":{tag}")),
            (Lifecycle::DeletionProposed, 0 | 1, false) => self.remove(at, p, w),
            (Lifecycle::DeletionProposed, _, true) => {
                self.push(at, Action::RefuseDeletion, None, &format!(":{marker}"));
            }
            (Lifecycle::DeletionProposed, _, false) => self.set(at, p, w, Lifecycle::Published, bound),
        }
    }

    /// Looks at a workspace, and writes down what it was.
    fn read(&mut self, (package, workspace): (usize, usize), p: &str, w: &str) -> Option<Look> {
        let began = self.common.now();
        let (code, body) = self.ask("GET", p, w, "");
        let ended = self.common.now();
        let look = match code {
            200 => Some(look(&body)),
            404 => None,
            other => panic!("GET answered {other}: {body}"),
        };
        let told = Told::Shown(look.as_ref().map(|look| look.seen.clone()));
        self.told.push((package, Operation { time: (began, ended), workspace, wish: Wish::Read, told }));
        look
    }

    /// Looks at every workspace of the packages.
    pub(super) fn read_all(&mut self, packages: &[String], workspaces: &[&str]) {
        for (package, p) in packages.iter().enumerate() {
            for (workspace, w) in workspaces.iter().enumerate() {
                self.read((package, workspace), p, w);
            }
        }
    }

    fn set(&mut self, at: (usize, usize), p: &str, w: &str, wanted: Lifecycle, bound: Option<&Look>) {
        let version = bound.map(|look| format!("\"metadata\":{{\"resourceVersion\":\"{}\"}},", look.version));
        let body = format!("{{{}\"spec\":{{\"lifecycle\":\"{wanted}\"}}}}", version.unwrap_or_default());
        let began = self.common.now();
        let (code, answer) = self.ask("PATCH", p, w, &body);
        let ended = self.common.now();
        if code == 200 {
            let told = Told::Shown(Some(look(&answer).seen));
            let wish = Wish::Set(wanted, bound.map(|look| look.seen.clone()));
            self.told.push((at.0, Operation { time: (began, ended), workspace: at.1, wish, told }));
        }
    }

    fn remove(&mut self, at: (usize, usize), p: &str, w: &str) {
        let began = self.common.now();
        let (code, _) = self.ask("DELETE", p, w, "");
        let time = (began, self.common.now());
        if code == 200 {
            let (wish, told) = (Wish::Remove, Told::Done);
            self.told.push((at.0, Operation { time, workspace: at.1, wish, told }));
        }
    }

    fn ask(&self, method: &str, p: &str, w: &str, body: &str) -> (u16, String) {
        let path = format!("{REVISIONS}/packages.{p}.{w}");
        let headers = [("content-type", "application/merge-patch+json")];
        self.runtime.block_on(send(&self.door, method, &path, &headers, body))
    }

    fn save(&mut self, at: (usize, usize), p: &str, w: &str) {
        let commit = self.commits(&[p]).remove(0);
        let refspec = format!("+{}:refs/heads/drafts/{p}/{w}", commit.id);
        self.push(at, Action::Save, Some(commit), &refspec);
    }

    fn propose_new(&mut self, at: (usize, usize), p: &str, w: &str) {
        let commit = self.commits(&[p]).remove(0);
        let refspec = format!("{}:refs/heads/proposed/{p}/{w}", commit.id);
        self.push(at, Action::Propose, Some(commit), &refspec);
    }

    /// Saves a draft of every package in one push.
    fn save_all(&mut self, packages: &[String], workspaces: &[&str]) {
        let workspace = self.random.below(workspaces.len());
        let names: Vec<&str> = packages.iter().map(String::as_str).collect();
        let made = self.commits(&names);
        let refspec =
            |(commit, p): (&Commit, &&str)| format!("+{}:refs/heads/drafts/{p}/{}", commit.id, workspaces[workspace]);
        let refspecs: Vec<String> = made.iter().zip(&names).map(refspec).collect();
        let saved = |(package, commit): (usize, Commit)| ((package, workspace), Action::Save, Some(commit));
        self.push_all(made.into_iter().enumerate().map(saved).collect(), &refspecs);
    }

    fn push(&mut self, at: (usize, usize), action: Action, commit: Option<Commit>, refspec: &str) {
        self.push_all(vec![(at, action, commit)], &[refspec.to_owned()]);
    }

    fn push_all(&mut self, wishes: Vec<((usize, usize), Action, Option<Commit>)>, refspecs: &[String]) {
        let url = self.world.url(self.user, "packages");
        let mut args = vec!["push", url.as_str()];
        args.extend(refspecs.iter().map(String::as_str));
        let began = self.common.now();
        let answer = self.clone.git(&args);
        let time = (began, self.common.now());
        // What is there already is not pushed at all.
        if answer.code != 0 || answer.stderr.contains("Everything up-to-date") {
            return;
        }
        let number = answer.stderr.split_once("published as v").map(|(_, rest)| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().expect("a number")
        });
        for ((package, workspace), action, commit) in wishes {
            let told = number.map_or(Told::Done, Told::Number);
            self.told.push((package, Operation { time, workspace, wish: Wish::Push(action, commit), told }));
        }
    }

    /// Commits of packages on the branch as it is now, each with a content that no other has.
    fn commits(&mut self, packages: &[&str]) -> Vec<Commit> {
        let main = self.world.on_disk("packages", &["rev-parse", "refs/heads/main"]).ok().text().to_owned();
        let contents: Vec<(String, String)> = packages
            .iter()
            .map(|package| {
                self.count += 1;
                ((*package).to_owned(), format!("{}-{}", self.number, self.count))
            })
            .collect();
        let ids = commits(self.clone.path(), &main, &contents);
        let made: Vec<Commit> = ids
            .into_iter()
            .zip(contents)
            .map(|(id, (package, content))| {
                let file = self.world.on_disk("packages", &["show", &format!("{main}:{package}/config.yaml")]);
                let base = file.stdout.split_once("key: ").map_or("", |(_, rest)| rest.trim()).to_owned();
                Commit { id, base, content }
            })
            .collect();
        let mut known = self.common.made.lock().expect("no panic");
        known.extend(made.iter().map(|commit| (commit.id.clone(), commit.clone())));
        made
    }
}

fn look(body: &str) -> Look {
    let object: Value = serde_json::from_str(body).expect("JSON");
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let lifecycle = Lifecycle::parse(&text("/spec/lifecycle")).expect("a lifecycle");
    let commit = text("/status/selfLock/git/commit");
    let seen = Seen {
        lifecycle,
        commit: (!lifecycle.is_published()).then(|| commit.clone()),
        number: object.pointer("/spec/revision").and_then(Value::as_i64).unwrap_or(0),
    };
    Look { seen, version: text("/metadata/resourceVersion"), commit }
}
