//! How a package's readiness gates stand: which are met by a condition of its Kptfile, and which are not.
//!
//! Never here: refusing for it (see `commands::decide`), and the policy's own gates.

use crate::krm::kptfile::{ConditionStatus, Kptfile};

/// So many gates that are not met are kept by name.
const MOST_NAMED: usize = 5;

/// How the gates stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readiness {
    /// How many gates there are.
    pub gates: usize,
    /// How many are met.
    pub met: usize,
    /// The first that are not met, each with the status its condition has, if there is one.
    pub unmet: Vec<(String, Option<ConditionStatus>)>,
}

impl Readiness {
    /// Looks at a Kptfile. A gate is met by a condition of its type with status True.
    pub fn of(kptfile: &Kptfile) -> Self {
        let mut readiness = Self { gates: kptfile.readiness_gates.len(), ..Self::default() };
        for gate in &kptfile.readiness_gates {
            let mut statuses = kptfile.conditions.iter().filter(|c| c.kind == *gate).map(|c| c.status);
            let first = statuses.clone().next();
            if statuses.any(|status| status == ConditionStatus::True) {
                readiness.met += 1;
            } else if readiness.unmet.len() < MOST_NAMED {
                readiness.unmet.push((gate.clone(), first));
            }
        }
        readiness
    }

    /// The gates that are not met, as a list for a sentence; empty when all are.
    pub fn missing(&self) -> String {
        let name = |(gate, status): &(String, Option<ConditionStatus>)| match status {
            Some(status) => format!("{gate} (its condition is {status:?})"),
            None => format!("{gate} (it has no condition)"),
        };
        let mut names: Vec<String> = self.unmet.iter().map(name).collect();
        let more = self.gates - self.met - self.unmet.len();
        if more > 0 {
            names.push(format!("{more} more"));
        }
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::krm::kptfile::Condition;

    #[test]
    fn a_gate_is_met_by_a_condition_that_is_true() {
        let condition = |kind: &str, status| Condition {
            kind: kind.to_owned(),
            status,
            reason: String::new(),
            message: String::new(),
        };
        let kptfile = Kptfile {
            readiness_gates: ["A", "B", "C"].map(str::to_owned).to_vec(),
            conditions: vec![condition("A", ConditionStatus::True), condition("B", ConditionStatus::False)],
            ..Kptfile::default()
        };
        let readiness = Readiness::of(&kptfile);
        assert_eq!((readiness.gates, readiness.met), (3, 1));
        assert_eq!(readiness.missing(), "B (its condition is False), C (it has no condition)");
        let many = Kptfile { readiness_gates: (0..9).map(|i| i.to_string()).collect(), ..Kptfile::default() };
        assert!(Readiness::of(&many).missing().ends_with(", 4 more"));
        assert_eq!(Readiness::of(&Kptfile::default()).missing(), "");
    }
}
