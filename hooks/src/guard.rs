//! The guard file `<repository>/hooks/stoop/guard`: what the daemon tells the stub about a repository, so that the stub can
//! decide by itself which refs may be managed; and that decision, by name alone.
//!
//! Never here: asking the daemon, and reading refs or objects.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::wire::{MAX_VARIABLES, is_variable};

const MAX_FILE: usize = 64 << 10;
const MAX_LINE: usize = 4096;
const MAX_BRANCHES: usize = 64;

/// Names that are Stoop's wherever they lie, with everything below them.
const PREFIXES: [&[u8]; 6] = [
    b"refs/heads/drafts",
    b"refs/heads/proposed",
    b"refs/heads/deletionProposed",
    b"refs/approve",
    b"refs/reject",
    b"refs/stoop",
];

/// What the stub knows about its repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The daemon's socket; empty when it is not known.
    pub socket: PathBuf,
    /// The registered branches, as full ref names.
    pub branches: Vec<String>,
    /// The directory that holds the packages, without slashes at its ends; empty for the whole tree.
    pub directory: String,
    /// Whether the repository holds a package, a draft or a proposal: only then is the branch guarded.
    pub guarded: bool,
    /// The environment variable that names the pusher, or, if it is sshd's, the file on the login.
    pub identity: Option<String>,
    /// More variables that the daemon wants to know of a push.
    pub variables: Vec<String>,
}

/// Why a guard file cannot be read or written: the line, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardError(pub usize);

impl fmt::Display for GuardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the guard file is malformed, unknown, missing or repeated", self.0)
    }
}

impl std::error::Error for GuardError {}

/// What a ref may be, by its name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind<'a> {
    /// Surely none of Stoop's business.
    Unmanaged,
    /// Under one of Stoop's own prefixes.
    Managed,
    /// A registered branch.
    Branch,
    /// A tag that is a package revision if this path holds a package in its commit.
    Tag(&'a [u8]),
}

impl Guard {
    /// What holds when the guard file cannot be read: no daemon, the branch that `HEAD` names guarded, every path in view.
    pub fn unknown(head: Option<String>) -> Self {
        let branches = head.into_iter().collect();
        Self {
            socket: PathBuf::new(),
            branches,
            directory: String::new(),
            guarded: true,
            identity: None,
            variables: vec![],
        }
    }

    /// The file's text; an error if it could not be read back.
    pub fn encode(&self) -> Result<Vec<u8>, GuardError> {
        let mut text = b"socket ".to_vec();
        text.extend_from_slice(self.socket.as_os_str().as_bytes());
        text.push(b'\n');
        for branch in &self.branches {
            text.extend_from_slice(format!("branch {branch}\n").as_bytes());
        }
        text.extend_from_slice(format!("directory {}\n", self.directory).as_bytes());
        text.extend_from_slice(if self.guarded { b"guarded yes\n" } else { b"guarded no\n" });
        if let Some(identity) = &self.identity {
            text.extend_from_slice(format!("identity {identity}\n").as_bytes());
        }
        for variable in &self.variables {
            text.extend_from_slice(format!("variable {variable}\n").as_bytes());
        }
        if Self::parse(&text)? == *self { Ok(text) } else { Err(GuardError(0)) }
    }

    /// Reads the file's text.
    pub fn parse(text: &[u8]) -> Result<Self, GuardError> {
        let (mut socket, mut directory, mut guarded, mut identity) = (None, None, None, None);
        let (mut branches, mut variables) = (Vec::new(), Vec::new());
        let body = text.strip_suffix(b"\n").filter(|_| text.len() <= MAX_FILE).ok_or(GuardError(1))?;
        let mut count = 0;
        for (index, line) in body.split(|byte| *byte == b'\n').enumerate() {
            count = index + 1;
            let wrong = || GuardError(count);
            let space = line.iter().position(|byte| *byte == b' ').filter(|_| line.len() <= MAX_LINE);
            let (key, value) = line.split_at(space.ok_or_else(wrong)?);
            let value = &value[1..];
            if value.contains(&0) {
                return Err(wrong());
            }
            let text = || std::str::from_utf8(value).map(str::to_owned).map_err(|_| wrong());
            let repeated = match (key, value) {
                (b"socket", _) if value.starts_with(b"/") => {
                    socket.replace(PathBuf::from(OsStr::from_bytes(value))).is_some()
                }
                (b"branch", _) if value.starts_with(b"refs/") && branches.len() < MAX_BRANCHES => {
                    branches.push(text()?);
                    false
                }
                (b"directory", _) if !value.starts_with(b"/") && !value.ends_with(b"/") => {
                    directory.replace(text()?).is_some()
                }
                (b"guarded", b"yes") => guarded.replace(true).is_some(),
                (b"guarded", b"no") => guarded.replace(false).is_some(),
                (b"identity", _) if is_variable(value) => identity.replace(text()?).is_some(),
                (b"variable", value) if is_variable(value) && variables.len() < MAX_VARIABLES => {
                    variables.push(text()?);
                    false
                }
                _ => true,
            };
            if repeated {
                return Err(wrong());
            }
        }
        let missing = || GuardError(count + 1);
        Ok(Self {
            socket: socket.ok_or_else(missing)?,
            branches,
            directory: directory.ok_or_else(missing)?,
            guarded: guarded.ok_or_else(missing)?,
            identity,
            variables,
        })
    }

