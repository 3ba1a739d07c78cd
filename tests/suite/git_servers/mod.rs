//! Other Git servers over the repositories that Stoop guards: real ones, each with real clients.
//!
//! Never here: Stoop's own Git door, and Gitea.

mod by_hand;
mod gitlab;
mod gitolite;
mod http_backend;
mod parts;
mod sshd;
