//! A refusal: why a change is not made, for the person who asked, with a stable code for programs and metrics.
//!
//! One type for both doors: a push prints it, the API makes a Status of it (`api::status`).
//! Never here: deciding; each rule makes its own refusal.

use std::fmt;

/// Why a change was refused. The codes are stable: metrics, tests and people's scripts name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// No user is known for a change that needs one.
    NoIdentity,
    /// The user does not hold the right that the change needs.
    NotAllowed,
    /// The ref or object name is not one that can be managed.
    BadName,
    /// The ref belongs to Stoop alone.
    Internal,
    /// There is no such package revision.
    NotFound,
    /// The package revision is in a state from which this change does not lead on.
    WrongState,
    /// A proposal is locked: it is rejected first, then changed.
    ProposalLocked,
    /// The workspace already names a published revision of the package.
    WorkspaceUsed,
    /// What is approved or named is not what is there now.
    Stale,
    /// Somebody else is changing the same package at this moment.
    Busy,
    /// The draft's history or content reaches outside its package.
    OutsidePackage,
    /// A commit carries a `kpt:` line of another package, workspace or revision.
    ForgedAnnotation,
    /// The package would lie inside or around another one.
    Nested,
    /// A ref that the revision needs later cannot be made.
    RefConflict,
    /// The package changed on the branch since the draft began.
    StaleBase,
    /// The package has no Kptfile, or a Kptfile that cannot be read.
    BadKptfile,
    /// The content goes beyond a limit or holds what a package must not hold.
    BadContent,
    /// A readiness gate of the package is not met.
    NotReady,
    /// The pipeline did not succeed for this very content.
    NotRendered,
    /// What is there is not what was proposed: somebody moved it behind the doors.
    Tampered,
    /// A readiness gate that the policy wants is not met.
    GateRequired,
    /// The policy reserves this for others.
    Reserved,
    /// Who approves had a hand in what is approved.
    FourEyes,
    /// More people must approve.
    ApprovalsMissing,
    /// This person has approved this very proposal already.
    AlreadyApproved,
    /// A freeze holds.
    Frozen,
    /// The approval names no version.
    UnboundApproval,
    /// The change must come by a push that its user signed.
    NotSigned,
    /// The glass may not be broken so.
    BreakGlass,
    /// Published revisions and their tags do not change.
    Immutable,
    /// Another package revision was made from this one.
    Referenced,
    /// The registered branch may not be moved this way.
    BranchGuarded,
    /// The changes of one push do not go together.
    Mixed,
    /// The push brings a certificate that does not hold for it.
    BadCertificate,
    /// The request itself makes no sense, whatever the state.
    BadRequest,
    /// Stoop or Git failed; nothing was changed.
    Failed,
}

impl Code {
    /// The code as metrics, logs and tests name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoIdentity => "no-identity",
            Self::NotAllowed => "not-allowed",
            Self::BadName => "bad-name",
            Self::Internal => "internal-ref",
            Self::NotFound => "not-found",
            Self::WrongState => "wrong-state",
            Self::ProposalLocked => "proposal-locked",
            Self::WorkspaceUsed => "workspace-used",
            Self::Stale => "stale",
            Self::Busy => "busy",
            Self::OutsidePackage => "outside-package",
            Self::ForgedAnnotation => "forged-annotation",
            Self::Nested => "nested-package",
            Self::RefConflict => "ref-conflict",
            Self::StaleBase => "stale-base",
            Self::BadKptfile => "bad-kptfile",
            Self::BadContent => "bad-content",
            Self::NotReady => "not-ready",
            Self::NotRendered => "not-rendered",
            Self::Tampered => "tampered",
            Self::GateRequired => "gate-required",
            Self::Reserved => "reserved",
            Self::FourEyes => "four-eyes",
            Self::ApprovalsMissing => "approvals-missing",
            Self::AlreadyApproved => "already-approved",
            Self::Frozen => "frozen",
            Self::UnboundApproval => "unbound-approval",
            Self::NotSigned => "not-signed",
            Self::BreakGlass => "break-glass",
            Self::Immutable => "immutable",
            Self::Referenced => "referenced",
            Self::BranchGuarded => "branch-guarded",
            Self::Mixed => "mixed-push",
            Self::BadCertificate => "bad-certificate",
            Self::BadRequest => "bad-request",
            Self::Failed => "failed",
        }
    }
}

/// One refusal: what is wrong, with the object's name in it, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The stable code.
    pub code: Code,
    /// What happened, to which object: one sentence without a final stop.
    pub reason: String,
    /// What to do next, if anything can be done: a sentence or a command to type.
    pub next: Option<String>,
}

impl Refusal {
    /// A refusal with a code and a reason.
    pub fn new(code: Code, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), next: None }
    }

    /// The same refusal, saying what to do next.
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        match &self.next {
            Some(next) => write!(f, "; {next}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}
