//! The soak: 16 clients push, approve, list, race and watch while the daemon is killed every two minutes.
//!
//! After every kill the clients rest for a moment, and everything that was acknowledged is looked for: in the API, in refs and
//! ledger, and in what the watchers saw. A line a minute; the verdict at the end is also the exit code.
//! Started by `contrib/soak`, which gives the time in `STOOP_SOAK_MINUTES`. Never here: the test command.

use std::process::ExitCode;
use std::time::Duration;

#[path = "../../tests/support/recording/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "the stories use the rest of it")]
mod recording;
#[path = "../../tests/support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "the stories use the rest of it")]
mod support;
#[path = "../../tests/support/traffic/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "the stories use the rest of it")]
mod traffic;

mod clients;
mod disk;
mod memory;
mod soak;

fn main() -> ExitCode {
    let Some(minutes) = std::env::var("STOOP_SOAK_MINUTES").ok().and_then(|text| text.parse::<u64>().ok()) else {
        println!("contrib/soak runs this");
        return ExitCode::SUCCESS;
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let faults = runtime.block_on(soak::soak(Duration::from_secs(60 * minutes)));
    if faults.is_empty() {
        println!("PASSED: no error that was not asked for, memory flat, every acknowledged transition there");
        return ExitCode::SUCCESS;
    }
    for fault in faults.iter().take(40) {
        println!("{fault}");
    }
    println!("FAILED: {} faults", faults.len());
    ExitCode::FAILURE
}
