//! A watcher that writes down everything it gets, over any number of connections, until it is told to stop.
//!
//! When its connection ends it goes on from the version it saw last, or lists again, as its plan says; 410 makes it list again.
//! Never here: judging what came (see `checker`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use http_body_util::BodyExt;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::door::{Door, REVISIONS, bookmark, object, query, row};
use super::history::{live, version};
use super::{Begin, Kind, Line, Selection, Session, Shown, Watched};

/// How a watcher starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It lists, and watches from the list's resourceVersion.
    List,
    /// It watches without a resourceVersion.
    Present,
    /// It watches with `sendInitialEvents`.
    Streamed,
}

/// What a watcher does.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What to call it.
    pub title: String,
    /// What it wants.
    pub selection: Selection,
    /// How it starts.
    pub start: Start,
    /// Rows instead of objects.
    pub table: bool,
    /// Whether it allows bookmarks.
    pub bookmarks: bool,
    /// It hangs up after so many lines, and comes back.
    pub hangs_up: Option<usize>,
    /// After any end it goes on from the version it saw last.
    pub resumes: bool,
}

impl Plan {
    /// A watcher of objects, with bookmarks, that goes on after any end.
    pub fn new(title: &str, selection: Selection, start: Start) -> Self {
        let (table, bookmarks, hangs_up, resumes) = (false, true, None, true);
        Self { title: title.to_owned(), selection, start, table, bookmarks, hangs_up, resumes }
    }
}

/// A watcher at work.
pub struct Recorder {
    /// What it wants.
    pub selection: Selection,
    title: String,
    held: Arc<Mutex<BTreeMap<Arc<str>, u64>>>,
    stop: CancellationToken,
    task: JoinHandle<Watched>,
}

impl Recorder {
    /// Starts a watcher.
    pub fn start(door: &Door, plan: Plan) -> Self {
        let (held, stop) = (Arc::new(Mutex::new(BTreeMap::new())), CancellationToken::new());
        let (selection, title) = (plan.selection.clone(), plan.title.clone());
        let task = tokio::spawn(record(door.clone(), plan, held.clone(), stop.clone()));
        Self { selection, title, held, stop, task }
    }

    /// Whether it shows what a list has for it.
    pub fn shows(&self, list: &[Shown]) -> bool {
        let wanted = list.iter().filter(|object| self.selection.matches(object));
        let wanted: BTreeMap<Arc<str>, u64> = wanted.map(|object| (object.name.clone(), object.version)).collect();
        *self.held.lock().expect("no panic") == wanted
    }

    /// The version of an object that it shows now.
    pub fn version(&self, name: &str) -> Option<u64> {
        self.held.lock().expect("no panic").get(name).copied()
    }

    /// What to call it.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Ends it and gives what it wrote down.
    pub async fn stop(self) -> Watched {
        self.stop.cancel();
        self.task.await.unwrap_or_else(|error| panic!("{}: {error}", self.title))
    }
}

