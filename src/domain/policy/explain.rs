//! Why the policy says yes or no, rule by rule, as values and as text.
//!
//! Never here: asking another way than `judge` does.

use serde::Serialize;

use super::judge::{findings, holds_right, judge};
use super::question::{Answer, Question};
use super::{Right, Role};

/// The whole explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// `yes`, `no`, or `depends`.
    pub answer: &'static str,
    /// What it comes to, in one sentence.
    pub summary: String,
    /// The code of the refusal, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// The roles that the user has for the package.
    pub roles: Vec<Role>,
    /// The blocks of the policy that cover the package.
    pub rules: Vec<String>,
    /// What was asked, one after the other.
    pub steps: Vec<Step>,
}

/// What one rule says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The block, or nothing where the lifecycle's own table asks.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rule: String,
    /// The key in the policy file.
    pub asks: String,
    /// `yes`, `no`, `depends`, or `reports` for a no that is only told.
    pub answer: &'static str,
    /// The code of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// Why.
    pub text: String,
}

/// Explains what the policy says to a question.
pub fn explain(question: &Question<'_>) -> Explanation {
    let roles: Vec<Role> = question.roles().into_iter().collect();
    let mut steps = vec![right(question, &roles)];
    steps.extend(findings(question).into_iter().map(|finding| {
        let (answer, code, text) = match finding.answer {
            Answer::Yes(text) => ("yes", None, text),
            Answer::No(refusal) if finding.enforced => ("no", Some(refusal.code.as_str()), refusal.to_string()),
            Answer::No(refusal) => ("reports", Some(refusal.code.as_str()), refusal.to_string()),
            Answer::Depends(text) => ("depends", None, text),
        };
        let (rule, asks) = (finding.block.name.clone(), finding.rule.key.to_owned());
        Step { rule, asks, answer, code, text }
    }));
    let rules = question.policy.covering(&question.scope).map(|block| block.name.clone()).collect();
    let (answer, code, summary) = summary(question, &steps);
    Explanation { answer, summary, code, roles, rules, steps }
}

/// Whether the right is held, as far as roles tell.
fn right(question: &Question<'_>, roles: &[Role]) -> Step {
    let named: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    let named = if named.is_empty() { "no role".to_owned() } else { named.join(", ") };
    let needs = format!("this needs {}; {} has {named}", question.right.holder(), question.user);
    let by_proposing = question.right == Right::ApproveOrProposer && roles.contains(&Role::Author);
    let (answer, code) = match (holds_right(question), question.history) {
        (true, _) => ("yes", None),
        (false, None) if by_proposing => ("depends", None),
        (false, _) => ("no", Some("not-allowed")),
    };
    Step { rule: String::new(), asks: "role".to_owned(), answer, code, text: needs }
}

fn summary(question: &Question<'_>, steps: &[Step]) -> (&'static str, Option<&'static str>, String) {
    let (user, words, title) = (question.user, question.action.words(), question.title());
    if let Some(step) = steps.first().filter(|step| step.answer == "no") {
        return ("no", step.code, format!("{user} may not {words} {title}: {}", step.text));
    }
    let open: Vec<&str> = steps.iter().filter(|step| step.answer == "depends").map(|step| step.text.as_str()).collect();
    let refused = |step: &&Step| step.answer == "no" && step.code != Some("approvals-missing");
    if !open.is_empty() && question.break_glass.is_none() && !steps.iter().any(|step| refused(&step)) {
        return ("depends", None, format!("{user} may {words} {title}, if: {}", open.join("; ")));
    }
    match judge(question) {
        Err(refusal) => ("no", Some(refusal.code.as_str()), refusal.to_string()),
        Ok(ruling) => {
            let mut text = format!("{user} may {words} {title}");
            if let Some(tally) = &ruling.tally {
                text.push_str(&format!(", as approval {} of {}", tally.have(), tally.needed));
            }
            if let Some(broken) = &ruling.broken {
                let past = if broken.past.is_empty() { "nothing".to_owned() } else { broken.past.join(", ") };
                text.push_str(&format!(", breaking the glass past {past}"));
            }
            ("yes", None, text)
        }
    }
}

impl Explanation {
    /// The explanation for people, one line a rule.
    pub fn text(&self) -> String {
        let mut text = format!("{}: {}\n", self.answer, self.summary);
        for step in &self.steps {
            let place = match step.rule.as_str() {
                "" => step.asks.clone(),
                rule => format!("{} of rule {rule:?}", step.asks),
            };
            let code = step.code.map(|code| format!(" [{code}]")).unwrap_or_default();
            text.push_str(&format!("  {:<8}{place}{code}: {}\n", step.answer, step.text));
        }
        text
    }
}
