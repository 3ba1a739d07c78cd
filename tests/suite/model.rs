//! Random actions through both doors against a pure model: after every step the daemon must show exactly the model's state,
//! across restarts, kills and losses of the cache.
//!
//! The model asks the product's one table (`domain::lifecycle::step`) and knows besides only what the design says about
//! numbers, names, bases and who proposed. `STOOP_MODEL_SEED` (a number) repeats a run or tries another one.
//! Never here: content rules (see `push_rules`) and things at the same moment (see `concurrent`).

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use stoop::domain::lifecycle::{Action, Lifecycle, State, action_between, removal, step};
use stoop::domain::names::UserName;
use stoop::domain::policy::{Actor, Role};

use crate::support::{USERS, Workdir, World};

const PACKAGES: [&str; 2] = ["a", "b/c"];
const WORKSPACES: [&str; 3] = ["w1", "w2", "w3"];

/// One random step.
#[derive(Debug, Clone)]
enum Move {
    /// By push, whatever the state.
    Push { user: usize, package: usize, workspace: usize, action: Action },
    /// By the API: a wanted lifecycle, or a deletion for `None`.
    Api { user: usize, package: usize, workspace: usize, wanted: Option<Lifecycle> },
    /// The daemon ends, by a signal, and starts again, perhaps without its cache.
    Restart { killed: bool, without_cache: bool },
}

fn moves() -> impl Strategy<Value = Move> {
    let place = || (0..USERS.len(), 0..PACKAGES.len(), 0..WORKSPACES.len());
    // Saving and the steps towards publication come more often, so that life gets that far.
    let action = prop_oneof![
        3 => Just(Action::Save),
        3 => Just(Action::Propose),
        3 => Just(Action::Approve),
        4 => proptest::sample::select(Action::ALL.to_vec()),
    ];
    let wanted = prop_oneof![
        5 => proptest::sample::select(Lifecycle::ALL.to_vec()).prop_map(Some),
        1 => Just(None),
    ];
    prop_oneof![
        60 => (place(), action).prop_map(|((user, package, workspace), action)| Move::Push { user, package, workspace, action }),
        40 => (place(), wanted).prop_map(|((user, package, workspace), wanted)| Move::Api { user, package, workspace, wanted }),
        4 => any::<(bool, bool)>().prop_map(|(killed, without_cache)| Move::Restart { killed, without_cache }),
    ]
}

/// What the model knows of one package's workspace that exists.
#[derive(Debug, Clone)]
struct Revision {
    lifecycle: Lifecycle,
    commit: String,
    /// The package's number on the branch when the commit was made: what its content builds upon.
    base: i64,
    number: i64,
    proposer: Option<String>,
}

#[derive(Debug, Default)]
struct Model {
    revisions: BTreeMap<(usize, usize), Revision>,
    /// The highest number ever published of a package, which is also what the branch holds.
    highest: BTreeMap<usize, i64>,
}

impl Model {
    fn state(&self, at: (usize, usize)) -> State {
        self.revisions.get(&at).map_or(State::Absent, |revision| State::Present(revision.lifecycle))
    }

    fn on_branch(&self, package: usize) -> i64 {
        self.highest.get(&package).copied().unwrap_or(0)
    }

    /// Whether an action is allowed, and where it leads. `base` is that of a commit the action brings itself.
    fn allows(&self, at: (usize, usize), user: usize, action: Action, base: Option<i64>) -> Option<State> {
        let step = step(self.state(at), action).ok()?;
        let revision = self.revisions.get(&at);
        let proposer = revision.and_then(|revision| revision.proposer.as_deref());
        let proposer = proposer.map(|name| UserName::parse(name).expect("a name"));
        if !actor(user).holds(step.right, proposer.as_ref()) {
            return None;
        }
        let base = base.or(revision.map(|revision| revision.base));
        let fresh = base == Some(self.on_branch(at.0));
        (fresh || !matches!(action, Action::Propose | Action::Approve)).then_some(step.to)
    }

    fn apply(&mut self, at: (usize, usize), user: usize, action: Action, to: State, brought: Option<(String, i64)>) {
        let State::Present(lifecycle) = to else {
            self.revisions.remove(&at);
            return;
        };
        let number = self.on_branch(at.0) + 1;
        let revision = self.revisions.entry(at).or_insert_with(|| Revision {
            lifecycle,
            commit: String::new(),
            base: 0,
            number: 0,
            proposer: None,
        });
        revision.lifecycle = lifecycle;
        if let Some((commit, base)) = brought {
            (revision.commit, revision.base) = (commit, base);
        }
        match action {
            Action::Propose | Action::ProposeDeletion => revision.proposer = Some(USERS[user].0.to_owned()),
            Action::Reject | Action::RefuseDeletion => revision.proposer = None,
            Action::Approve => {
                revision.number = number;
                // Once published, only who proposes its deletion counts as a proposer.
                revision.proposer = None;
                self.highest.insert(at.0, number);
            }
            _ => {}
        }
    }

