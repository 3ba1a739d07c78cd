//! What the small commands of the command line do, as functions from parsed arguments to the text they print.
//!
//! Never here: parsing arguments, printing, exit codes, and the daemon.

use std::path::Path;

use anyhow::{Context, bail};

use crate::config::{Config, RepositoryPath};
use crate::domain::names::UserName;
pub use crate::git::ObjectFormat;
use crate::identity::authority::Authority;
use crate::identity::kubeconfig::{self as kube, ADMIN};
use crate::identity::passwords::PasswordHash;
use crate::identity::tokens::{Token, TokenHash};

pub mod policy;

/// `stoop config check FILE`: one line on what the file holds.
///
/// # Errors
/// The file's first mistake, with its line.
pub fn config_check(file: &Path) -> anyhow::Result<String> {
    let config = Config::load(Some(file))?;
    let count = |number: usize, one: &str, many: &str| format!("{number} {}", if number == 1 { one } else { many });
    let users = count(config.users.len(), "user", "users");
    let repositories = count(config.repositories.len(), "repository", "repositories");
    Ok(format!("{}: good, {users}, {repositories}\n", file.display()))
}

/// `stoop config password`: the line for the configuration, of a password that was read from standard input.
///
/// # Errors
/// The password is too short, too long or holds control characters.
pub fn config_password(input: &str) -> anyhow::Result<String> {
    let password = input.strip_suffix('\n').unwrap_or(input);
    let hash = PasswordHash::of(password.strip_suffix('\r').unwrap_or(password))?;
    Ok(format!("password: {}\n", hash.as_str()))
}

/// `stoop config token`: a new token, and the line for the configuration.
///
/// # Errors
/// The system gives no random bytes.
pub fn config_token() -> anyhow::Result<String> {
    let token = Token::make()?;
    let hash = TokenHash::of(token.reveal());
    Ok(format!("# The token, shown only now: {}\ntokens: ['{hash}']\n", token.reveal()))
}

/// `stoop kubeconfig --user NAME`: a kubeconfig with a new certificate for a user. Without `server`, the address is that of
/// the daemon that last started on this state directory. `config`, where known, must have the user.
///
/// # Errors
/// No daemon has run on the state directory, or there is no such user.
pub fn kubeconfig(state: &Path, config: Option<&Config>, server: Option<&str>, user: &str) -> anyhow::Result<String> {
    let user = UserName::parse(user)?;
    let admin_file = state.join("kubeconfig");
    if user.as_str() == ADMIN {
        bail!("the administrator's kubeconfig is {}", admin_file.display());
    }
    if config.is_some_and(|config| config.user(&user).is_none()) {
        bail!("user {user:?} is not in the configuration; add the user with at least one role first");
    }
    let pki = state.join("pki");
    if !pki.join("ca.crt").exists() {
        bail!("there is no authority in {}; start `stoop serve` with this state directory once", pki.display());
    }
    let server = match server {
        Some(server) => server.to_owned(),
        None => server_of(&admin_file)?,
    };
    Ok(kube::kubeconfig(&Authority::open(&pki)?, &server, &user, None)?)
}

/// `stoop repo create NAME --root DIR`: a bare repository with Porch's initial commit.
///
/// # Errors
/// The name is no usable path, or something is there already.
pub fn repo_create(root: &Path, name: &str, branch: &str, format: ObjectFormat) -> anyhow::Result<String> {
    let path = repository_path(root, name)?;
    crate::git::create_bare(&path, branch, format)?;
    Ok(format!("{} created, with branch {branch}\n", path.display()))
}

/// `stoop repo import SOURCE NAME --root DIR`: a copy of all branches and tags of a repository, to be guarded from now on.
///
/// # Errors
/// The name is no usable path, something is there already, or git cannot copy the source.
pub fn repo_import(root: &Path, source: &str, name: &str) -> anyhow::Result<String> {
    let path = repository_path(root, name)?;
    crate::git::import_bare(source, &path)?;
    Ok(format!("{} imported from {source}\n", path.display()))
}

