//! An errand while no daemon runs: the command holds the state directory's lock, as a daemon would, and does it itself.
//!
//! Never here: hooks, watching, doors.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};

use super::{Place, Reply, Request, actor, carry_out};
use crate::commands::announce::Outbox;
use crate::config::SharedConfig;
use crate::daemon::warden::Warden;
use crate::daemon::{lock_state, prepare_state};
use crate::index::cache::Cache;
use crate::index::clock::Clock;
use crate::index::guarded::Shared;
use crate::telemetry::Metrics;

/// Does it.
pub(super) fn run(place: &Place, request: &Request) -> Result<Reply> {
    let root = std::fs::canonicalize(&place.root).with_context(|| format!("the root {}", place.root.display()))?;
    let state = prepare_state(&place.state)?;
    let _lock = lock_state(&state)?;
    let config = Arc::new(SharedConfig::load(place.config.clone(), Some(&state))?);
    let clock = Clock::open(state.join("clock")).context("the clock of resource versions cannot be opened")?;
    let shared = Arc::new(Shared::new(clock, Cache::none()).keeping_numbers(state.join("numbers")));
    let metrics = Arc::new(Metrics::new());
    // What moves is announced by the next daemon: the ledger says what.
    let (socket, outbox) = (state.join("run/hook.sock"), Arc::new(Outbox::default()));
    let warden = Warden::new(root, &state, socket, config.clone(), shared, metrics, outbox)?;
    let repository = warden.one(&request.repository).map_err(|why| anyhow!(why))?;
    Ok(carry_out(&repository, &actor(&config.current(), &request.user), &request.errand))
}
