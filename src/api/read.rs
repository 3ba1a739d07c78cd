//! Get and list, the same for every kind. A list is streamed object by object: memory does not grow with its size.
//!
//! Never here: watches (see `watch`), and any kind's own shape (see `objects`).

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};

use super::ApiState;
use super::list_options::{AtVersion, Continue, ListOptions};
use super::negotiation::{self, Encoding, Form};
use super::query::Query;
use super::resource::{Resource, Watched};
use super::status::ApiError;
use super::table::{Include, View};
use super::target::Target;
use super::watch;
use crate::commands::request::Packages;
use crate::index::catalog::Catalog;

/// How long a reader waits for a resource version that is not reached yet.
const PATIENCE: Duration = Duration::from_secs(3);

/// Streamed chunks are sent when they have grown to this many bytes.
const CHUNK: usize = 64 * 1024;

/// An answer with one JSON value, in the encoding asked for.
pub(crate) fn answer(code: StatusCode, encoding: Encoding, value: &Value) -> Response {
    let text = match encoding {
        Encoding::Json => serde_json::to_string(value).unwrap_or_default(),
        Encoding::Yaml => serde_yaml::to_string(value).unwrap_or_default(),
    };
    (code, [(header::CONTENT_TYPE, encoding.content_type())], text).into_response()
}

/// GET of one object.
pub(crate) async fn get<R: Resource, P: Packages>(
    State(state): State<ApiState<P>>,
    target: Target,
    request: Request,
) -> Result<Response, ApiError> {
    let form = negotiation::form(request.headers())?;
    let query = Query::parse(request.uri(), &["resourceVersion", "includeObject"])?;
    let view = View { shape: form.shape, include: Include::parse(&query)? };
    if let Some(version) = query.number("resourceVersion")? {
        wait_for(&state.catalog, version).await?;
    }
    let missing = || ApiError::not_found(&R::ID, &target.name);
    let item = R::get(&state.catalog, target.namespace(), &target.name).ok_or_else(missing)?;
    let value = view.single::<R, P>(&state.packages, item).await?.ok_or_else(missing)?;
    Ok(answer(StatusCode::OK, form.encoding, &value))
}

/// GET of a collection that can be watched.
pub(crate) async fn list_or_watch<R: Watched, P: Packages>(
    State(state): State<ApiState<P>>,
    target: Target,
    request: Request,
) -> Result<Response, ApiError> {
    let form = negotiation::form(request.headers())?;
    let options = ListOptions::parse::<R>(request.uri())?;
    if options.watch {
        return watch::watch::<R, P>(state, target.namespace, form, options).await;
    }
    list::<R, P>(state, target.namespace, form, options).await
}

/// GET of a collection that cannot be watched.
pub(crate) async fn list_only<R: Resource, P: Packages>(
    State(state): State<ApiState<P>>,
    target: Target,
    request: Request,
) -> Result<Response, ApiError> {
    let form = negotiation::form(request.headers())?;
    let options = ListOptions::parse::<R>(request.uri())?;
    if options.watch {
        return Err(ApiError::method_not_supported(&R::ID, "watch", ""));
    }
    list::<R, P>(state, target.namespace, form, options).await
}

