//! The stories: what users do, through real git and real kubectl, against a real daemon. One file a subject.

#[path = "../support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "each story uses its part of the world")]
mod support;

mod access;
mod bad_input;
mod client;
mod concurrent;
mod crash;
mod disk;
mod goldens;
mod kube_client;
mod kubectl;
mod kubectl_watch;
mod kubectl_writes;
mod memory;
mod model;
mod operation;
mod packages;
mod porch_client;
mod push_approvals;
mod push_borders;
mod push_drafts;
mod push_published;
mod push_rules;
mod recovery;
mod repositories;
mod review;
mod steps;
mod thin_path;
mod untouched;
