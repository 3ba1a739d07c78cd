//! The stories: what users do, through real git and real kubectl, against a real daemon. One file a subject.

#[path = "../support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "each story uses its part of the world")]
mod support;

mod concurrent;
mod crash;
mod disk;
mod goldens;
mod kubectl;
mod kubectl_watch;
mod kubectl_writes;
mod model;
mod packages;
mod push_rows;
mod push_rules;
mod review;
mod thin_path;
mod untouched;
