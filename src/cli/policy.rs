//! `stoop policy check` and `stoop policy why`: the policy asked without a daemon.
//!
//! `why` reads refs and ledger where it is given a root, and changes nothing. Never here: answering in another way than the
//! doors do; the judgement is the domain's.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};

use crate::commands::repositories::Bindings;
use crate::config::{Config, RepositoryPath};
use crate::domain::ledger::{Entry, EntryKey, Via};
use crate::domain::lifecycle::{Action, Lifecycle, State, step};
use crate::domain::names::{Namespace, PackagePath, RepositoryName, UserName, Workspace};
use crate::domain::oid::ObjectId;
use crate::domain::policy::break_glass::Reason;
use crate::domain::policy::explain::{Explanation, explain};
use crate::domain::policy::question::Question;
use crate::domain::policy::{Policy, Right, Scope};
use crate::domain::refs::{RefName, RevisionNumber};
use crate::domain::timestamp::Micros;
use crate::git::{LedgerStore, Reader, Store};
use crate::krm::kptfile::{self, Condition};

/// What `stoop policy why` was asked.
#[derive(Debug, Clone)]
pub struct Why {
    /// The user.
    pub user: String,
    /// The verb: an action's name, such as `approve`.
    pub verb: String,
    /// The package.
    pub package: String,
    /// The configuration, which names the policy.
    pub config: PathBuf,
    /// The repository's name, where it matters or its state is to be looked at.
    pub repository: Option<String>,
    /// The repository's namespace.
    pub namespace: String,
    /// The workspace.
    pub workspace: Option<String>,
    /// The root below which the repository is.
    pub root: Option<PathBuf>,
    /// The state directory.
    pub state: Option<PathBuf>,
    /// The door.
    pub via: Via,
    /// A reason for going past the policy.
    pub break_glass: Option<String>,
    /// Whether to print JSON.
    pub json: bool,
}

/// `stoop policy check FILE`: one line on what the file holds.
///
/// # Errors
/// The file's first mistake, with its line.
pub fn check(file: &Path) -> anyhow::Result<String> {
    let policy = Policy::load(file)?;
    let count = |number: usize, one: &str, many: &str| format!("{number} {}", if number == 1 { one } else { many });
    let (serial, rules) = (policy.serial, count(policy.blocks.len(), "rule", "rules"));
    Ok(format!("{}: good, serial {serial}, {rules}\n", file.display()))
}

/// What is known of a package's workspace.
#[derive(Default)]
struct Looked {
    state: Option<State>,
    commit: Option<ObjectId>,
    history: Option<Entry>,
    conditions: Option<Vec<Condition>>,
}