    /// Everything the API must list: name, lifecycle, number, whether it is the latest.
    fn listing(&self) -> BTreeSet<(String, String, i64, bool)> {
        let name =
            |package: usize, workspace: &str| format!("packages.{}.{workspace}", PACKAGES[package].replace('/', "."));
        let mut listing = BTreeSet::new();
        for (package, _) in self.highest.iter() {
            listing.insert((name(*package, "main"), "Published".to_owned(), -1, false));
        }
        for ((package, workspace), revision) in &self.revisions {
            let of_package = self.revisions.iter().filter(|((other, _), _)| other == package);
            let highest = of_package.map(|(_, other)| other.number).max().unwrap_or(0);
            let latest = revision.number > 0 && revision.number == highest;
            listing.insert((
                name(*package, WORKSPACES[*workspace]),
                revision.lifecycle.to_string(),
                revision.number,
                latest,
            ));
        }
        listing
    }
}

fn actor(user: usize) -> Actor {
    let roles = USERS[user].1.split(", ").map(|role| match role {
        "reader" => Role::Reader,
        "author" => Role::Author,
        "approver" => Role::Approver,
        "admin" => Role::Admin,
        other => panic!("an unknown role {other}"),
    });
    Actor { name: UserName::parse(USERS[user].0).expect("a name"), roles: roles.collect() }
}

/// The real side: one clone that commits and pushes for everybody, and HTTP clients with everybody's token.
struct Real {
    world: World,
    clone: Workdir,
    runtime: tokio::runtime::Runtime,
    clients: Vec<kube::Client>,
    commits: u32,
}

impl Real {
    fn start() -> Self {
        let world = World::with_repository();
        let clone = world.clone("ada", "packages");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut real = Self { world, clone, runtime, clients: Vec::new(), commits: 0 };
        real.connect();
        real
    }

    /// Clients for the daemon that runs now.
    fn connect(&mut self) {
        let kubeconfig = kube::config::Kubeconfig::read_from(self.world.kubeconfig("admin")).expect("a kubeconfig");
        let options = kube::config::KubeConfigOptions::default();
        let base = self.runtime.block_on(kube::Config::from_custom_kubeconfig(kubeconfig, &options)).expect("a config");
        let _guard = self.runtime.enter();
        self.clients = USERS
            .iter()
            .map(|(user, _)| {
                let mut config = base.clone();
                config.auth_info =
                    kube::config::AuthInfo { token: Some(format!("stoop_{user}").into()), ..Default::default() };
                kube::Client::try_from(config).expect("a client")
            })
            .collect();
    }

    fn call(&self, user: usize, method: &str, path: &str, body: Option<String>) -> Result<serde_json::Value, String> {
        let request = axum::http::Request::builder()
            .method(method)
            .uri(format!("/apis/porch.kpt.dev/v1alpha1/namespaces/default/packagerevisions{path}"))
            .header("content-type", "application/merge-patch+json")
            .body(body.unwrap_or_default().into_bytes())
            .expect("a request");
        self.runtime.block_on(self.clients[user].request(request)).map_err(|error| error.to_string())
    }

    fn listing(&self) -> BTreeSet<(String, String, i64, bool)> {
        let list = self.call(4, "GET", "", None).expect("a list for the reader");
        let items = list["items"].as_array().expect("items");
        let item = |item: &serde_json::Value| {
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            (
                text(&item["metadata"]["name"]),
                text(&item["spec"]["lifecycle"]),
                item["spec"]["revision"].as_i64().unwrap_or(0),
                item["metadata"]["labels"]["kpt.dev/latest-revision"] == "true",
            )
        };
        items.iter().map(item).collect()
    }

    /// Makes a commit of a package with content of its own on top of the branch.
    fn commit(&mut self, package: &str) -> String {
        self.clone.git(&["fetch", "-q", "origin", "main"]).ok();
        self.clone.git(&["reset", "-q", "--hard", "FETCH_HEAD"]).ok();
        self.commits += 1;
        self.clone.package(package, &self.commits.to_string())
    }

    fn push(&self, user: usize, refspec: &str) -> Result<(), String> {
        let url = self.world.url(USERS[user].0, "packages");
        let answer = self.clone.git(&["push", &url, refspec]);
        if answer.code == 0 { Ok(()) } else { Err(answer.stderr) }
    }

    fn restart(&mut self, killed: bool, without_cache: bool) {
        self.world.stop_daemon(if killed { "KILL" } else { "TERM" });
        if without_cache {
            std::fs::remove_dir_all(self.world.state().join("cache")).expect("the cache is removed");
        }
        self.world.start_daemon();
        self.clone.git(&["remote", "set-url", "origin", &self.world.url("ada", "packages")]).ok();
        self.connect();
    }
}

