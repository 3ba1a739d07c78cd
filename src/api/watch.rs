//! Watches: the present objects when asked for, then every change, filtered, with bookmarks, one JSON line an event.
//!
//! A watcher reads the feed in small portions at its own pace, so it needs little memory and slows nobody; one that falls
//! out of the feed's window gets an ERROR event with 410 and lists again, as with kube-apiserver.
//! Never here: keeping events (see `index::feed`).

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

use super::ApiState;
use super::list_options::{AtVersion, ListOptions};
use super::negotiation::{Encoding, Form};
use super::read::wait_for;
use super::resource::{Change, Watched};
use super::status::ApiError;
use super::table::View;
use crate::commands::request::Packages;
use crate::index::feed::EventKind;

/// How many events are read from the feed at a time.
const PORTION: usize = 256;

/// Lines are sent when they have grown to this many bytes, or when there is nothing more to send now.
const CHUNK: usize = 32 * 1024;

/// The longest that a watch lasts, whatever its client asks for.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Answers a watch with a stream of events.
pub(crate) async fn watch<R: Watched, P: Packages>(
    state: ApiState<P>,
    namespace: Option<String>,
    form: Form,
    options: ListOptions,
) -> Result<Response, ApiError> {
    if form.encoding != Encoding::Json {
        return Err(ApiError::not_acceptable("application/json (watches are not sent as YAML)"));
    }
    let (sender, receiver) = mpsc::channel::<Bytes>(2);
    let mut watcher = Watcher::<R, P> {
        view: View { shape: form.shape, include: options.include },
        ends: Instant::now() + options.timeout.unwrap_or_else(default_timeout).min(LONGEST),
        state,
        namespace,
        options,
        position: 0,
        lines: String::new(),
        sender,
        kind: std::marker::PhantomData,
    };
    let initial = watcher.begin().await?;
    tokio::spawn(async move {
        let shutdown = watcher.state.shutdown.clone();
        let ends = watcher.ends;
        tokio::select! {
            _ = watcher.run(initial) => {}
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep_until(ends) => {}
        }
    });
    let body = Body::from_stream(ReceiverStream::new(receiver).map(Ok::<_, std::convert::Infallible>));
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// 30 to 60 minutes: spread, so that many watchers do not come back at once.
fn default_timeout() -> Duration {
    let spread =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.subsec_micros());
    Duration::from_secs(1800 + u64::from(spread) % 1800)
}

/// The client is gone; nothing is left to do.
struct Gone;

struct Watcher<R, P> {
    state: ApiState<P>,
    namespace: Option<String>,
    options: ListOptions,
    view: View,
    ends: Instant,
    /// Every change up to here was sent or filtered.
    position: u64,
    /// What waits to be sent.
    lines: String,
    sender: mpsc::Sender<Bytes>,
    kind: std::marker::PhantomData<R>,
}

impl<R: Watched, P: Packages> Watcher<R, P> {
    /// Sets the start and returns the present objects, if the client wants them.
    async fn begin(&mut self) -> Result<Option<Vec<Arc<R::Item>>>, ApiError> {
        let wants_state = match self.options.initial_events {
            Some(wants) => wants,
            None => matches!(self.options.version, AtVersion::Newest | AtVersion::Any),
        };
        if !wants_state {
            self.position = match self.options.version {
                AtVersion::NotOlderThan(version) | AtVersion::Exact(version) => version,
                AtVersion::Newest | AtVersion::Any => self.state.catalog.resource_version(),
            };
            return Ok(None);
        }
        if let AtVersion::NotOlderThan(version) = self.options.version {
            wait_for(&self.state.catalog, version).await?;
        }
        let listing = R::list(&self.state.catalog, self.namespace.as_deref());
        self.position = listing.resource_version;
        Ok(Some(listing.items))
    }