/// `stoop hooks uninstall REPOSITORY`: puts back what was there before Stoop's hooks.
///
/// # Errors
/// The directory is no repository, or cannot be written.
pub fn hooks_uninstall(repository: &Path) -> anyhow::Result<String> {
    let repository =
        std::fs::canonicalize(repository).with_context(|| format!("{} cannot be used", repository.display()))?;
    let removed = crate::hooks::uninstall(&repository)?;
    let done =
        if removed { "Stoop's hooks are removed; everything is as it was" } else { "no hooks of Stoop's were there" };
    Ok(format!("{}: {done}\n", repository.display()))
}

/// The place of a repository below the root, `.git` at its end.
fn repository_path(root: &Path, name: &str) -> anyhow::Result<std::path::PathBuf> {
    let path = RepositoryPath::parse(name)?;
    if path.as_str().split('/').any(|segment| segment.starts_with('.') || segment.starts_with('-')) {
        bail!("repository name {name:?} has a part that begins with '.' or '-'; such directories are not looked into");
    }
    let plain = path.as_str().strip_suffix(".git").unwrap_or(path.as_str());
    Ok(root.join(format!("{plain}.git")))
}

/// The API's address in the kubeconfig that the daemon wrote.
fn server_of(file: &Path) -> anyhow::Result<String> {
    let hint = || format!("the API's address is not known from {}; give it with --server https://…", file.display());
    let text = std::fs::read_to_string(file).with_context(hint)?;
    let written: serde_json::Value = serde_yaml::from_str(&text).with_context(hint)?;
    let server = written.pointer("/clusters/0/cluster/server").and_then(|server| server.as_str());
    Ok(server.with_context(hint)?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_configured() {
        let (password, token) = (config_password("correct horse\r\n").expect("hashed"), config_token().expect("made"));
        let text = format!("users:\n- name: ann\n  roles: [author]\n  {password}  {}", token.replace('\n', "\n  "));
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("stoop.yaml");
        std::fs::write(&file, &text).expect("written");
        let told = config_check(&file).expect("good");
        assert!(told.ends_with("stoop.yaml: good, 1 user, 0 repositories\n"), "{told}");
        let config = Config::load(Some(&file)).expect("good");
        assert!(config.users[0].password.as_ref().expect("one").verify("correct horse"));
        let shown = token.split_whitespace().find(|word| word.starts_with("stoop_")).expect("shown");
        assert!(config.users[0].tokens[0].matches(&TokenHash::of(shown)));
        std::fs::write(&file, "x: 1\n").expect("written");
        assert!(config_check(&file).expect_err("bad").to_string().contains("stoop.yaml:1:1: unknown key `x`"));
        assert!(config_password("short\n").is_err());
    }

    #[test]
    fn a_kubeconfig_needs_a_user_and_a_state() {
        let state = tempfile::tempdir().expect("a directory");
        let refused = |config: Option<&Config>, server: Option<&str>, user: &str, why: &str| {
            let error = kubeconfig(state.path(), config, server, user).expect_err(why);
            assert!(format!("{error:#}").contains(why), "{error:#}");
        };
        refused(None, None, "ann", "start `stoop serve`");
        assert!(!state.path().join("pki").exists(), "asking makes nothing");
        let authority = Authority::open(&state.path().join("pki")).expect("made");
        refused(None, None, "ann", "give it with --server");
        refused(None, None, "stoop-admin", "the administrator's kubeconfig is");
        refused(Some(&Config::default()), None, "ann", "not in the configuration");
        refused(None, None, "a\nb", "user name");
        kube::write_admin_kubeconfig(&authority, "https://127.0.0.1:77", &state.path().join("kubeconfig")).expect("ok");
        let text = kubeconfig(state.path(), None, None, "ann").expect("made");
        assert!(text.contains("server: \"https://127.0.0.1:77\"") && text.contains("- name: \"ann\""), "{text}");
        let text = kubeconfig(state.path(), None, Some("https://stoop.example:1"), "ann").expect("made");
        assert!(text.contains("server: \"https://stoop.example:1\""), "{text}");
    }
}