/// Waits until the catalog has reached a version, at most `PATIENCE`.
pub(crate) async fn wait_for(catalog: &Catalog, version: u64) -> Result<(), ApiError> {
    let mut changes = catalog.changes();
    let reached = async {
        while catalog.resource_version() < version {
            if changes.changed().await.is_err() {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(PATIENCE, reached).await;
    let current = catalog.resource_version();
    if current < version { Err(ApiError::version_too_large(version, current)) } else { Ok(()) }
}

async fn list<R: Resource, P: Packages>(
    state: ApiState<P>,
    namespace: Option<String>,
    form: Form,
    options: ListOptions,
) -> Result<Response, ApiError> {
    if let AtVersion::NotOlderThan(version) | AtVersion::Exact(version) = options.version {
        wait_for(&state.catalog, version).await?;
    }
    let listing = R::list(&state.catalog, namespace.as_deref());
    if let AtVersion::Exact(version) = options.version
        && version != listing.resource_version
    {
        return Err(ApiError::expired(format!(
            "The provided resource version is too old: {version} is not kept any more; list without resourceVersionMatch=Exact"
        )));
    }
    let mut items = listing.items;
    let mut resource_version = listing.resource_version;
    if let Some(after) = &options.after {
        resource_version = after.resource_version.min(resource_version);
        items.retain(|item| R::key(item) > (after.namespace.as_str(), after.name.as_str()));
    }
    items.retain(|item| options.selects::<R>(item));
    let mut metadata = json!({"resourceVersion": resource_version.to_string()});
    if let Some(limit) = options.limit
        && items.len() > limit
    {
        if options.selects_all() {
            metadata["remainingItemCount"] = json!(items.len() - limit);
        }
        items.truncate(limit);
        if let Some(last) = items.last() {
            let (namespace, name) = R::key(last);
            let token = Continue { resource_version, namespace: namespace.to_owned(), name: name.to_owned() };
            metadata["continue"] = json!(token.to_token());
        }
    }
    let view = View { shape: form.shape, include: options.include };
    Pages::<R, P>::start(state.packages, view, form.encoding, metadata, items).await
}

/// A list that is being sent.
struct Pages<R: Resource, P> {
    packages: Arc<P>,
    view: View,
    encoding: Encoding,
    items: std::vec::IntoIter<Arc<R::Item>>,
    /// Whether an element was written.
    begun: bool,
    ended: bool,
}

impl<R: Resource, P: Packages> Pages<R, P> {
    /// Makes the first chunk, so that an early error is still a Status, then streams the rest.
    async fn start(
        packages: Arc<P>,
        view: View,
        encoding: Encoding,
        metadata: Value,
        items: Vec<Arc<R::Item>>,
    ) -> Result<Response, ApiError> {
        let (head, array) = view.list_head::<R>(metadata);
        let mut first = match encoding {
            Encoding::Json => {
                let mut text = serde_json::to_string(&head).unwrap_or_default();
                text.pop();
                format!("{text},\"{array}\":[")
            }
            Encoding::Yaml => format!("{}{array}:", serde_yaml::to_string(&head).unwrap_or_default()),
        };
        let mut pages = Self { packages, view, encoding, items: items.into_iter(), begun: false, ended: false };
        pages.fill(&mut first).await?;
        let headers = [(header::CONTENT_TYPE, encoding.content_type())];
        if pages.ended {
            return Ok((headers, first).into_response());
        }
        let rest = stream::unfold(Some(pages), |pages| async move {
            let mut pages = pages.filter(|pages| !pages.ended)?;
            let mut chunk = String::new();
            match pages.fill(&mut chunk).await {
                Ok(()) => Some((Ok(Bytes::from(chunk)), Some(pages))),
                // The status line is gone: breaking the connection off is the only way left to say that it failed.
                Err(error) => {
                    tracing::error!(error = error.message(), "a list broke off");
                    Some((Err(std::io::Error::other(error.message().to_owned())), None))
                }
            }
        });
        let first = stream::once(async move { Ok::<_, std::io::Error>(Bytes::from(first)) });
        let body = Body::from_stream(futures_util::StreamExt::chain(first, rest));
        Ok((headers, body).into_response())
    }

    /// Appends elements until the chunk is large enough or the list ends.
    async fn fill(&mut self, chunk: &mut String) -> Result<(), ApiError> {
        while chunk.len() < CHUNK {
            let Some(item) = self.items.next() else {
                match self.encoding {
                    Encoding::Json => chunk.push_str("]}\n"),
                    Encoding::Yaml if !self.begun => chunk.push_str(" []\n"),
                    Encoding::Yaml => {}
                }
                self.ended = true;
                return Ok(());
            };
            match self.encoding {
                Encoding::Json => {
                    let Some(element) = self.view.text::<R, P>(&self.packages, item).await? else { continue };
                    if self.begun {
                        chunk.push(',');
                    }
                    chunk.push_str(&element);
                }
                Encoding::Yaml => {
                    let Some(element) = self.view.element::<R, P>(&self.packages, item).await? else { continue };
                    if !self.begun {
                        chunk.push('\n');
                    }
                    push_yaml_element(chunk, &element);
                }
            }
            self.begun = true;
        }
        Ok(())
    }
}

/// One entry of a YAML sequence: the document, shifted behind its dash.
fn push_yaml_element(chunk: &mut String, element: &Value) {
    let text = serde_yaml::to_string(element).unwrap_or_default();
    for (at, line) in text.lines().enumerate() {
        chunk.push_str(match (at, line.is_empty()) {
            (0, _) => "- ",
            (_, true) => "",
            (_, false) => "  ",
        });
        chunk.push_str(line);
        chunk.push('\n');
    }
}
