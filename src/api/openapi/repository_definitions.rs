//! Repository, field by field: what `kubectl explain` shows.
//!
//! Never here: package revisions (see `definitions`), and metadata, which all kinds share (see `metadata_definitions`).

use super::metadata_definitions::{LIST_META, OBJECT_META};
use super::schema::{Definition, Field, Type};
use crate::api::resource::REPOSITORIES;

const fn field(name: &'static str, kind: Type, description: &'static str) -> Field {
    Field { name, kind, description }
}

const fn part(name: &'static str, description: &'static str, fields: &'static [Field]) -> Definition {
    Definition { name, description, fields, required: &[], id: None }
}

const API_VERSION: Field = field("apiVersion", Type::Text, "Group and version of this object's schema.");
const KIND: Field = field("kind", Type::Text, "What kind of object this is.");
const METADATA: Field = field("metadata", Type::One(OBJECT_META), "Name, namespace, labels and the like.");
const LIST_METADATA: Field =
    field("metadata", Type::One(LIST_META), "The list's resource version, and where it continues.");

/// The group config.porch.kpt.dev.
pub(super) const CONFIG: &[Definition] = &[
    Definition {
        name: "dev.kpt.porch.config.v1alpha1.Repository",
        description: "A Git repository that holds packages, registered on a branch and a directory. Stoop registers the bare repositories that it finds below its root.",
        fields: &[
            API_VERSION,
            KIND,
            METADATA,
            field(
                "spec",
                Type::One("dev.kpt.porch.config.v1alpha1.RepositorySpec"),
                "Which repository, branch and directory.",
            ),
            field(
                "status",
                Type::One("dev.kpt.porch.config.v1alpha1.RepositoryStatus"),
                "Whether it can be served, and what it holds.",
            ),
        ],
        required: &[],
        id: Some((&REPOSITORIES, false)),
    },
    Definition {
        name: "dev.kpt.porch.config.v1alpha1.RepositoryList",
        description: "A list of repositories.",
        fields: &[
            API_VERSION,
            KIND,
            LIST_METADATA,
            field("items", Type::Many("dev.kpt.porch.config.v1alpha1.Repository"), "The repositories."),
        ],
        required: &["items"],
        id: Some((&REPOSITORIES, true)),
    },
    part(
        "dev.kpt.porch.config.v1alpha1.RepositorySpec",
        "Which repository, branch and directory.",
        &[
            field("type", Type::Text, "Always git."),
            field("content", Type::Text, "Always Package."),
            field("deployment", Type::Flag, "Whether the packages in it are deployed."),
            field("git", Type::One("dev.kpt.porch.config.v1alpha1.GitRepository"), "The Git repository."),
        ],
    ),
    part(
        "dev.kpt.porch.config.v1alpha1.GitRepository",
        "A Git repository, a branch and a directory.",
        &[
            field("repo", Type::Text, "The repository's path below the root."),
            field("branch", Type::Text, "The registered branch: published packages are merged into it."),
            field("directory", Type::Text, "The directory that holds the packages; / for all of the repository."),
        ],
    ),
    part(
        "dev.kpt.porch.config.v1alpha1.RepositoryStatus",
        "Whether a repository can be served, and what it holds.",
        &[
            field(
                "conditions",
                Type::Many("dev.kpt.porch.config.v1alpha1.RepositoryCondition"),
                "The condition Ready says whether the repository can be served.",
            ),
            field("lastFullSyncTime", Type::Time, "When all refs were last read."),
            field("packageCount", Type::Integer, "How many package revisions it holds."),
            field("gitCommitHash", Type::Text, "The registered branch's commit."),
        ],
    ),
    part(
        "dev.kpt.porch.config.v1alpha1.RepositoryCondition",
        "One condition of a repository.",
        &[
            field("type", Type::Text, "Always Ready."),
            field("status", Type::Text, "True or False."),
            field("lastTransitionTime", Type::Time, "When the condition was last looked at."),
            field("reason", Type::Text, "Ready or Error."),
            field("message", Type::Text, "What is wrong, if something is."),
        ],
    ),
];
