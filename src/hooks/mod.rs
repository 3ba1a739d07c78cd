//! The daemon's end of the Git hooks: the socket that hook stubs ask, installing the stubs into repositories, and running the
//! hooks of others.
//!
//! Never here: the decision about a push (a [`HookService`] makes it), and reading or writing refs and objects.

mod config_edit;
mod elsewhere;
mod hook_files;
mod inspect;
mod install;
mod peer;
mod post_receive;
mod server;
#[cfg(test)]
mod server_tests;

pub use hook_files::{Found, Layout};
pub use inspect::{Condition, StubFile, inspect};
pub use install::{InstallError, Installed, install, looks_installed, uninstall, write_guard};
pub use post_receive::{TellError, other_post_receive, tell};
pub use server::{BindError, HookListener, HookService, bind};
pub use stoop_hook::guard::{Guard, GuardError};
pub use stoop_hook::wire::{Certificate, Hook, Process, Pusher, Reply, Request, State, Update, Verdict, WireError};

/// The hook stub: a static program for the machine that the daemon was built for.
pub const STUB: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/stub"));
