//! `stoop demo`: a tour of the package lifecycle on a real daemon with real git and kubectl, in a directory of its own.
//!
//! What is printed is what was run and what it answered. A step that goes otherwise than told ends the tour with an error.
//! Never here: anything that a user could not do as well; the demo has no door of its own into Stoop.

use std::io::Write;

use anyhow::{Result, bail};
use tokio::signal::unix::{SignalKind, signal};

mod requirements;
mod stage;
mod step;
mod tour;

use stage::Stage;

/// Runs the tour. With `exit` it ends there; else the daemon goes on for the reader to try, until Ctrl-C or SIGTERM. Either
/// way the daemon is stopped and its directory removed.
///
/// # Errors
/// Something that is needed is missing, or a step did not go as told.
pub async fn run(exit: bool) -> Result<()> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let mut stage = Stage::build()?;
    let outcome = tokio::select! {
        outcome = play(&mut stage, exit) => outcome,
        _ = interrupted.recv() => stopped(exit, &stage),
        _ = terminated.recv() => stopped(exit, &stage),
    };
    let log = if outcome.is_err() { stage.log_end() } else { String::new() };
    let stage_cleared = stage.clear().await;
    if let Err(error) = outcome {
        if !log.is_empty() {
            eprintln!("--- the end of the daemon's log\n{log}---");
        }
        return Err(error);
    }
    stage_cleared
}

/// Ctrl-C is how the demo is meant to end once the tour is over, and only then.
fn stopped(exit: bool, stage: &Stage) -> Result<()> {
    if exit || !stage.tour_is_over() {
        bail!("the tour was stopped before its end");
    }
    say("\nStopped; everything the demo made is removed.")
}

async fn play(stage: &mut Stage, exit: bool) -> Result<()> {
    let requirements = requirements::check(stage).await?;
    tour::walk(stage, &requirements).await?;
    stage.note_tour_over();
    if exit {
        return Ok(());
    }
    say(&stage.invitation(&requirements)?)?;
    stage.daemon_ended().await
}

/// Prints a text and a line end at once. A reader who is gone ends the demo.
fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}
