//! The values that labels of metrics can have, where they are not another module's: fixed sets, so that series are bounded.
//!
//! Never here: names of users, repositories or packages.

/// Which door something came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// A push.
    Git,
    /// The Kubernetes API.
    Api,
}

impl Door {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Git => "git",
            Self::Api => "api",
        }
    }
}

/// How a push ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushVerdict {
    /// Every ref was let through.
    Allowed,
    /// At least one ref was refused, and so the push.
    Refused,
    /// Stoop itself failed, so the push was refused.
    Failed,
}

impl PushVerdict {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// What a rescan came upon that no hook and no API write had told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RescanFinding {
    /// A managed ref that moved behind the doors.
    Ref,
    /// A transition that was begun, and that the rescan completed.
    Unfinished,
    /// A transition that was begun and whose refs never moved, so it was dropped.
    Abandoned,
    /// The ledger's ref, moved behind the doors and put back.
    Ledger,
    /// A leftover ref under `refs/approve` or `refs/reject`.
    Leftover,
    /// Hooks that somebody took away or changed, put back.
    Hooks,
    /// A repository that could not be read.
    Unreadable,
}

impl RescanFinding {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ref => "ref",
            Self::Unfinished => "unfinished",
            Self::Abandoned => "abandoned",
            Self::Ledger => "ledger",
            Self::Leftover => "leftover",
            Self::Hooks => "hooks",
            Self::Unreadable => "unreadable",
        }
    }
}

/// How the daemon came to know that refs may have moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// A hook said so.
    Hook,
    /// A file changed.
    File,
}

impl Known {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Hook => "hook",
            Self::File => "file",
        }
    }
}