/// Makes one move on both sides; both must agree on whether it is allowed.
fn make(real: &mut Real, model: &mut Model, wanted: &Move) -> Result<(), String> {
    let (user, at, action, brought, outcome) = match *wanted {
        Move::Restart { killed, without_cache } => {
            real.restart(killed, without_cache);
            return Ok(());
        }
        Move::Push { user, package, workspace, action } => {
            let (at, p, w) = ((package, workspace), PACKAGES[package], WORKSPACES[workspace]);
            let known = model.revisions.get(&at).cloned();
            // A draft is proposed as it is; without one a new commit is.
            let draft = known.as_ref().filter(|known| known.lifecycle == Lifecycle::Draft);
            let brings = action == Action::Save || (action == Action::Propose && draft.is_none());
            let brought = brings.then(|| (real.commit(p), model.on_branch(package)));
            let commit = brought.as_ref().map(|(commit, _)| commit).or(known.as_ref().map(|known| &known.commit));
            let commit = commit.cloned().unwrap_or_else(|| real.clone.head());
            let number = known.as_ref().map_or(99, |known| known.number);
            let tag = format!("refs/tags/{p}/v{number}");
            if known.as_ref().is_some_and(|known| known.number > 0) {
                real.clone.git(&["fetch", "-q", "--force", "origin", &format!("{tag}:{tag}")]).ok();
            }
            let refspec = match action {
                Action::Save => format!("+{commit}:refs/heads/drafts/{p}/{w}"),
                Action::DropDraft => format!(":refs/heads/drafts/{p}/{w}"),
                Action::Propose => format!("{commit}:refs/heads/proposed/{p}/{w}"),
                Action::DropProposal => format!(":refs/heads/proposed/{p}/{w}"),
                Action::Reject => format!("{commit}:refs/reject/{p}/{w}"),
                Action::Approve => format!("{commit}:refs/approve/{p}/{w}"),
                Action::ProposeDeletion if number > 0 && number < 99 => {
                    format!("{tag}:refs/heads/deletionProposed/{p}/v{number}")
                }
                Action::ProposeDeletion => format!("{commit}:refs/heads/deletionProposed/{p}/v99"),
                Action::RefuseDeletion => format!(":refs/heads/deletionProposed/{p}/v{number}"),
                Action::Delete => format!(":{tag}"),
            };
            (user, at, action, brought, real.push(user, &refspec))
        }
        Move::Api { user, package, workspace, wanted } => {
            let at = (package, workspace);
            let path = format!("/packages.{}.{}", PACKAGES[package].replace('/', "."), WORKSPACES[workspace]);
            let State::Present(from) = model.state(at) else {
                let got = real.call(user, "GET", &path, None);
                return if got.is_err() { Ok(()) } else { Err(format!("{path} should not be there")) };
            };
            let action = match wanted {
                None => removal(from),
                Some(to) => match action_between(from, to) {
                    Ok(Some(action)) => action,
                    Ok(None) => return Ok(()),
                    Err(_) => {
                        let got = patch(real, user, &path, to);
                        return if got.is_err() { Ok(()) } else { Err(format!("no step leads from {from} to {to}")) };
                    }
                },
            };
            let outcome = match wanted {
                None => real.call(user, "DELETE", &path, None).map(|_| ()),
                Some(to) => patch(real, user, &path, to),
            };
            (user, at, action, None, outcome)
        }
    };
    // To delete a tag or a marker that is not there, or to push a marker that is, is git's affair: nothing happens.
    let published = matches!(model.state(at), State::Present(lifecycle) if lifecycle.is_published());
    let marked = model.state(at) == State::Present(Lifecycle::DeletionProposed);
    if (!published && matches!(action, Action::RefuseDeletion | Action::Delete))
        || (marked && action == Action::ProposeDeletion)
    {
        return Ok(());
    }
    let base = brought.as_ref().map(|(_, base)| *base);
    let allowed = model.allows(at, user, action, base);
    match (allowed, outcome) {
        (Some(to), Ok(())) => model.apply(at, user, action, to, brought),
        (None, Err(_)) => {}
        (Some(to), Err(why)) => return Err(format!("should lead to {to}, but: {why}")),
        (None, Ok(())) => return Err("should have been refused".to_owned()),
    }
    Ok(())
}

fn patch(real: &Real, user: usize, path: &str, to: Lifecycle) -> Result<(), String> {
    real.call(user, "PATCH", path, Some(format!("{{\"spec\":{{\"lifecycle\":\"{to}\"}}}}"))).map(|_| ())
}

#[test]
fn both_doors_do_what_the_model_says() {
    let seed: u64 = std::env::var("STOOP_MODEL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20260);
    println!("STOOP_MODEL_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    // Every case is a world of its own with a long story; shrinking would play it anew each time, so there is none.
    let config = Config { cases: 2, max_shrink_iters: 0, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let story = proptest::collection::vec(moves(), 160..161);
    let outcome = runner.run(&story, |story| {
        let (mut real, mut model) = (Real::start(), Model::default());
        let mut reached = BTreeSet::new();
        for (number, wanted) in story.iter().enumerate() {
            let said = make(&mut real, &mut model, wanted);
            prop_assert!(said.is_ok(), "step {number}, {wanted:?}: {}", said.unwrap_err());
            prop_assert_eq!(real.listing(), model.listing(), "after step {}, {:?}", number, wanted);
            reached.extend(model.revisions.values().map(|revision| revision.lifecycle));
        }
        prop_assert_eq!(reached.len(), 4, "the story reaches every state");
        real.world.on_disk("packages", &["fsck", "--strict"]).ok();
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("STOOP_MODEL_SEED={seed}: {error}");
    }
}
