//! The Kubernetes door as programs use it, with kube-rs: lists, stale writes, watches and what becomes of them when the
//! daemon restarts, pages, and options that are not understood.
//!
//! Never here: kubectl.

use std::time::Duration;

use futures_util::{Stream, StreamExt, TryStreamExt};
use kube::api::{DynamicObject, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::watcher;
use serde_json::json;

use crate::client::{REVISIONS, client, get, revisions, send};
use crate::packages::Shelf;
use crate::support::free_port;

fn version(object: &DynamicObject) -> u64 {
    object.metadata.resource_version.as_deref().expect("a version").parse().expect("a number")
}

fn name(object: &DynamicObject) -> &str {
    object.metadata.name.as_deref().expect("a name")
}

/// The next element of a stream, within 20 seconds.
async fn next<T, E: std::fmt::Debug>(stream: &mut (impl Stream<Item = Result<T, E>> + Unpin)) -> T {
    let next = tokio::time::timeout(Duration::from_secs(20), stream.try_next()).await;
    next.expect("within 20 seconds").expect("no error").expect("no end")
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_rise_and_a_stale_write_is_a_conflict() {
    let shelf = Shelf::new();
    shelf.draft("web", "w1");
    let api = revisions(client(&shelf.world, "amy").await);
    let object = api.get("packages.web.w1").await.expect("there");
    let patch = |value: serde_json::Value| Patch::Merge(value);
    let proposed = patch(json!({"spec": {"lifecycle": "Proposed"}}));
    let newer = api.patch("packages.web.w1", &PatchParams::default(), &proposed).await.expect("proposed");
    assert!(version(&newer) > version(&object));
    let conflict = |error: kube::Error| match error {
        kube::Error::Api(status) => (status.code, status.reason.clone()),
        other => panic!("{other}"),
    };
    let mut stale = object.clone();
    stale.data["spec"]["lifecycle"] = json!("Published");
    let refused = api.replace("packages.web.w1", &PostParams::default(), &stale).await.expect_err("stale");
    assert_eq!(conflict(refused), (409, "Conflict".to_owned()));
    let refused = api.replace_subresource("approval", "packages.web.w1", &PostParams::default(), &stale).await;
    assert_eq!(conflict(refused.expect_err("stale")), (409, "Conflict".to_owned()));
    let bound = patch(
        json!({"metadata": {"resourceVersion": version(&object).to_string()}, "spec": {"lifecycle": "Published"}}),
    );
    let refused = api.patch("packages.web.w1", &PatchParams::default(), &bound).await.expect_err("stale");
    assert_eq!(conflict(refused), (409, "Conflict".to_owned()));
    assert_eq!(api.get("packages.web.w1").await.expect("there").data["spec"]["lifecycle"], "Proposed");

    let mut approved = newer.clone();
    approved.data["spec"]["lifecycle"] = json!("Published");
    let approved = api.replace("packages.web.w1", &PostParams::default(), &approved).await.expect("approved");
    assert!(version(&approved) > version(&newer));
    let labelled = patch(json!({"metadata": {"labels": {"a": "b"}}}));
    let labelled = api.patch("packages.web.w1", &PatchParams::default(), &labelled).await.expect("labelled");
    assert!(version(&labelled) > version(&approved), "every write has a new version");
    let list = api.list(&ListParams::default()).await.expect("a list");
    let newest = list.items.iter().map(version).max().expect("objects");
    assert!(list.metadata.resource_version.expect("a version").parse::<u64>().expect("a number") >= newest);
    let again = patch(json!({"metadata": {"labels": {"a": "b"}}}));
    let same = api.patch("packages.web.w1", &PatchParams::default(), &again).await.expect("nothing to do");
    assert_eq!(version(&same), version(&labelled), "a write that changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_follows_pushes_and_survives_a_restart_in_both_of_its_ways() {
    for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
        let mut shelf = Shelf::new();
        shelf.draft("web", "w1");
        // The port changes with a restart, as no client expects: a fixed one is asked for.
        shelf.world.stop_daemon("TERM");
        let port = free_port();
        shelf.world.start_daemon_with(&["--api", &format!("127.0.0.1:{port}")]);
        let api = revisions(client(&shelf.world, "rea").await);
        let mut events = watcher(api, config).boxed();
        let watcher::Event::Init = next(&mut events).await else { panic!("a list comes first") };
        let watcher::Event::InitApply(object) = next(&mut events).await else { panic!("an object was expected") };
        assert_eq!(name(&object), "packages.web.w1");
        let watcher::Event::InitDone = next(&mut events).await else { panic!("the end of the list was expected") };
        let shelf = Shelf::of(shelf.world);
        shelf.draft("db", "w1");
        let watcher::Event::Apply(object) = next(&mut events).await else { panic!("a change was expected") };
        assert_eq!(name(&object), "packages.db.w1");
        let before = version(&object);

        let mut world = shelf.world;
        world.stop_daemon("TERM");
        world
            .on_disk("packages", &["-c", "core.hooksPath=/dev/null", "update-ref", "-d", "refs/heads/drafts/web/w1"])
            .ok();
        world.start_daemon_with(&["--api", &format!("127.0.0.1:{port}")]);
        // What was deleted while nobody watched is missed by the list that follows the 410.
        let mut listed = Vec::new();
        loop {
            match tokio::time::timeout(Duration::from_secs(20), events.next()).await.expect("in time").expect("no end")
            {
                Ok(watcher::Event::Init) => listed.clear(),
                Ok(watcher::Event::InitApply(object)) => listed.push((name(&object).to_owned(), version(&object))),
                Ok(watcher::Event::InitDone) => break,
                Ok(other) => panic!("{other:?}"),
                Err(_) => {}
            }
        }
        assert_eq!(listed, [("packages.db.w1".to_owned(), before)], "versions survive a restart");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filtered_watch_says_when_objects_begin_and_cease_to_match() {
    let shelf = Shelf::new();
    shelf.draft("web", "w1");
    let api = revisions(client(&shelf.world, "amy").await);
    let start = api.list(&ListParams::default()).await.expect("a list").metadata.resource_version.expect("a version");
    let labelled = WatchParams::default().labels("tier=back").timeout(60);
    let drafts = WatchParams::default().fields("spec.lifecycle=Draft").timeout(60);
    let mut labelled = api.watch(&labelled, &start).await.expect("a watch").boxed();
    let mut drafts = api.watch(&drafts, &start).await.expect("a watch").boxed();
    let patch = async |value: serde_json::Value| {
        api.patch("packages.web.w1", &PatchParams::default(), &Patch::Merge(value)).await.expect("patched")
    };
    patch(json!({"metadata": {"labels": {"tier": "back"}}})).await;
    let WatchEvent::Added(object) = next(&mut labelled).await else { panic!("it begins to match") };
    let WatchEvent::Modified(_) = next(&mut drafts).await else { panic!("it matches still") };
    let proposed = patch(json!({"spec": {"lifecycle": "Proposed"}})).await;
    let WatchEvent::Modified(modified) = next(&mut labelled).await else { panic!("it matches still") };
    let WatchEvent::Deleted(gone) = next(&mut drafts).await else { panic!("it ceases to match") };
    assert_eq!(gone.data["spec"]["lifecycle"], "Draft", "as it was when it last matched");
    assert!(version(&object) < version(&modified) && version(&modified) == version(&gone));
    assert!(version(&proposed) >= version(&gone));
    patch(json!({"metadata": {"labels": {"tier": null}}})).await;
    loop {
        match next(&mut labelled).await {
            WatchEvent::Modified(_) => {}
            WatchEvent::Deleted(object) => {
                assert_eq!(object.metadata.labels.expect("labels")["tier"], "back");
                break;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_has_a_higher_version_than_the_one_before() {
    let shelf = Shelf::new();
    let api = revisions(client(&shelf.world, "rea").await);
    let mut events = api.watch(&WatchParams::default().timeout(60), "0").await.expect("a watch").boxed();
    shelf.publish("web", "w1");
    shelf.publish("web", "w2");
    shelf.draft("end", "w1");
    let (mut last, mut seen) = (0, Vec::new());
    loop {
        let (kind, object) = match next(&mut events).await {
            WatchEvent::Added(object) => ("added", object),
            WatchEvent::Modified(object) => ("modified", object),
            WatchEvent::Deleted(object) => ("deleted", object),
            WatchEvent::Bookmark(_) => continue,
            WatchEvent::Error(status) => panic!("{status:?}"),
        };
        assert!(version(&object) > last, "{kind} {} went back", name(&object));
        last = version(&object);
        seen.push(format!("{kind} {} {}", name(&object), object.data["spec"]["lifecycle"].as_str().expect("text")));
        if name(&object) == "packages.end.w1" {
            break;
        }
    }
    let count = |what: &str| seen.iter().filter(|line| *line == what).count();
    assert_eq!(count("added packages.web.w1 Proposed"), 1, "{seen:#?}");
    assert!(
        count("modified packages.web.w1 Published") >= 1 && count("added packages.web.main Published") == 1,
        "{seen:#?}"
    );
    assert!(!seen.iter().any(|line| line.starts_with("deleted")), "nothing was ever away: {seen:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn initial_events_end_with_a_bookmark_and_an_old_version_is_expired() {
    let mut shelf = Shelf::new();
    shelf.draft("web", "w1");
    let old = shelf.world.field("packages.web.w1", "{.metadata.resourceVersion}");
    shelf.world.restart();
    let client = client(&shelf.world, "rea").await;
    let watch = async |query: &str| {
        let (code, body) =
            send(&client, "GET", &format!("{REVISIONS}?watch=true&timeoutSeconds=1&{query}"), &[], "").await;
        let events =
            body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<serde_json::Value>>();
        (code, events)
    };
    let streaming = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let (code, events) = watch(streaming).await;
    let kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().expect("a type")).collect();
    assert_eq!((code, &kinds[..]), (200, &["ADDED", "BOOKMARK"][..]));
    let bookmark = &events[1]["object"];
    assert_eq!(bookmark["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    assert_eq!(bookmark["kind"], "PackageRevision");
    let (code, events) = watch(&format!("resourceVersion={old}")).await;
    let expired = code == 410 || (events[0]["type"] == "ERROR" && events[0]["object"]["code"] == 410);
    assert!(expired, "{code} {events:?}");
    let now = bookmark["metadata"]["resourceVersion"].as_str().expect("a version");
    assert_eq!(watch(&format!("resourceVersion={now}")).await, (200, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages_and_as_metadata_and_odd_options_are_refused() {
    let shelf = Shelf::new();
    for package in ["a", "b", "c", "d", "e"] {
        shelf.draft(package, "w1");
    }
    let client = client(&shelf.world, "rea").await;
    let api = revisions(client.clone());
    let (mut names, mut pages, mut params) = (Vec::new(), 0, ListParams::default().limit(2));
    loop {
        let page = api.list(&params).await.expect("a page");
        names.extend(page.items.iter().map(|object| name(object).to_owned()));
        pages += 1;
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    assert_eq!((names.len(), pages), (5, 3), "{names:?}");
    let metadata = api.list_metadata(&ListParams::default().fields("spec.lifecycle=Draft")).await.expect("metadata");
    assert_eq!(metadata.items.len(), 5);
    assert_eq!(metadata.items[0].types.as_ref().expect("types").kind, "PartialObjectMetadata");
    for (query, code, word) in [
        ("?limit=two", 422, "limit"),
        ("?orderBy=name", 422, "orderBy"),
        ("?watch=perhaps", 422, "watch"),
        ("?sendInitialEvents=true", 422, "sendInitialEvents"),
        ("?resourceVersionMatch=Exact", 422, "resourceVersionMatch"),
        ("?watch=1&resourceVersion=abc", 422, "resourceVersion"),
        ("?continue=soup", 410, "continue"),
        ("?labelSelector=a%3D%3D%3Db", 400, "label"),
    ] {
        let (have, status) = get(&client, &format!("{REVISIONS}{query}"), "application/json").await;
        assert_eq!(have, code, "{query}: {status}");
        assert!(
            status["kind"] == "Status" && status["message"].as_str().expect("text").contains(word),
            "{query}: {status}"
        );
    }
}