    async fn run(&mut self, initial: Option<Vec<Arc<R::Item>>>) -> Result<(), Gone> {
        let mut changes = self.state.catalog.changes();
        if let Some(items) = initial {
            for item in items {
                if self.options.selects::<R>(&item) {
                    self.write("ADDED", item, None).await?;
                }
            }
            if self.options.initial_events == Some(true) {
                self.write_bookmark(true).await?;
            }
        }
        self.flush().await?;
        let mut bookmark_at = Instant::now() + self.state.bookmark_every;
        loop {
            changes.mark_unchanged();
            self.catch_up().await?;
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return Ok(()) },
                () = self.sender.closed() => return Err(Gone),
                () = tokio::time::sleep_until(bookmark_at), if self.options.bookmarks => {
                    self.write_bookmark(false).await?;
                    self.flush().await?;
                    bookmark_at = Instant::now() + self.state.bookmark_every;
                }
            }
        }
    }

    /// Sends every change that the feed has after the position.
    async fn catch_up(&mut self) -> Result<(), Gone> {
        loop {
            // Read before the feed: what comes in between is sent next time, and the position stays true.
            let newest = self.state.catalog.resource_version();
            let portion = match R::changes(&self.state.catalog, self.position, PORTION) {
                Ok(portion) => portion,
                Err(expired) => {
                    let status = ApiError::expired(format!("{expired}; list again and watch from there")).to_json();
                    self.lines.push_str(&format!("{{\"type\":\"ERROR\",\"object\":{status}}}\n"));
                    self.flush().await?;
                    return Err(Gone);
                }
            };
            if portion.is_empty() {
                self.position = self.position.max(newest);
                return self.flush().await;
            }
            for change in portion {
                self.position = change.version;
                self.write_change(change).await?;
            }
        }
    }

    async fn write_change(&mut self, change: Change<R::Item>) -> Result<(), Gone> {
        if self.namespace.as_deref().is_some_and(|namespace| R::key(&change.object).0 != namespace) {
            return Ok(());
        }
        let version = change.version;
        let before = change.previous.filter(|previous| self.options.selects::<R>(previous));
        let now = change.kind != EventKind::Deleted && self.options.selects::<R>(&change.object);
        match (before, now) {
            (None, false) => Ok(()),
            (None, true) => self.write("ADDED", change.object, None).await,
            (Some(_), true) => self.write("MODIFIED", change.object, None).await,
            // The object as it was when it last matched, at the version of the change, as kube-apiserver does.
            (Some(before), false) => self.write("DELETED", before, Some(version)).await,
        }
    }

    async fn write(&mut self, kind: &str, item: Arc<R::Item>, version: Option<u64>) -> Result<(), Gone> {
        let object = match self.view.single::<R, P>(&self.state.packages, item).await {
            Ok(Some(mut object)) => {
                if let Some(version) = version {
                    set_version(&mut object, version);
                }
                object
            }
            Ok(None) => return Ok(()),
            Err(error) => {
                tracing::error!(error = error.message(), "an object of a watch could not be shown");
                return Err(Gone);
            }
        };
        self.write_line(kind, &object).await
    }

    async fn write_bookmark(&mut self, initial_events_end: bool) -> Result<(), Gone> {
        let object = self.view.bookmark::<R>(self.position, initial_events_end);
        self.write_line("BOOKMARK", &object).await
    }

    async fn write_line(&mut self, kind: &str, object: &Value) -> Result<(), Gone> {
        self.lines.push_str(&json!({"type": kind, "object": object}).to_string());
        self.lines.push('\n');
        if self.lines.len() >= CHUNK { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let lines = std::mem::take(&mut self.lines);
        self.sender.send(Bytes::from(lines)).await.map_err(|_| Gone)
    }
}

/// Gives an object, or the objects of a Table, another resource version.
fn set_version(object: &mut Value, version: u64) {
    let version = json!(version.to_string());
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".to_owned(), version.clone());
    }
    for row in object.get_mut("rows").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(metadata) = row.pointer_mut("/object/metadata").and_then(Value::as_object_mut) {
            metadata.insert("resourceVersion".to_owned(), version.clone());
        }
    }
}
