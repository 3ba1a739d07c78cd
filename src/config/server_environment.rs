//! What the hooks of a Git server find in their environment: for telling them of a ref that Stoop moved, as that server would.
//!
//! Never here: running hooks.

use std::collections::BTreeMap;

use super::IdentitySource;
use crate::domain::announcement::Announcement;
use crate::domain::names::UserName;

const GITEA_NAME: &str = "GITEA_PUSHER_NAME";
const GITEA_ID: &str = "GITEA_PUSHER_ID";
const GITEA_EMAIL: &str = "GITEA_PUSHER_EMAIL";

/// As whom a forge's hooks are told of what Stoop moved for somebody whose number in that forge is not known: whoever came
/// through the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The account's name in the forge.
    pub name: UserName,
    /// Its number.
    pub id: u64,
    /// Its address.
    pub email: Option<String>,
}

/// The hooks want to know what nobody has said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{by} did this through no push, so Gitea's number of that user is not known; name an account of Gitea's in the configuration, as in announceAs: {{name: stoop, id: 7}}"
)]
pub struct NoAccount {
    by: UserName,
}

/// The variables that are kept of a push, so that its server's hooks can be told later.
pub fn kept_variables(server: &IdentitySource) -> &'static [&'static str] {
    match server {
        IdentitySource::Gitea => &[GITEA_ID, GITEA_EMAIL, "GITEA_REPO_ID"],
        _ => &[],
    }
}

/// The variables of an announcement. `path` is the repository's below the root.
///
/// # Errors
/// The server needs an account and none is configured.
pub fn environment(
    server: &IdentitySource,
    account: Option<&Account>,
    path: &str,
    announcement: &Announcement,
) -> Result<Vec<(String, String)>, NoAccount> {
    let name = path.strip_suffix(".git").unwrap_or(path);
    let by = announcement.by.to_string();
    let known = &announcement.variables;
    let pairs: Vec<(&str, String)> = match server {
        IdentitySource::Gitea => {
            gitea(name, known, account, by).ok_or_else(|| NoAccount { by: announcement.by.clone() })?
        }
        IdentitySource::Gitolite => vec![("GL_USER", by), ("GL_REPO", name.to_owned())],
        other => other.name_variable().map(|variable| (variable, by)).into_iter().collect(),
    };
    Ok(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn gitea(
    path: &str,
    known: &BTreeMap<String, String>,
    account: Option<&Account>,
    by: String,
) -> Option<Vec<(&'static str, String)>> {
    let (owner, name) = path.rsplit_once('/').unwrap_or(("", path));
    let owner = owner.rsplit('/').next().unwrap_or_default();
    let (name_of_pusher, id, email) = match known.get(GITEA_ID) {
        Some(id) => (by, id.clone(), known.get(GITEA_EMAIL).cloned()),
        None => account.map(|account| (account.name.to_string(), account.id.to_string(), account.email.clone()))?,
    };
    let mut pairs = vec![
        ("GITEA_REPO_USER_NAME", owner.to_owned()),
        ("GITEA_REPO_NAME", name.to_owned()),
        ("GITEA_REPO_IS_WIKI", name.ends_with(".wiki").to_string()),
        (GITEA_NAME, name_of_pusher),
        (GITEA_ID, id),
        ("SSH_ORIGINAL_COMMAND", "gitea-internal".to_owned()),
    ];
    pairs.extend(email.map(|email| (GITEA_EMAIL, email)));
    pairs.extend(known.get("GITEA_REPO_ID").map(|id| ("GITEA_REPO_ID", id.clone())));
    Some(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcement(variables: &[(&str, &str)]) -> Announcement {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Announcement { by: UserName::parse("bob").expect("valid"), variables, moves: Vec::new() }
    }

    fn told(server: &str, account: Option<&Account>, announcement: &Announcement) -> Result<String, NoAccount> {
        let server = IdentitySource::parse(server).expect("a server");
        let pairs = environment(&server, account, "repositories/team/packages.git", announcement)?;
        Ok(pairs.iter().map(|(name, value)| format!("{name}={value} ")).collect::<String>().trim_end().to_owned())
    }

    #[test]
    fn each_server_s_hooks_find_what_they_look_for() {
        let plain = announcement(&[]);
        assert_eq!(told("REMOTE_USER", None, &plain).as_deref(), Ok("REMOTE_USER=bob"));
        assert_eq!(told("gitolite", None, &plain).as_deref(), Ok("GL_USER=bob GL_REPO=repositories/team/packages"));
        assert_eq!(told("sshd", None, &plain).as_deref(), Ok(""));
        let pushed = announcement(&[("GITEA_PUSHER_ID", "5"), ("GITEA_PUSHER_EMAIL", "b@x"), ("GITEA_REPO_ID", "9")]);
        assert_eq!(
            told("gitea", None, &pushed).as_deref(),
            Ok("GITEA_REPO_USER_NAME=team GITEA_REPO_NAME=packages GITEA_REPO_IS_WIKI=false GITEA_PUSHER_NAME=bob \
                GITEA_PUSHER_ID=5 SSH_ORIGINAL_COMMAND=gitea-internal GITEA_PUSHER_EMAIL=b@x GITEA_REPO_ID=9")
        );
    }

    #[test]
    fn whoever_has_no_number_in_the_forge_is_told_of_as_the_account() {
        let account = Account { name: UserName::parse("stoop").expect("valid"), id: 7, email: None };
        let told = |account| told("gitea", account, &announcement(&[]));
        assert_eq!(
            told(Some(&account)).as_deref(),
            Ok("GITEA_REPO_USER_NAME=team GITEA_REPO_NAME=packages GITEA_REPO_IS_WIKI=false GITEA_PUSHER_NAME=stoop \
                GITEA_PUSHER_ID=7 SSH_ORIGINAL_COMMAND=gitea-internal")
        );
        let error = told(None).expect_err("nobody is named").to_string();
        assert!(
            error.starts_with("bob did this through no push") && error.ends_with("announceAs: {name: stoop, id: 7}")
        );
    }

    #[test]
    fn only_a_forge_s_variables_are_kept() {
        assert_eq!(kept_variables(&IdentitySource::HttpBackend), [""; 0]);
        assert_eq!(kept_variables(&IdentitySource::Gitea).len(), 3);
    }
}
