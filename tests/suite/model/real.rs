//! The real side of the model's test: one clone that commits and pushes for everybody, and HTTP clients with everybody's
//! token.
//!
//! Never here: what should come of a call.

use std::collections::BTreeSet;

use super::pure::Shown;
use crate::support::{USERS, Workdir, World};

/// The real side: one clone that commits and pushes for everybody, and HTTP clients with everybody's token.
pub(super) struct Real {
    pub(super) world: World,
    pub(super) clone: Workdir,
    runtime: tokio::runtime::Runtime,
    clients: Vec<kube::Client>,
    commits: u32,
}

impl Real {
    pub(super) fn start() -> Self {
        let world = World::with_repository();
        let clone = world.clone("ada", "packages");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut real = Self { world, clone, runtime, clients: Vec::new(), commits: 0 };
        real.connect();
        real
    }

    /// Clients for the daemon that runs now.
    pub(super) fn connect(&mut self) {
        let kubeconfig = kube::config::Kubeconfig::read_from(self.world.kubeconfig("admin")).expect("a kubeconfig");
        let options = kube::config::KubeConfigOptions::default();
        let base = self.runtime.block_on(kube::Config::from_custom_kubeconfig(kubeconfig, &options)).expect("a config");
        let _guard = self.runtime.enter();
        self.clients = USERS
            .iter()
            .map(|(user, _)| {
                let mut config = base.clone();
                config.auth_info =
                    kube::config::AuthInfo { token: Some(format!("stoop_{user}").into()), ..Default::default() };
                kube::Client::try_from(config).expect("a client")
            })
            .collect();
    }

    pub(super) fn call(
        &self,
        user: usize,
        method: &str,
        path: &str,
        body: Option<String>,
    ) -> Result<serde_json::Value, String> {
        let request = axum::http::Request::builder()
            .method(method)
            .uri(format!("/apis/porch.kpt.dev/v1alpha1/namespaces/default/packagerevisions{path}"))
            .header("content-type", "application/merge-patch+json")
            .body(body.unwrap_or_default().into_bytes())
            .expect("a request");
        self.runtime.block_on(self.clients[user].request(request)).map_err(|error| error.to_string())
    }

    pub(super) fn listing(&self) -> BTreeSet<Shown> {
        let list = self.call(4, "GET", "", None).expect("a list for the reader");
        let items = list["items"].as_array().expect("items");
        let item = |item: &serde_json::Value| {
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            (
                text(&item["metadata"]["name"]),
                text(&item["spec"]["lifecycle"]),
                item["spec"]["revision"].as_i64().unwrap_or(0),
                item["metadata"]["labels"]["kpt.dev/latest-revision"] == "true",
            )
        };
        items.iter().map(item).collect()
    }

    /// Makes a commit of a package with content of its own on top of the branch.
    pub(super) fn commit(&mut self, package: &str) -> String {
        self.clone.git(&["fetch", "-q", "origin", "main"]).ok();
        self.clone.git(&["reset", "-q", "--hard", "FETCH_HEAD"]).ok();
        self.commits += 1;
        self.clone.package(package, &self.commits.to_string())
    }

    pub(super) fn push(&self, user: usize, refspec: &str) -> Result<(), String> {
        let url = self.world.url(USERS[user].0, "packages");
        let answer = self.clone.git(&["push", &url, refspec]);
        if answer.code == 0 { Ok(()) } else { Err(answer.stderr) }
    }

    pub(super) fn restart(&mut self, killed: bool, without_cache: bool) {
        self.world.stop_daemon(if killed { "KILL" } else { "TERM" });
        if without_cache {
            std::fs::remove_dir_all(self.world.state().join("cache")).expect("the cache is removed");
        }
        self.world.start_daemon();
        self.clone.git(&["remote", "set-url", "origin", &self.world.url("ada", "packages")]).ok();
        self.connect();
    }
}
