//! Whether a hook that connects is part of the push that it names: the claim is looked at from this side as well.
//!
//! Never here: who the user is, and refusing.

use std::io::ErrorKind;
use std::path::Path;

use stoop_hook::ancestor::receive_pack_above;
use stoop_hook::wire::Process;

/// Whether the process with this id does not descend from the `git receive-pack` that it names. Where process ids mean another
/// thing on its side (a container of its own), that cannot be told, and it is believed.
pub(super) fn lies(peer: Option<i32>, claimed: Process) -> bool {
    let Some(peer) = peer.filter(|peer| *peer > 0) else { return false };
    let namespace = |process: &str| std::fs::read_link(Path::new("/proc").join(process).join("ns/pid"));
    let peer = peer.to_string();
    match (namespace("self"), namespace(&peer)) {
        (Ok(own), Ok(other)) if own == other => receive_pack_above(&peer).map(|found| found.process) != Some(claimed),
        // It connected, and is gone: no hook waits for this answer.
        (Ok(_), Err(error)) => error.kind() == ErrorKind::NotFound,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_no_push_runs_is_part_of_none() {
        let own = i32::try_from(std::process::id()).expect("small");
        let claimed = Process { pid: 1, start: 1 };
        assert!(lies(Some(own), claimed));
        assert!(lies(Some(i32::MAX), claimed), "it is gone");
        assert!(!lies(None, claimed) && !lies(Some(0), claimed), "in another namespace nothing can be told");
    }
}