/// `stoop policy why USER VERB PACKAGE`: what each rule says, as text or JSON.
///
/// # Errors
/// The question makes no sense, or what it is about cannot be read.
pub fn why(why: &Why) -> anyhow::Result<String> {
    let config = Config::load(Some(&why.config))?;
    let user = UserName::parse(&why.user)?;
    let action = Action::ALL.into_iter().find(|action| action.as_str() == why.verb).with_context(|| {
        let verbs = Action::ALL.map(Action::as_str).join(", ");
        format!("verb {:?} is none of {verbs}", why.verb)
    })?;
    let package = PackagePath::parse(&why.package)?;
    let namespace = Namespace::parse(&why.namespace)?;
    let repository = match &why.repository {
        Some(name) => RepositoryName::parse(name)?,
        None if config.policy.blocks.iter().any(|block| !block.repositories.is_empty()) || why.root.is_some() => {
            bail!("the answer hangs on the repository; name it with --repository")
        }
        None => RepositoryName::parse("any")?,
    };
    let workspace = why.workspace.as_deref().unwrap_or("<workspace>");
    let workspace = Workspace::parse(workspace)?;
    let looked = match (&why.root, &why.workspace) {
        (Some(root), Some(_)) => {
            let path = path_of(why, &config, root, &namespace, &repository)?;
            look(&Store::open(&path)?.reader(), &package, &workspace, action)?
        }
        (Some(_), None) => bail!("to look at the repository's state, name the workspace with --workspace"),
        (None, _) => Looked::default(),
    };
    let everywhere = config.policy.everywhere(&user);
    let reason = why.break_glass.as_deref().map(Reason::parse).transpose().map_err(|why| anyhow::anyhow!("{why}"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    let mut question = Question {
        policy: &config.policy,
        scope: Scope { namespace: &namespace, repository: &repository, package: &package },
        workspace: &workspace,
        action,
        right: right_of(action),
        user: &user,
        everywhere: &everywhere,
        via: why.via,
        commit: looked.commit,
        now: Micros(u64::try_from(now).unwrap_or(u64::MAX)),
        history: looked.history.as_ref(),
        conditions: looked.conditions.as_deref(),
        break_glass: reason.as_ref(),
        certificate: None,
    };
    let explanation = match looked.state.map(|state| (state, step(state, action))) {
        Some((state, Err(code))) => Explanation {
            answer: "no",
            summary: format!("{} is {state}, from where nobody may {} it", question.title(), action.as_str()),
            code: Some(code.as_str()),
            roles: question.roles().into_iter().collect(),
            rules: Vec::new(),
            steps: Vec::new(),
        },
        Some((_, Ok(step))) => {
            question.right = step.right;
            explain(&question)
        }
        None => explain(&question),
    };
    Ok(match why.json {
        true => format!("{}\n", serde_json::to_string_pretty(&explanation)?),
        false => explanation.text(),
    })
}

/// The right that the lifecycle's table wants for an action, the same from every state from where it is legal.
fn right_of(action: Action) -> Right {
    State::ALL.into_iter().find_map(|state| step(state, action).ok()).map_or(Right::Admin, |step| step.right)
}

/// Where a repository is: as the configuration names it, else as it was bound to its name when it was first seen.
fn path_of(
    why: &Why,
    config: &Config,
    root: &Path,
    namespace: &Namespace,
    name: &RepositoryName,
) -> anyhow::Result<PathBuf> {
    let configured = config
        .repositories
        .iter()
        .find(|repository| repository.name.as_ref() == Some(name) && repository.namespace == *namespace);
    let state = why.state.clone().unwrap_or_else(|| root.join(".stoop"));
    let below = match configured {
        Some(repository) => repository.path.clone(),
        None => {
            let bindings = Bindings::open(state.join("bindings.json"))?;
            let bound = bindings.path_of(namespace, name).with_context(|| {
                format!(
                    "no repository {namespace}/{name} is known in {}; name one as kubectl get repositories shows it",
                    state.display()
                )
            })?;
            RepositoryPath::parse(bound)?
        }
    };
    let with_suffix = root.join(format!("{below}.git"));
    Ok(if with_suffix.exists() { with_suffix } else { root.join(below.as_str()) })
}

/// Looks at refs, ledger and Kptfile.
fn look(reader: &Reader, package: &PackagePath, workspace: &Workspace, action: Action) -> anyhow::Result<Looked> {
    let key = EntryKey::of(package, workspace);
    let kept = LedgerStore::read_all(reader)?.into_iter().find(|(other, _)| other == key.as_str());
    let mut entry = match kept {
        Some((_, bytes)) => Entry::from_bytes(&bytes).context("the ledger's entry cannot be read")?,
        None => Entry::new(package.clone(), workspace.clone()),
    };
    let published = entry.highest_revision.filter(|_| entry.deleted.is_none()).map(RevisionNumber::segment);
    let tag = |segment: &String| RefName::tag(package, segment);
    let marker = |segment: &String| RefName::deletion_proposed(package, segment);
    let places = [
        (Some(RefName::proposed(package, workspace)), Lifecycle::Proposed),
        (Some(RefName::draft(package, workspace)), Lifecycle::Draft),
        (published.as_ref().map(marker), Lifecycle::DeletionProposed),
        (published.as_ref().map(tag), Lifecycle::Published),
    ];
    let mut looked = Looked { state: Some(State::Absent), ..Looked::default() };
    for (name, lifecycle) in places.into_iter().filter_map(|(name, lifecycle)| Some((name?, lifecycle))) {
        let target = reader.ref_target(&name)?;
        if let Some(commit) = target.map(|target| reader.peel_to_commit(target)).transpose()?.flatten() {
            looked.state = Some(State::Present(lifecycle));
            looked.commit = Some(commit);
            break;
        }
    }
    // What is done may still wait to be written down as such.
    let done = entry.intent.clone().filter(|intent| {
        let leads = State::ALL
            .into_iter()
            .filter_map(|from| step(from, intent.action).ok())
            .any(|step| Some(step.to) == looked.state);
        leads && looked.commit == Some(intent.deed.commit)
    });
    if let Some(done) = done {
        entry.finish(&done);
    }
    // A package that is only now to be proposed has its conditions in what will be pushed.
    if let (Some(commit), true) = (looked.commit, matches!(action, Action::Approve | Action::Propose)) {
        let tree = reader.subtree(reader.commit(commit)?.tree, package)?;
        let bytes = tree.map(|tree| reader.kptfile(tree)).transpose()?.flatten();
        let read = bytes.map(|bytes| kptfile::read(&bytes)).transpose()?;
        looked.conditions = Some(read.map(|read| read.kptfile.conditions).unwrap_or_default());
    }
    looked.history = Some(entry);
    Ok(looked)
}
