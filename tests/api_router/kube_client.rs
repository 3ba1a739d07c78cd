//! kube-rs against the router, in process: what controllers do.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
};
use kube::runtime::watcher;
use serde_json::json;
use stoop::domain::lifecycle::Lifecycle;

use super::fake::{World, package_revision};

fn revisions(world: &World) -> Api<DynamicObject> {
    let client = kube::Client::new(world.router.clone(), "default");
    let kind = GroupVersionKind::gvk("porch.kpt.dev", "v1alpha1", "PackageRevision");
    Api::default_namespaced_with(client, &ApiResource::from_gvk_with_plural(&kind, "packagerevisions"))
}

#[tokio::test]
async fn a_client_reads_and_writes() {
    let world = World::new();
    let api = revisions(&world);
    let list = api.list(&ListParams::default().labels("tier in (moving)").limit(1)).await.expect("a list");
    assert_eq!((list.items.len(), list.metadata.continue_.is_some()), (1, true));
    let metadata = api.list_metadata(&ListParams::default()).await.expect("metadata");
    assert_eq!(metadata.items.len(), 4);

    let name = "blueprints.web.draft-1";
    let patch = json!({"spec": {"lifecycle": "Proposed"}});
    let patched = api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.expect("patched");
    assert_eq!(patched.data["spec"]["lifecycle"], "Proposed");
    let mut approved = api.get_subresource("approval", name).await.expect("read through approval");
    approved.data["spec"]["lifecycle"] = json!("Published");
    let approved =
        api.replace_subresource("approval", name, &PostParams::default(), &approved).await.expect("approved");
    assert_eq!(approved.data["spec"]["lifecycle"], "Published");
    let refused = api.delete(name, &DeleteParams::default()).await.expect_err("published revisions stay");
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 403 && status.reason == "Forbidden"));
    let stale = api.replace(name, &PostParams::default(), &patched).await.expect_err("stale");
    assert!(matches!(stale, kube::Error::Api(status) if status.code == 409));
}

#[tokio::test]
async fn a_watcher_lists_and_follows_in_both_of_its_ways() {
    for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
        let world = World::new();
        let mut events = watcher(revisions(&world), config).boxed();
        let mut next = async || {
            let event = tokio::time::timeout(Duration::from_secs(20), events.try_next()).await.expect("in time");
            event.expect("no error").expect("no end")
        };
        let mut listed = 0;
        loop {
            match next().await {
                watcher::Event::Init => {}
                watcher::Event::InitApply(_) => listed += 1,
                watcher::Event::InitDone => break,
                other => panic!("{other:?} before the list ended"),
            }
        }
        assert_eq!(listed, 4);
        world.put(package_revision("default", "blueprints", "new", "w", Lifecycle::Draft, 0, 0));
        let watcher::Event::Apply(object) = next().await else { panic!("a change was expected") };
        assert_eq!(object.metadata.name.as_deref(), Some("blueprints.new.w"));
    }
}
