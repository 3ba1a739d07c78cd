//! PackageRevision and PackageRevisionResources, field by field: what `kubectl explain` shows.
//!
//! Never here: repositories (see `repository_definitions`), and metadata, which all kinds share (see `metadata_definitions`).

use super::metadata_definitions::{LIST_META, OBJECT_META};
use super::schema::{Definition, Field, Type};
use crate::api::resource::{PACKAGE_REVISION_RESOURCES, PACKAGE_REVISIONS};

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

/// The group porch.kpt.dev.
pub(super) const PORCH: &[Definition] = &[
    Definition {
        name: "dev.kpt.porch.v1alpha1.PackageRevision",
        description: "One revision of a package in a Git repository, and where it stands in its life: Draft, Proposed, Published or DeletionProposed. It is made by pushing a branch drafts/<package>/<workspace>; here its lifecycle and its metadata can be changed.",
        fields: &[
            API_VERSION,
            KIND,
            METADATA,
            field(
                "spec",
                Type::One("dev.kpt.porch.v1alpha1.PackageRevisionSpec"),
                "What the revision is and what is wanted of it.",
            ),
            field("status", Type::One("dev.kpt.porch.v1alpha1.PackageRevisionStatus"), "What Git says of it."),
        ],
        required: &[],
        id: Some((&PACKAGE_REVISIONS, false)),
    },
    Definition {
        name: "dev.kpt.porch.v1alpha1.PackageRevisionList",
        description: "A list of package revisions.",
        fields: &[
            API_VERSION,
            KIND,
            LIST_METADATA,
            field("items", Type::Many("dev.kpt.porch.v1alpha1.PackageRevision"), "The package revisions."),
        ],
        required: &["items"],
        id: Some((&PACKAGE_REVISIONS, true)),
    },
    part(
        "dev.kpt.porch.v1alpha1.PackageRevisionSpec",
        "What a package revision is and what is wanted of it. Only the lifecycle can be changed here; the rest comes from Git.",
        &[
            field(
                "packageName",
                Type::Text,
                "The package's path inside the directory that its repository is registered on, for example net/router.",
            ),
            field("repository", Type::Text, "The Repository object, in the same namespace, that holds the package."),
            field(
                "workspaceName",
                Type::Text,
                "The name under which the revision was drafted; with the package it is unique in the repository.",
            ),
            field(
                "revision",
                Type::Integer,
                "The number that publishing gave: 1, 2, 3 and so on. 0 for a draft or a proposal, -1 for the state of the registered branch and for tags without a number.",
            ),
            field(
                "lifecycle",
                Type::Text,
                "Draft, Proposed, Published or DeletionProposed. Set it to Proposed to ask for approval, to Published to approve, to Draft to reject, to DeletionProposed to ask for the deletion of a published revision.",
            ),
            field(
                "tasks",
                Type::Many("dev.kpt.porch.v1alpha1.Task"),
                "How the revision came to be: none or one task, as its commits record it.",
            ),
            field(
                "readinessGates",
                Type::Many("dev.kpt.porch.v1alpha1.ReadinessGate"),
                "The conditions that must be True before the revision may be proposed and published; kept in the Kptfile.",
            ),
            field(
                "packageMetadata",
                Type::One("dev.kpt.porch.v1alpha1.PackageMetadata"),
                "The labels and annotations in the package's Kptfile.",
            ),
        ],
    ),
    part(
        "dev.kpt.porch.v1alpha1.Task",
        "One step that made the package's content.",
        &[
            field("type", Type::Text, "init, clone, edit or upgrade."),
            field("init", Type::Free, "The package was begun empty; its description and keywords."),
            field("clone", Type::Free, "The package was taken from an upstream; which one."),
            field("edit", Type::Free, "The revision was made from an earlier one; which one."),
            field("upgrade", Type::Free, "The package was brought to a newer upstream; from which to which."),
        ],
    ),
    part(
        "dev.kpt.porch.v1alpha1.ReadinessGate",
        "A condition that the revision has to meet.",
        &[field("conditionType", Type::Text, "The type of the condition in the status.")],
    ),
    part(
        "dev.kpt.porch.v1alpha1.PackageMetadata",
        "Metadata inside of the package.",
        &[
            field("labels", Type::TextMap, "metadata.labels of the Kptfile."),
            field("annotations", Type::TextMap, "metadata.annotations of the Kptfile."),
        ],
    ),
    part(
        "dev.kpt.porch.v1alpha1.PackageRevisionStatus",
        "What Git says of a package revision.",
        &[
            field(
                "upstreamLock",
                Type::One("dev.kpt.porch.v1alpha1.Locator"),
                "Where the package was taken from, down to the commit; empty when it has no upstream.",
            ),
            field(
                "selfLock",
                Type::One("dev.kpt.porch.v1alpha1.Locator"),
                "Where the revision itself is: repository, directory, ref and commit.",
            ),
            field("publishedBy", Type::Text, "Who published it."),
            field("publishTimestamp", Type::Time, "When it was published; null before that."),
            field("deployment", Type::Flag, "Whether the repository is one whose packages are deployed."),
            field(
                "conditions",
                Type::Many("dev.kpt.porch.v1alpha1.Condition"),
                "The conditions in the package's Kptfile, and Rendered.",
            ),
        ],
    ),
    part(
        "dev.kpt.porch.v1alpha1.Locator",
        "A place in a Git repository.",
        &[
            field("type", Type::Text, "Always git."),
            field("git", Type::One("dev.kpt.porch.v1alpha1.GitLock"), "The place."),
        ],
    ),
    part(
        "dev.kpt.porch.v1alpha1.GitLock",
        "Repository, directory, ref and commit.",
        &[
            field("repo", Type::Text, "The repository's address."),
            field("directory", Type::Text, "The directory of the package."),
            field("ref", Type::Text, "The branch or tag, without refs/heads/ or refs/tags/."),
            field("commit", Type::Text, "The commit's object id."),
        ],
    ),
    part(
        "dev.kpt.porch.v1alpha1.Condition",
        "One condition of a package.",
        &[
            field("type", Type::Text, "What it is about."),
            field("status", Type::Text, "True, False or Unknown."),
            field("reason", Type::Text, "Why, as one word for programs."),
            field("message", Type::Text, "Why, as a sentence for people."),
        ],
    ),
    Definition {
        name: "dev.kpt.porch.v1alpha1.PackageRevisionResources",
        description: "The files of a package revision. They are read from Git; to change them, push to the draft's branch.",
        fields: &[
            API_VERSION,
            KIND,
            METADATA,
            field("spec", Type::One("dev.kpt.porch.v1alpha1.PackageRevisionResourcesSpec"), "The files."),
            field(
                "status",
                Type::One("dev.kpt.porch.v1alpha1.PackageRevisionResourcesStatus"),
                "What the package's functions said.",
            ),
        ],
        required: &[],
        id: Some((&PACKAGE_REVISION_RESOURCES, false)),
    },
    Definition {
        name: "dev.kpt.porch.v1alpha1.PackageRevisionResourcesList",
        description: "A list of the contents of package revisions.",
        fields: &[
            API_VERSION,
            KIND,
            LIST_METADATA,
            field("items", Type::Many("dev.kpt.porch.v1alpha1.PackageRevisionResources"), "The contents."),
        ],
        required: &["items"],
        id: Some((&PACKAGE_REVISION_RESOURCES, true)),
    },
    part(
        "dev.kpt.porch.v1alpha1.PackageRevisionResourcesSpec",
        "The files of a package revision.",
        &[
            field("packageName", Type::Text, "The package's path inside its repository's directory."),
            field("workspaceName", Type::Text, "The workspace of the revision."),
            field("revision", Type::Integer, "The published number, 0 before that."),
            field("repository", Type::Text, "The Repository object that holds the package."),
            field(
                "resources",
                Type::TextMap,
                "The content of each file by its path inside the package. Files that are not UTF-8 text are left out and named in the annotation stoop.dev/left-out.",
            ),
        ],
    ),
    part(
        "dev.kpt.porch.v1alpha1.PackageRevisionResourcesStatus",
        "What the package's functions said.",
        &[field(
            "renderStatus",
            Type::Free,
            "The result of the last render: result, with an exit code and one item a function, and error.",
        )],
    ),
];