async fn record(door: Door, plan: Plan, held: Arc<Mutex<BTreeMap<Arc<str>, u64>>>, stop: CancellationToken) -> Watched {
    let mut watched = Watched { title: plan.title.clone(), selection: plan.selection.clone(), sessions: Vec::new() };
    let mut from = None;
    while !stop.is_cancelled() {
        let Some(session) = connect(&door, &plan, from, &held, &stop).await else {
            // The daemon is down, or went down meanwhile. Its next run is waited for.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        from = if session.expired || !plan.resumes { None } else { position(&session) };
        watched.sessions.push(session);
    }
    watched
}

/// The version that a watcher may resume from.
fn position(session: &Session) -> Option<u64> {
    let newest = live(session).map(version).max();
    match &session.begin {
        Begin::List(version, _) | Begin::Resumed(version) => Some(newest.unwrap_or(*version)),
        Begin::Present(true) => newest.or_else(|| match session.lines.last() {
            Some(Line::Bookmark(version, true)) => Some(*version),
            _ => None,
        }),
        Begin::Present(false) => newest,
    }
}

/// One connection; `None` when it did not come about, or nobody can say with which run.
async fn connect(
    door: &Door,
    plan: &Plan,
    from: Option<u64>,
    held: &Mutex<BTreeMap<Arc<str>, u64>>,
    stop: &CancellationToken,
) -> Option<Session> {
    let run = door.runs.up()?;
    let begin = match (from, plan.start) {
        (Some(from), _) => Begin::Resumed(from),
        (None, Start::List) => {
            let (version, items) = door.list(&plan.selection).await.ok()?;
            Begin::List(version, items)
        }
        (None, start) => Begin::Present(start == Start::Streamed),
    };
    let mut path = format!("{REVISIONS}?watch=true&{}", query(&plan.selection));
    match &begin {
        Begin::List(version, _) | Begin::Resumed(version) => path.push_str(&format!("&resourceVersion={version}")),
        Begin::Present(true) => path.push_str("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"),
        Begin::Present(false) => {}
    }
    if plan.bookmarks || begin == Begin::Present(true) {
        path.push_str("&allowWatchBookmarks=true");
    }
    let accept =
        if plan.table { "application/json;as=Table;v=v1;g=meta.k8s.io,application/json" } else { "application/json" };
    let response = door.begin("GET", &path, accept, None).await.ok()?;
    if door.runs.up() != Some(run) {
        return None;
    }
    assert_eq!(response.status(), 200, "{}: {path}", plan.title);
    match &begin {
        Begin::Resumed(_) => {}
        Begin::Present(_) => held.lock().expect("no panic").clear(),
        Begin::List(_, items) => {
            *held.lock().expect("no panic") = items.iter().map(|item| (item.name.clone(), item.version)).collect();
        }
    }
    let mut session = Session { run, begin, lines: Vec::new(), expired: false };
    let mut body = response.into_body().into_data_stream();
    let mut rest = Vec::new();
    loop {
        let chunk = tokio::select! {
            chunk = body.next() => chunk,
            () = stop.cancelled() => None,
        };
        // An end, or a connection that broke: what came until then counts.
        let Some(Ok(chunk)) = chunk else { return Some(session) };
        rest.extend_from_slice(&chunk);
        let mut read = 0;
        while let Some(end) = rest[read..].iter().position(|byte| *byte == b'\n') {
            let line = std::str::from_utf8(&rest[read..read + end]).expect("text");
            read += end + 1;
            let Some(line) = parse(line, plan.table).unwrap_or_else(|error| panic!("{}: {error}", plan.title)) else {
                session.expired = true;
                return Some(session);
            };
            if let Line::Event(kind, object) = &line {
                let mut held = held.lock().expect("no panic");
                match kind {
                    Kind::Deleted => held.remove(&object.name),
                    _ => held.insert(object.name.clone(), object.version),
                };
            }
            session.lines.push(line);
            if plan.hangs_up.is_some_and(|lines| session.lines.len() >= lines) && position(&session).is_some() {
                return Some(session);
            }
        }
        rest.drain(..read);
    }
}

/// One line; `None` for an ERROR of 410.
fn parse(line: &str, table: bool) -> Result<Option<Line>, String> {
    let (head, body) = line.split_once(",\"object\":").ok_or_else(|| format!("no event: {line}"))?;
    let body = body.strip_suffix('}').ok_or_else(|| format!("no event: {line}"))?;
    let shown = || if table { row(body) } else { object(body) };
    Ok(Some(match head {
        "{\"type\":\"ADDED\"" => Line::Event(Kind::Added, shown()?),
        "{\"type\":\"MODIFIED\"" => Line::Event(Kind::Modified, shown()?),
        "{\"type\":\"DELETED\"" => Line::Event(Kind::Deleted, shown()?),
        "{\"type\":\"BOOKMARK\"" => {
            let (version, end) = bookmark(body, table)?;
            Line::Bookmark(version, end)
        }
        "{\"type\":\"ERROR\"" if body.contains("\"code\":410") => return Ok(None),
        _ => return Err(format!("not expected: {line}")),
    }))
}
