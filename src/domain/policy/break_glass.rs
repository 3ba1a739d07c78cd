//! Break-glass: an administrator goes past the policy, says why, and leaves a mark that stays.
//!
//! It goes past the rules of the policy alone: never past the lifecycle, the rules on content, or a package's own gates.
//! Never here: keeping the mark (see `ledger::Deed`), logging and counting it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::question::Question;
use super::{Right, Role};
use crate::domain::refusal::{Code, Refusal};

/// What a push option begins with that gives the reason.
pub const OPTION: &str = "break-glass=";

/// The annotation that gives the reason, in the same request as the change. It is not kept on the object.
pub const ANNOTATION: &str = "stoop.dev/break-glass";

/// The longest reason, in characters.
const LONGEST: usize = 500;

/// Why somebody goes past the policy: one line that says something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Reason(String);

impl Reason {
    /// Takes one line of 1 to 500 characters.
    ///
    /// # Errors
    /// The refusal says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let text = text.trim();
        let bad = |why: &str| {
            let next = "say in one line why the policy must not wait, as in break-glass=\"outage 4711\"";
            Err(Refusal::new(Code::BreakGlass, format!("the reason for breaking the glass {why}")).next(next))
        };
        if text.is_empty() {
            return bad("is empty");
        }
        if text.chars().count() > LONGEST {
            return bad("has more than 500 characters");
        }
        if text.chars().any(char::is_control) {
            return bad("is more than one line, or holds a control character");
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|refusal| serde::de::Error::custom(refusal.reason))
    }
}

/// The mark that the ledger keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// Why.
    pub reason: Reason,
    /// The codes of the rules that would have refused; none where it was not needed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<String>,
}

/// Whether the user may break the glass here.
pub fn check(question: &Question<'_>) -> Result<(), Refusal> {
    if question.roles().contains(&Role::Admin) {
        return Ok(());
    }
    let (user, title, holder) = (question.user, question.title(), Right::Admin.holder());
    Err(Refusal::new(
        Code::BreakGlass,
        format!("{user} may not break the glass to {} {title}: this needs {holder}", question.action.words()),
    )
    .next("leave the reason out, or ask an administrator"))
}
