//! The options of lists and watches, with the rules of kube-apiserver on what goes together.
//!
//! Never here: carrying them out (see `list` and `watch`).

use std::time::Duration;

use axum::http::Uri;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::field_selector::FieldSelector;
use super::label_selector::LabelSelector;
use super::query::Query;
use super::resource::Resource;
use super::status::ApiError;
use super::table::Include;

const KNOWN: &[&str] = &[
    "labelSelector",
    "fieldSelector",
    "limit",
    "continue",
    "resourceVersion",
    "resourceVersionMatch",
    "watch",
    "allowWatchBookmarks",
    "sendInitialEvents",
    "timeoutSeconds",
    "includeObject",
];

/// Which resource version a reader wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtVersion {
    /// The newest; not given.
    Newest,
    /// Any; given as `0`.
    Any,
    /// At least this one.
    NotOlderThan(u64),
    /// Exactly this one.
    Exact(u64),
}

/// The options of a list or a watch.
#[derive(Debug)]
pub(crate) struct ListOptions {
    /// Which objects, by label.
    pub(crate) labels: LabelSelector,
    /// Which objects, by field.
    pub(crate) fields: FieldSelector,
    /// At most so many objects a page.
    pub(crate) limit: Option<usize>,
    /// Where the page before ended.
    pub(crate) after: Option<Continue>,
    /// Which resource version.
    pub(crate) version: AtVersion,
    /// Watch instead of list.
    pub(crate) watch: bool,
    /// A watch may get bookmarks.
    pub(crate) bookmarks: bool,
    /// A watch begins with the present objects: `Some` when the client says so or not.
    pub(crate) initial_events: Option<bool>,
    /// When a watch ends.
    pub(crate) timeout: Option<Duration>,
    /// What a Table's rows carry.
    pub(crate) include: Include,
}

/// The position between two pages of a list, opaque to clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Continue {
    /// The resource version of the first page: what a watch after the list starts from.
    #[serde(rename = "rv")]
    pub(crate) resource_version: u64,
    /// Namespace of the last object sent.
    #[serde(rename = "ns")]
    pub(crate) namespace: String,
    /// Name of the last object sent.
    pub(crate) name: String,
}

impl Continue {
    /// The token for clients.
    pub(crate) fn to_token(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    fn from_token(token: &str) -> Result<Self, ApiError> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok();
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or_else(|| {
            ApiError::expired(
                "The provided continue parameter is not one that can be continued from; list again without it",
            )
        })
    }
}

impl ListOptions {
    /// Reads and checks the options of a list or watch of a kind.
    pub(crate) fn parse<R: Resource>(uri: &Uri) -> Result<Self, ApiError> {
        let query = Query::parse(uri, KNOWN)?;
        let watch = query.flag("watch")?.unwrap_or(false);
        let initial_events = query.flag("sendInitialEvents")?;
        let matching = query.word("resourceVersionMatch", &["Exact", "NotOlderThan"])?;
        let version = query.number("resourceVersion")?;
        let refuse = |field: &str, message: &str| {
            Err(ApiError::invalid_option(field, query.text(field).unwrap_or_default(), message))
        };
        let after = if watch { None } else { query.text("continue").map(Continue::from_token).transpose()? };
        if watch {
            if query.text("continue").is_some() {
                return refuse("continue", "continue is forbidden for watch");
            }
            if matching.is_some() && initial_events.is_none() {
                return refuse(
                    "resourceVersionMatch",
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                );
            }
            if initial_events.is_some() && matching != Some("NotOlderThan") {
                return refuse(
                    "sendInitialEvents",
                    "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
                );
            }
        } else {
            if initial_events.is_some() {
                return refuse("sendInitialEvents", "sendInitialEvents is forbidden for list");
            }
            if matching.is_some() && after.is_some() {
                return refuse("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided");
            }
            if matching.is_some() && version.is_none() {
                return refuse(
                    "resourceVersionMatch",
                    "resourceVersionMatch is forbidden unless resourceVersion is provided",
                );
            }
            if matching == Some("Exact") && version == Some(0) {
                return refuse(
                    "resourceVersionMatch",
                    "resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\"",
                );
            }
            if after.is_some() && version.is_some_and(|version| version > 0) {
                return refuse("resourceVersion", "specifying resource version is not allowed when using continue");
            }
        }
        let version = match (version, matching) {
            (None, _) => AtVersion::Newest,
            (Some(0), _) => AtVersion::Any,
            (Some(version), Some("Exact")) => AtVersion::Exact(version),
            (Some(version), _) => AtVersion::NotOlderThan(version),
        };
        Ok(Self {
            labels: LabelSelector::parse(query.text("labelSelector").unwrap_or_default())?,
            fields: FieldSelector::parse::<R>(query.text("fieldSelector").unwrap_or_default())?,
            limit: query.number("limit")?.filter(|n| *n > 0).map(|n| usize::try_from(n).unwrap_or(usize::MAX)),
            after,
            version,
            watch,
            bookmarks: query.flag("allowWatchBookmarks")?.unwrap_or(false),
            initial_events,
            timeout: query.number("timeoutSeconds")?.filter(|n| *n > 0).map(|n| Duration::from_secs(n.min(86_400))),
            include: Include::parse(&query)?,
        })
    }

    /// Whether an object is selected.
    pub(crate) fn selects<R: Resource>(&self, item: &R::Item) -> bool {
        self.fields.matches::<R>(item) && (self.labels.is_empty() || self.labels.matches(&R::labels(item)))
    }

    /// Whether every object is selected.
    pub(crate) fn selects_all(&self) -> bool {
        self.labels.is_empty() && self.fields == FieldSelector::default()
    }
}
