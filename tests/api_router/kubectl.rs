//! The real kubectl, where it is on the PATH, against the router on a loopback port.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use super::fake::World;

struct Server {
    address: String,
    home: tempfile::TempDir,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start(world: &World) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let router = world.router.clone();
        let task = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        Self { address, home: tempfile::tempdir().expect("a directory"), task }
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(["--server", &self.address, "--cache-dir"])
            .arg(self.home.path().join("cache"))
            .args(arguments)
            .env("HOME", self.home.path())
            .env_remove("KUBECONFIG")
            .env_remove("HTTP_PROXY")
            .env_remove("http_proxy");
        command
    }

    async fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = self.command(program, arguments);
        tokio::task::spawn_blocking(move || command.output().expect("kubectl runs")).await.expect("no panic")
    }

    async fn ok(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.run(program, arguments).await;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{program} {arguments:?}: {error}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Starts a program whose output is read as it comes.
    fn watch(&self, program: &str, arguments: &[&str]) -> Watch {
        let mut command = self.command(program, arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("kubectl starts");
        let stdout = child.stdout.take().expect("a pipe");
        let (sender, lines) = tokio::sync::mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Watch { child, lines }
    }

    async fn fails(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.run(program, arguments).await;
        assert!(!output.status.success(), "{program} {arguments:?} went through");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

/// A kubectl that watches; it ends with this value.
struct Watch {
    child: Child,
    lines: tokio::sync::mpsc::UnboundedReceiver<String>,
}

impl Watch {
    async fn wait_for(&mut self, text: &str) {
        let found = async {
            while let Some(line) = self.lines.recv().await {
                if line.contains(text) {
                    return true;
                }
            }
            false
        };
        let found = tokio::time::timeout(Duration::from_secs(20), found).await;
        assert_eq!(found, Ok(true), "{text} was not seen");
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn is_there(program: &str) -> bool {
    Command::new(program).args(["version", "--client"]).output().is_ok_and(|output| output.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_reads_explains_patches_and_deletes() {
    for program in std::env::var("STOOP_TEST_KUBECTL").unwrap_or_else(|_| "kubectl".to_owned()).split(':') {
        if !is_there(program) {
            eprintln!("{program} is not on the PATH: nothing to see here");
            continue;
        }
        let world = World::new();
        let server = Server::start(&world).await;
        let resources = server.ok(program, &["api-resources"]).await;
        for name in ["packagerevisions", "packagerevisionresources", "repositories", "namespaces"] {
            assert!(resources.contains(name), "{program}: {resources}");
        }
        let all = server.ok(program, &["get", "packagerevisions", "-A"]).await;
        assert_eq!(all.lines().count(), 6, "{program}: {all}");
        assert!(all.starts_with("NAMESPACE"), "{all}");
        let yaml = server.ok(program, &["get", "packagerevision", "blueprints.web.draft-1", "-o", "yaml"]).await;
        assert!(yaml.contains("lifecycle: Draft"), "{yaml}");
        let repositories = server.ok(program, &["get", "repo", "-A"]).await;
        assert!(repositories.contains("blueprints"), "{repositories}");
        server.ok(program, &["get", "ns"]).await;
        server.ok(program, &["get", "packagerevisionresources", "-o", "name", "--chunk-size", "1"]).await;
        server.ok(program, &["describe", "packagerevision", "blueprints.web.draft-1"]).await;
        let explained = server.ok(program, &["explain", "packagerevisions.spec"]).await;
        assert!(explained.contains("lifecycle") && explained.contains("readinessGates"), "{program}: {explained}");
        let explained = server.ok(program, &["explain", "packagerevisions.status.selfLock.git.ref"]).await;
        assert!(explained.contains("string"), "{explained}");

        let mut watch = server.watch(program, &["get", "packagerevisions", "-A", "-w"]);
        watch.wait_for("blueprints.web.draft-1").await;

        let patch = "{\"spec\":{\"lifecycle\":\"Proposed\"}}";
        let name = "blueprints.web.draft-1";
        server.ok(program, &["label", "packagerevision", name, "color=red"]).await;
        server.ok(program, &["patch", "packagerevision", name, "--type", "merge", "-p", patch]).await;
        watch.wait_for("Proposed").await;
        drop(watch);
        let dry = ["patch", "packagerevision", name, "--type", "merge", "--dry-run=server", "-p"];
        server.ok(program, &[&dry[..], &["{\"spec\":{\"lifecycle\":\"Draft\"}}"]].concat()).await;
        let error = server.fails(program, &["patch", "packagerevision", name, "-p", patch]).await;
        assert!(error.contains("--type merge"), "{program}: {error}");
        writes_in_every_way(&server, program).await;
        let error = server.fails(program, &["delete", "packagerevision", "blueprints.net.router.v1"]).await;
        assert!(error.contains("Forbidden") || error.contains("forbidden"), "{program}: {error}");
        server.ok(program, &["delete", "packagerevision", name]).await;
        let error = server.fails(program, &["get", "packagerevision", name]).await;
        assert!(error.contains("NotFound"), "{error}");
    }
}

/// Edit, replace, apply, wait and the approval subresource.
async fn writes_in_every_way(server: &Server, program: &str) {
    let proposed = "blueprints.net.router.v3";
    let mut edit = server.command(program, &["edit", "packagerevision", proposed]);
    edit.env("KUBE_EDITOR", "sed -i s/Proposed/Draft/");
    let edited = tokio::task::spawn_blocking(move || edit.output().expect("kubectl runs")).await.expect("no panic");
    assert!(edited.status.success(), "{program}: {}", String::from_utf8_lossy(&edited.stderr));
    let get = ["get", "packagerevision", proposed, "-o"];
    let lifecycle = server.ok(program, &[&get[..], &["jsonpath={.spec.lifecycle}"]].concat()).await;
    assert_eq!(lifecycle, "Draft", "{program}");

    let manifest = server.home.path().join("object.yaml");
    let path = manifest.to_str().expect("a path of text");
    let text = server.ok(program, &[&get[..], &["yaml"]].concat()).await;
    std::fs::write(&manifest, text.replace("lifecycle: Draft", "lifecycle: Proposed")).expect("written");
    server.ok(program, &["replace", "-f", path]).await;
    let error = server.fails(program, &["replace", "-f", path]).await;
    assert!(error.contains("Conflict"), "{program}: {error}");
    let error = server.fails(program, &["apply", "--server-side", "-f", path]).await;
    assert!(error.contains("server-side apply is not supported yet"), "{program}: {error}");

    let patch =
        ["patch", "packagerevision", proposed, "--type", "merge", "-p", "{\"spec\":{\"lifecycle\":\"Published\"}}"];
    let approved = server.run(program, &[&patch[..], &["--subresource=approval"]].concat()).await;
    let error = String::from_utf8_lossy(&approved.stderr).into_owned();
    // Before 1.32 kubectl knows no subresource but its own, and before 1.24 not even the flag.
    let too_old = error.contains("invalid subresource value") || error.contains("unknown flag");
    assert!(approved.status.success() || too_old, "{program}: {error}");
    if too_old {
        server.ok(program, &patch).await;
    }
    let lifecycle = server.ok(program, &[&get[..], &["jsonpath={.spec.lifecycle}"]].concat()).await;
    assert_eq!(lifecycle, "Published", "{program}");
    server.ok(program, &["wait", "--for=condition=Reviewed", "packagerevision", proposed, "--timeout=20s"]).await;
}
