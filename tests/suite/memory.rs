//! A list of much content costs the daemon little memory: it is streamed object by object.
//!
//! Never here: how fast it is.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;

use futures_util::StreamExt;
use http_body_util::BodyExt;
use kube::client::Body;

use crate::client::client;
use crate::support::{World, git_command};

const REVISIONS: usize = 300;
/// Bytes of content a revision.
const CONTENT: usize = 100_000;
/// The most that the daemon's memory may grow by, in KiB. The list is as large as 30 MB.
const GROWTH: u64 = 12 << 10;

/// Makes the drafts with plain git, all at once.
fn fill(world: &World) {
    let bare = world.bare("packages");
    let mut import = git_command(&bare);
    let import = import.args(["fast-import", "--quiet"]).stdin(Stdio::piped());
    let mut import = import.spawn().expect("git starts");
    let mut input = import.stdin.take().expect("piped");
    for number in 0..REVISIONS {
        let mut content = String::with_capacity(CONTENT + 40);
        let mut line = 0;
        while content.len() < CONTENT {
            let _ = writeln!(content, "key-{line}: \"value {number} of {}\"", line * 7919 % 1009);
            line += 1;
        }
        let kptfile = crate::support::kptfile("p");
        let _ = write!(
            input,
            "commit refs/heads/drafts/p{number}/w\ncommitter x <x@example.com> 1700000000 +0000\ndata 0\nfrom refs/heads/main\n\
             M 100644 inline p{number}/Kptfile\ndata {}\n{kptfile}\nM 100644 inline p{number}/data.yaml\ndata {}\n{content}\n",
            kptfile.len(),
            content.len()
        );
    }
    drop(input);
    assert!(import.wait().expect("git ends").success());
}

/// A line of the daemon's `/proc/PID/status`, in KiB.
fn status(world: &World, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", world.ready().pid)).expect("Linux tells");
    let line = text.lines().find_map(|line| line.strip_prefix(field)).expect("a line");
    line.trim_start_matches(':').split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_list_of_content_is_streamed() {
    let mut world = World::without_daemon();
    world.create_repository("packages");
    fill(&world);
    world.start_daemon();
    let client = client(&world, "rea").await;
    let list = async |path: &str| {
        let request = axum::http::Request::get(path).body(Body::empty()).expect("a request");
        let response = client.send(request).await.expect("an answer");
        assert_eq!(response.status(), 200);
        let (mut body, mut bytes, mut objects, mut tail) = (response.into_body().into_data_stream(), 0, 0, Vec::new());
        while let Some(chunk) = body.next().await {
            let chunk = chunk.expect("the list does not break off");
            bytes += chunk.len();
            // Every object names its one Kptfile key once.
            tail.extend_from_slice(&chunk);
            let text = String::from_utf8_lossy(&tail);
            objects += text.matches("\"Kptfile\":").count();
            tail = tail.split_off(tail.len() - tail.len().min("\"Kptfile\":".len() - 1));
        }
        (bytes, objects)
    };
    // What any request costs is not counted.
    list("/apis/porch.kpt.dev/v1alpha1/packagerevisionresources?limit=3").await;
    let before = status(&world, "VmHWM").max(status(&world, "VmRSS"));
    let (bytes, objects) = list("/apis/porch.kpt.dev/v1alpha1/packagerevisionresources").await;
    assert!(bytes > REVISIONS * CONTENT && objects == REVISIONS, "{bytes} bytes, {objects} objects");
    let after = status(&world, "VmHWM");
    let grown = after.saturating_sub(before);
    assert!(grown < GROWTH, "{bytes} bytes made the daemon grow by {grown} KiB from {before} to {after}");
}