    /// What a ref of this name may be.
    pub fn kind<'a>(&self, name: &'a [u8]) -> NameKind<'a> {
        if PREFIXES.iter().any(|prefix| is_at_or_below(name, prefix)) {
            return NameKind::Managed;
        }
        if self.branches.iter().any(|branch| branch.as_bytes() == name) {
            return NameKind::Branch;
        }
        let Some(rest) = name.strip_prefix(b"refs/tags/") else { return NameKind::Unmanaged };
        match rest.iter().rposition(|byte| *byte == b'/') {
            Some(at) if self.directory.is_empty() || is_at_or_below(&rest[..at], self.directory.as_bytes()) => {
                NameKind::Tag(&rest[..at])
            }
            _ => NameKind::Unmanaged,
        }
    }
}

/// Whether a ref may be Stoop's business, by its name alone; `false` is certain.
pub fn may_be_managed(name: &[u8], guard: &Guard) -> bool {
    guard.kind(name) != NameKind::Unmanaged
}

fn is_at_or_below(name: &[u8], prefix: &[u8]) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(directory: &str) -> Guard {
        Guard {
            socket: "/run/stoop/hooks".into(),
            branches: vec!["refs/heads/main".into(), "refs/heads/release".into()],
            directory: directory.into(),
            guarded: true,
            identity: Some("GL_USER".into()),
            variables: vec!["GL_REPO".into()],
        }
    }

    #[test]
    fn a_guard_comes_back_as_written() {
        let plain = Guard { branches: vec![], identity: None, variables: vec![], guarded: false, ..guard("") };
        for guard in [guard(""), guard("a b/c"), plain] {
            assert_eq!(Guard::parse(&guard.encode().expect("sound")), Ok(guard));
        }
        let text = "socket /run/stoop/hooks\nbranch refs/heads/main\nbranch refs/heads/release\ndirectory a\nguarded yes\n\
                    identity GL_USER\nvariable GL_REPO\n";
        assert_eq!(guard("a").encode().expect("sound"), text.as_bytes());
    }

    #[test]
    fn broken_files_are_refused_with_their_line() {
        for (text, line) in [
            ("", 1),
            ("\n", 1),
            ("socket /s\n", 2),
            ("socket /s\ndirectory \nguarded yes", 1),
            ("socket /s\ndirectory \nguarded maybe\n", 3),
            ("socket s\ndirectory \nguarded yes\n", 1),
            ("socket /s\nsocket /s\ndirectory \nguarded yes\n", 2),
            ("socket /s\ndirectory /a\nguarded yes\n", 2),
            ("socket /s\ndirectory \nguarded yes\nbranch main\n", 4),
            ("socket /s\ndirectory \nguarded yes\nidentity A=B\n", 4),
            ("socket /s\ndirectory \nguarded yes\nidentity \n", 4),
            ("socket /s\ndirectory \nguarded yes\nvariable a b\n", 4),
            ("socket /s\ndirectory \nguarded yes\nother x\n", 4),
            ("socket /s\ndirectory \nguarded yes\n\n", 4),
            ("socket /s\ndirectory a\0b\nguarded yes\n", 2),
        ] {
            assert_eq!(Guard::parse(text.as_bytes()), Err(GuardError(line)), "{text:?}");
        }
        let many = format!("socket /s\ndirectory \nguarded yes\n{}", "branch refs/heads/x\n".repeat(65));
        assert_eq!(Guard::parse(many.as_bytes()), Err(GuardError(68)));
        assert!(Guard::parse(&vec![b'\n'; MAX_FILE + 1]).is_err());
    }

    #[test]
    fn values_that_would_break_the_file_are_not_written() {
        let sound = guard("");
        assert!(Guard { socket: "/a\nguarded no".into(), ..sound.clone() }.encode().is_err());
        assert!(Guard { directory: "a\n".into(), ..sound.clone() }.encode().is_err());
        assert!(Guard { branches: vec!["refs/heads/a\nbranch refs/heads/b".into()], ..sound }.encode().is_err());
    }

    #[test]
    fn names_are_filtered_conservatively() {
        let whole = guard("");
        for name in [
            "refs/heads/drafts",
            "refs/heads/drafts/a/w",
            "refs/heads/proposed/x",
            "refs/heads/deletionProposed/a/v1",
            "refs/approve/a/w",
            "refs/reject",
            "refs/stoop/ledger",
            "refs/heads/main",
            "refs/heads/release",
            "refs/tags/a/v1",
        ] {
            assert!(may_be_managed(name.as_bytes(), &whole), "{name}");
        }
        for name in
            ["refs/heads/feature", "refs/heads/draftsx/a", "refs/tags/v1", "refs/pull/1/head", "HEAD", "", "main"]
        {
            assert!(!may_be_managed(name.as_bytes(), &whole), "{name}");
        }
        let part = guard("packages");
        assert_eq!(part.kind(b"refs/tags/packages/a/v1"), NameKind::Tag(b"packages/a"));
        assert_eq!(part.kind(b"refs/tags/packages/v1"), NameKind::Tag(b"packages"));
        assert_eq!(part.kind(b"refs/tags/packagesx/a/v1"), NameKind::Unmanaged);
        assert_eq!(part.kind(b"refs/heads/drafts/other/w"), NameKind::Managed);
    }

    #[test]
    fn an_unknown_guard_closes_the_branch_of_head() {
        let guard = Guard::unknown(Some("refs/heads/trunk".into()));
        assert!(guard.guarded);
        assert_eq!(guard.kind(b"refs/heads/trunk"), NameKind::Branch);
        assert_eq!(guard.kind(b"refs/heads/main"), NameKind::Unmanaged);
    }
}
