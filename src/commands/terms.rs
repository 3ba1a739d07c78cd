//! The terms on which a change is decided: the policy in force, the moment, and a reason for going past the policy.
//!
//! Never here: where the policy comes from, and what it says.

use std::fmt::Debug;
use std::sync::Arc;

use crate::domain::policy::Policy;
use crate::domain::policy::break_glass::Reason;
use crate::domain::push_certificate::Certificate;
use crate::domain::timestamp::Micros;

/// Whoever knows the policy in force.
pub trait PolicySource: Debug + Send + Sync {
    /// The policy as it is now, taken whole.
    fn current(&self) -> Arc<Policy>;
}

/// The terms of one request: all its changes are decided on the same ones.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The policy.
    pub policy: Arc<Policy>,
    /// The moment.
    pub now: Micros,
    /// The reason for going past the policy, where one was given.
    pub break_glass: Option<Reason>,
    /// The certificate of the push, where it was signed by its user.
    pub certificate: Option<Certificate>,
}
