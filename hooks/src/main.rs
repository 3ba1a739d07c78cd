//! The hook stub: a small static program that git runs under the name of a hook. It decides unmanaged refs by itself, asks
//! the daemon about the others, and refuses those when nobody answers.
//!
//! Never here: judging a package, writing to the repository, and anything but std (the program must run in a Git server's
//! container that has nothing of Stoop but the socket).

#[allow(dead_code, reason = "the daemon's half of what both sides share")]
pub mod frame;
#[allow(dead_code, reason = "the daemon's half of what both sides share")]
pub mod guard;
#[allow(dead_code, reason = "the daemon's half of what both sides share")]
pub mod wire;

pub mod ancestor;
mod ask;
pub mod commands;
mod input;
mod kept;
mod offline;
pub mod pkt_line;
mod place;
mod post_receive;
mod pre_receive;
mod proc_receive;
mod pusher;
mod reference_transaction;
mod refs;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// The other hooks that git runs in a bare repository. They are only ever somebody else's.
const OTHERS: [&str; 4] = ["update", "post-update", "pre-auto-gc", "push-to-checkout"];

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let called = args.next().unwrap_or_default();
    let args: Vec<OsString> = args.collect();
    let place = place::Place::find(Path::new(&called));
    let code = match place::hook_name(Path::new(&called)) {
        Some("pre-receive") => pre_receive::run(&place, &args),
        Some("post-receive") => post_receive::run(&place, &args),
        Some("proc-receive") => proc_receive::run(&place),
        Some("reference-transaction") => reference_transaction::run(&place, &args),
        Some(name) if OTHERS.contains(&name) => kept::become_hook(&place, name, &args),
        _ => {
            ask::say(
                "This is Stoop's hook stub. Git runs it as pre-receive, post-receive, proc-receive or reference-transaction.",
            );
            2
        }
    };
    ExitCode::from(code)
}
