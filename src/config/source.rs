//! How a Git server says to its hooks who pushes: the key `identity`, for the whole root or for a part of it.
//!
//! Never here: finding the user (see `identity::pusher`).

use std::fmt;

/// The variable in which sshd names its file on the login.
const LOGIN_FILE: &str = "SSH_USER_AUTH";

/// Where a user's name comes from. It is chosen by the configuration, and never guessed from what happens to be set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum IdentitySource {
    /// `git http-backend` behind a web server that has checked who asks, or Stoop's own Git door: `REMOTE_USER`.
    #[default]
    HttpBackend,
    /// gitolite: `GL_USER`.
    Gitolite,
    /// Gitea and Forgejo: `GITEA_PUSHER_NAME`.
    Gitea,
    /// GitLab: `GL_USERNAME`.
    Gitlab,
    /// sshd with `ExposeAuthInfo yes`: the keys of the login, in the file that `SSH_USER_AUTH` names.
    Sshd,
    /// Any other that sets a variable, such as a forced command.
    Variable(IdentityVariable),
}

impl IdentitySource {
    /// Takes a server's name, or a variable's.
    ///
    /// # Errors
    /// The sentence says what is wrong.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        Ok(match text {
            "http-backend" => Self::HttpBackend,
            "gitolite" => Self::Gitolite,
            "gitea" => Self::Gitea,
            "gitlab" => Self::Gitlab,
            "sshd" => Self::Sshd,
            LOGIN_FILE => return Err("this variable names a file of sshd's; write sshd, which reads it"),
            _ => Self::Variable(IdentityVariable::parse(text)?),
        })
    }

    /// The variable that the hook looks at.
    pub fn variable(&self) -> &str {
        match self {
            Self::HttpBackend => "REMOTE_USER",
            Self::Gitolite => "GL_USER",
            Self::Gitea => "GITEA_PUSHER_NAME",
            Self::Gitlab => "GL_USERNAME",
            Self::Sshd => LOGIN_FILE,
            Self::Variable(variable) => variable.as_str(),
        }
    }

    /// The variable that holds the user's name; sshd has none.
    pub fn name_variable(&self) -> Option<&str> {
        (*self != Self::Sshd).then(|| self.variable())
    }

    /// Whether the server runs hooks from `custom_hooks`, and git with hooks of its own.
    pub fn has_custom_hooks(&self) -> bool {
        *self == Self::Gitlab
    }

    /// The server that alone takes pushes for such repositories, since it has rules and records of its own that Stoop's Git
    /// door would go around.
    pub fn other_server(&self) -> Option<&'static str> {
        match self {
            Self::HttpBackend | Self::Variable(_) => None,
            Self::Gitolite => Some("gitolite"),
            Self::Gitea => Some("Gitea"),
            Self::Gitlab => Some("GitLab"),
            Self::Sshd => Some("sshd"),
        }
    }
}

impl fmt::Display for IdentitySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HttpBackend => "http-backend",
            Self::Gitolite => "gitolite",
            Self::Gitea => "gitea",
            Self::Gitlab => "gitlab",
            Self::Sshd => "sshd",
            Self::Variable(variable) => variable.as_str(),
        })
    }
}

/// The name of an environment variable that names the pusher, for example `STOOP_USER`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityVariable(String);

impl IdentityVariable {
    /// Takes a variable's name that no client can choose and that means nothing else to Git or the system.
    ///
    /// # Errors
    /// The sentence says what is wrong with the name.
    pub fn parse(name: &str) -> Result<Self, &'static str> {
        let well_formed = !name.is_empty()
            && name.len() <= 100
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_digit() || byte.is_ascii_uppercase());
        if !well_formed {
            return Err(
                "write gitolite, gitea, gitlab, http-backend, sshd, or the name of a variable that your Git server sets: capitals, digits and '_', as in GL_USERNAME",
            );
        }
        if name.starts_with("HTTP_") {
            return Err("variables that begin with HTTP_ hold what a client sent, so anyone could be anybody");
        }
        let taken = ["GIT_", "LD_", "CONTENT_", "LC_", "SSH_"].iter().any(|prefix| name.starts_with(prefix))
            || ["PATH", "HOME", "SHELL", "PWD", "LANG", "TERM", "TMPDIR", "QUERY_STRING", "PATH_INFO"].contains(&name);
        if taken {
            return Err(
                "this variable means something else; name the one that your Git server sets, as in GL_USERNAME",
            );
        }
        Ok(Self(name.to_owned()))
    }

    /// The variable's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_variables_are_told_apart() {
        for (text, variable) in [
            ("http-backend", "REMOTE_USER"),
            ("gitolite", "GL_USER"),
            ("gitea", "GITEA_PUSHER_NAME"),
            ("gitlab", "GL_USERNAME"),
            ("sshd", "SSH_USER_AUTH"),
            ("STOOP_USER", "STOOP_USER"),
            ("REMOTE_USER", "REMOTE_USER"),
        ] {
            let source = IdentitySource::parse(text).expect(text);
            assert_eq!((source.to_string().as_str(), source.variable()), (text, variable));
        }
        for bad in ["", "Gitea", "gitollite", "a b", "GL-USER", "1X", "SSH_USER_AUTH", "SSH_ORIGINAL_COMMAND", "PATH"] {
            assert!(IdentitySource::parse(bad).is_err(), "{bad:?}");
        }
    }
}
