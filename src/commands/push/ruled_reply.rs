//! What a pusher reads of the policy: that an approval is one of several, what was only reported, that the glass was broken.
//!
//! The API says the same in its warnings. Never here: refusals.

use crate::commands::decide::Decision;
use crate::commands::explain::{approve_command, title};

/// What to tell of an approval that does not publish yet.
pub fn counted(decision: &Decision) -> Option<Vec<String>> {
    let tally = decision.ruling.tally.as_ref()?;
    let (package, workspace) = (&decision.change.package, &decision.change.workspace);
    let missing = (tally.needed as usize).saturating_sub(tally.have());
    let more = if missing == 1 { "1 more person".to_owned() } else { format!("{missing} more people") };
    let commit = decision.commit.short();
    Some(vec![
        format!(
            "{}: approval {} of {} recorded at {commit}; it stays proposed until {more} approve it",
            title(package, workspace),
            tally.have(),
            tally.needed
        ),
        format!("  to approve it: {}", approve_command(package, workspace, &commit)),
    ])
}

/// What else to tell: one line for each rule that only reports, and one where the glass was broken.
pub fn warnings(decision: &Decision) -> Vec<String> {
    let ruling = &decision.ruling;
    let reported = ruling.reported.iter().map(|refusal| {
        format!(
            "the policy only reports this for now, and would refuse it [{}]: {}",
            refusal.code.as_str(),
            refusal.reason
        )
    });
    let broken = ruling.broken.iter().map(|broken| {
        let past = if broken.past.is_empty() { "no rule".to_owned() } else { broken.past.join(", ") };
        format!("the glass was broken, past {past}; this is recorded with your reason: {}", broken.reason)
    });
    reported.chain(broken).collect()
}
