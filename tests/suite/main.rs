//! The stories: what users do, through real git and real kubectl, against a real daemon. One file a subject.

#[path = "../support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "each story uses its part of the world")]
mod support;

#[path = "../support/gitea.rs"]
#[allow(unreachable_pub, reason = "as the rest of the world")]
mod gitea_server;

#[path = "../support/recording/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "the soak uses the rest of it")]
mod recording;
#[path = "../support/servers/mod.rs"]
#[allow(unreachable_pub, reason = "part of the support of all stories")]
mod servers;
#[path = "../support/traffic/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "the soak uses the rest of it")]
mod traffic;

mod access;
mod announcing;
mod bad_input;
mod behind_the_doors;
mod bypasses;
mod client;
mod client_kinds;
mod concurrent;
mod crash;
mod disk;
mod doctor;
mod dropped;
mod events;
mod faults;
mod git_servers;
mod gitea;
mod goldens;
mod goldens_of_refusals;
mod interrupted;
mod kube_client;
mod kubectl;
mod kubectl_watch;
mod kubectl_writes;
mod memory;
mod model;
mod operation;
mod packages;
mod policy;
mod porch_client;
mod push_approvals;
mod push_borders;
mod push_drafts;
mod push_many;
mod push_merges;
mod push_published;
mod push_rules;
mod push_trunk;
mod recovery;
mod repositories;
mod repository_kinds;
mod review;
mod rows;
mod serial;
mod shared_repository;
mod signed;
mod steps;
mod sweep;
mod tags;
mod telemetry;
mod thin_path;
mod untouched;
mod watching;
mod worktrees;
