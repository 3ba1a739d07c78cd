//! The stories: what users do, through real git and real kubectl, against a real daemon. One file a subject.

#[path = "../support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "each story uses its part of the world")]
mod support;

mod crash;
mod disk;
mod goldens;
mod push_rows;
mod push_rules;
mod thin_path;
mod untouched;
