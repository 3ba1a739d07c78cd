//! Tests of the git module against the real git: both must give the same answers.

mod history;
mod ledger;
mod nonces;
mod quarantine;
mod refs;
mod transactions;
mod trees;
mod writing;

use super::fixture::{Repo, name};
use super::*;
use crate::domain::names::{Directory, PackagePath};
use crate::domain::oid::ObjectId;
use crate::domain::ref_plan::RefEdit;

const FORMATS: [&str; 2] = ["sha1", "sha256"];

fn path(text: &str) -> PackagePath {
    PackagePath::parse(text).expect("a package path")
}

fn person(name: &str, seconds: i64) -> Person {
    Person { name: name.to_owned(), email: format!("{name}@example.com"), seconds, offset_seconds: -3600 }
}
