//! The daemon's memory over all runs, and whether it is flat.
//!
//! Never here: what else the soak looks at.

use crate::support::World;

/// What a run may have grown by beyond its share, in KiB: the allocator's own unrest.
const SLACK: u64 = 8 << 10;

/// What one more package revision may take, in KiB: the object, its ledger entry, its refs, its facts. The benchmark shows
/// about four.
const PER_REVISION: u64 = 6;

/// The resident memory of a world's daemon in KiB.
pub(crate) fn resident(world: &World) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", world.ready().pid)).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// One run: after its start, in its middle, and before its end; and how many package revisions there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) start: u64,
    pub(crate) middle: u64,
    pub(crate) end: u64,
    pub(crate) revisions_before: u64,
    pub(crate) revisions_after: u64,
}

/// One of a run's three measurements.
type Phase = fn(&Run) -> u64;

/// What is wrong with the memory of the runs. The first one begins with nothing and is left out.
pub(crate) fn judge(runs: &[Run]) -> Vec<String> {
    let Some(runs) = runs.get(1..).filter(|runs| runs.len() >= 2) else { return Vec::new() };
    let part = (runs.len() / 3).max(1);
    let (first, last) = (&runs[..part], &runs[runs.len() - part..]);
    let mean = |runs: &[Run], phase: Phase| runs.iter().map(phase).sum::<u64>() / runs.len() as u64;
    let mut faults = Vec::new();
    let more = |from: u64, to: u64| to.saturating_sub(from) * PER_REVISION;
    let data = more(mean(first, |run| run.revisions_before), mean(last, |run| run.revisions_after));
    let phases: [(&str, Phase); 3] =
        [("after the start", |run| run.start), ("in the middle", |run| run.middle), ("before the end", |run| run.end)];
    for (phase, of) in phases {
        let (before, after) = (mean(first, of), mean(last, of));
        if after > before + before / 5 + SLACK + data {
            faults.push(format!(
                "memory {phase} of a run grew from {before} to {after} KiB over {} runs; {data} KiB may be new data",
                runs.len()
            ));
        }
    }
    let (middle, end) = (mean(runs, |run| run.middle), mean(runs, |run| run.end));
    let data = more(mean(runs, |run| run.revisions_before), mean(runs, |run| run.revisions_after)) / 2;
    if end > middle + middle / 4 + SLACK + data {
        faults.push(format!("memory grows within a run: {middle} KiB in the middle, {end} KiB before the end"));
    }
    faults
}
