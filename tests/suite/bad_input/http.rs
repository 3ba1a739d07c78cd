//! HTTP at both doors that no good client sends: cut short, endless, slow, compressed a thousandfold, forged.
//!
//! Never here: who is let in (see `access` and `certificates`).

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::raw::{self, basic, connect, push_body, push_head};
use super::steady::{Steady, children, memory, serves_to};
use super::tls;
use crate::client::{REVISIONS, client, send};
use crate::packages::Shelf;
use crate::steps::P;
use crate::support::{World, eventually};

/// How much more memory the daemon may take for any of it, in KiB.
const GROWTH: u64 = 96 << 10;

fn code(answer: &str) -> u16 {
    answer.split_whitespace().nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// Both doors answer, with one request each.
#[track_caller]
fn serves(world: &World) {
    serves_to(world, &world.clone("ann", "packages"));
}

#[test]
fn a_git_request_that_is_cut_short_changes_nothing() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    let steady = Steady::now(&world);
    let main = ann.head();
    let update = (raw::ZERO, main.as_str(), format!("refs/heads/drafts/{P}/w1"));
    let body = push_body(&[(update.0, update.1, update.2.as_bytes())], &[]);
    // A body that ends before its length, at every border that matters; then the client is gone.
    for end in [0, 1, 3, 4, 50, body.len() - 36, body.len() - 20, body.len() - 1] {
        let head = push_head("ann", &format!("Content-Length: {}\r\n", body.len()));
        let mut stream = connect(&world);
        stream.write_all(&[head.as_bytes(), &body[..end]].concat()).expect("taken");
        drop(stream);
        // The same, while the client still listens.
        let answer = raw::send_all(&world, &[head.as_bytes(), &body[..end]].concat());
        assert!(!answer.contains("unpack ok"), "{end}: {answer}");
        steady.unchanged();
    }
    // Chunks that are no chunks.
    for chunks in
        ["zz\r\nabc\r\n", "ffffffffffffffffff\r\nabc\r\n", "-1\r\n", "5\r\nab\r\n0\r\n\r\n", "\r\n\r\n", "4\r\n0000"]
    {
        let head = push_head("ann", "Transfer-Encoding: chunked\r\n");
        let answer = raw::send_all(&world, &[head.as_bytes(), chunks.as_bytes()].concat());
        assert!(!answer.contains("unpack ok"), "{chunks:?}: {answer}");
        steady.unchanged();
    }
    // Two lengths, or a length and chunks: two readers would see two different requests.
    for lengths in [
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: +4\r\n",
    ] {
        let answer = raw::send_all(&world, format!("{}0000", push_head("ann", lengths)).as_bytes());
        assert!(code(&answer) == 400 || !answer.contains("unpack ok"), "{lengths}: {answer}");
        assert!(answer.matches("HTTP/1.1").count() <= 1, "{lengths}: {answer}");
    }
    eventually("git has ended", || children(&world).is_empty().then_some(()));
    steady.check();
}

#[test]
fn heads_without_an_end_and_paths_without_sense() {
    let world = World::with_repository();
    let steady = Steady::now(&world);
    let before = memory(&world, "VmHWM");
    let ask = |path: &str, more: &str| {
        raw::send(
            &world,
            format!("GET {path} HTTP/1.1\r\nHost: x\r\n{}Connection: close\r\n{more}\r\n", basic("rea")).as_bytes(),
        )
    };
    let refs = "info/refs?service=git-upload-pack";
    assert_eq!(code(&ask(&format!("/packages.git/{refs}"), "")), 200);
    for path in [
        &format!("/%2e%2e/%2e%2e/etc/passwd/{refs}"),
        &format!("/packages.git/%2e%2e/packages.git/{refs}"),
        &format!("/packages.git%00/{refs}"),
        &format!("/packages.git%0a/{refs}"),
        &format!("/packages.git%2f/{refs}"),
        &format!("//packages.git//{refs}"),
        &format!("/./packages.git/{refs}"),
        &format!("/packages.git/../packages.git/{refs}"),
        &format!("/.stoop/{refs}"),
        &format!("/packages.git/.git/{refs}"),
        &format!("/{}/{refs}", "a/".repeat(3000)),
        "http://evil.example/packages.git/info/refs?service=git-upload-pack/../..",
        "*",
        "packages.git",
    ] {
        let answer = ask(path, "");
        assert!((400..500).contains(&code(&answer)), "{}: {answer}", &path[..path.len().min(60)]);
        assert!(!answer.contains("root:") && !answer.contains("panicked"), "{answer}");
    }
    // A huge query is not read for what is not in it, and says nothing to git.
    let answer = ask(&format!("/packages.git/{refs}&{}", "x=y&".repeat(10_000)), "");
    assert!(code(&answer) == 200 || code(&answer) == 414 || code(&answer) == 431, "{answer}");
    // Headers: one too long, too many, without end.
    let answer = ask(&format!("/packages.git/{refs}"), &format!("X: {}\r\n", "y".repeat(200_000)));
    assert_eq!(code(&answer), 431, "{answer}");
    let many: String = (0..5_000).map(|at| format!("X{at}: y\r\n")).collect();
    assert_eq!(code(&ask(&format!("/packages.git/{refs}"), &many)), 431);
    let mut stream = connect(&world);
    let mut sent = 0_usize;
    let line = [b'h'; 1 << 14];
    while sent < 256 << 20 && stream.write_all(&line).is_ok() {
        sent += line.len();
    }
    assert!(sent < 64 << 20, "the server took {sent} bytes of a head without an end");
    let grown = memory(&world, "VmHWM") - before;
    assert!(grown < GROWTH, "it grew by {grown} KiB");
    steady.check();
}

#[test]
fn slow_clients_hold_nobody_up() {
    let world = World::with_repository();
    let steady = Steady::now(&world);
    let body = push_body(&[(raw::ZERO, raw::ZERO, b"refs/heads/x")], &[]);
    let mut held = Vec::new();
    for at in 0..150 {
        let mut stream = connect(&world);
        let head = push_head("ann", &format!("Content-Length: {}\r\n", body.len()));
        // Half a head; a head and no body; half a body. The last two keep a git process each.
        let part = match at % 15 {
            0 => [head.as_bytes(), &[]].concat(),
            1 => [head.as_bytes(), &body[..10]].concat(),
            _ => head.as_bytes()[..40].to_vec(),
        };
        stream.write_all(&part).expect("taken");
        held.push(stream);
    }
    let begun = Instant::now();
    serves(&world);
    assert!(begun.elapsed() < Duration::from_secs(30), "others waited {:?}", begun.elapsed());
    drop(held);
    steady.nothing_left();
    serves(&world);
}

#[test]
fn what_is_compressed_is_not_believed() {
    let world = World::with_repository();
    let steady = Steady::now(&world);
    let before = memory(&world, "VmHWM");
    for (what, unit) in [("zeros", "/dev/zero"), ("flushes", "")] {
        let script = match unit {
            "" => "yes 0000 | tr -d '\\n' | head -c 100000000 | gzip -1".to_owned(),
            file => format!("head -c 100000000 {file} | gzip -1"),
        };
        let bomb = Command::new("sh").args(["-c", &script]).stderr(Stdio::null()).output().expect("gzip runs").stdout;
        assert!(bomb.len() < 4 << 20, "{what}: {}", bomb.len());
        for service in ["git-receive-pack", "git-upload-pack"] {
            let head = format!(
                "POST /packages.git/{service} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Encoding: gzip\r\n\
                 Content-Type: application/x-{service}-request\r\nContent-Length: {}\r\n{}\r\n",
                bomb.len(),
                basic("ann")
            );
            let answer = raw::send(&world, &[head.as_bytes(), &bomb].concat());
            assert!(!answer.contains("unpack ok"), "{what}: {answer}");
        }
        let answer = raw::send(
            &world,
            format!("{}{}", push_head("ann", "Content-Encoding: gzip\r\nContent-Length: 9\r\n"), "not gzip!")
                .as_bytes(),
        );
        assert!(!answer.contains("unpack ok"), "{answer}");
    }
    let grown = memory(&world, "VmHWM") - before;
    assert!(grown < GROWTH, "it grew by {grown} KiB");
    steady.check();
}

#[test]
fn push_options_of_megabytes_are_refused() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    world.on_disk("packages", &["config", "receive.advertisePushOptions", "true"]).ok();
    let main = ann.head();
    let steady = Steady::now(&world);
    let name = format!("refs/heads/drafts/{P}/w1");
    let (long, many) = (vec![b'x'; 60_000], vec![b"option".as_slice(); 20_000]);
    let big: Vec<&[u8]> = vec![long.as_slice(); 60];
    for options in [&big[..], &many[..], &[b"a\nb", b"import\0", b"\x1b[2J", b""]] {
        let answer = raw::push(&world, "ann", &[(raw::ZERO, &main, name.as_bytes())], options);
        assert!(!answer.contains("ok refs/heads"), "{answer}");
        steady.unchanged();
    }
    steady.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn api_requests_that_make_no_sense_are_told_so() {
    let shelf = Shelf::new();
    shelf.draft("net/router", "w1");
    let world = &shelf.world;
    let user = client(world, "ann").await;
    let steady = Steady::now(world);
    let before = memory(world, "VmHWM");
    let token = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let forged = token(&json!({"rv": u64::MAX, "ns": "x".repeat(1000), "name": "\u{0}"}));
    let wide = (0..3_000).map(|at| format!("k{at}")).collect::<Vec<_>>().join(",");
    let deep = format!("a in ({})", vec!["b"; 10_000].join(","));
    for (query, wanted) in [
        ("continue=soup".to_owned(), 410),
        ("continue=".to_owned() + &"A".repeat(10_000), 410),
        (format!("limit=1&continue={forged}"), 200),
        (format!("limit=1&continue={}", token(&json!({"rv": -1, "ns": 1, "name": []}))), 410),
        ("limit=-1".to_owned(), 400),
        ("limit=99999999999999999999999".to_owned(), 400),
        ("limit=18446744073709551615".to_owned(), 0),
        ("resourceVersion=-1".to_owned(), 400),
        ("labelSelector=%21%21%21".to_owned(), 400),
        (format!("labelSelector={}", "%28".repeat(5_000)), 400),
        (format!("labelSelector={wide}"), 200),
        (format!("labelSelector={}", deep.replace(' ', "%20")), 200),
        (format!("fieldSelector={}", vec!["metadata.name=x"; 2_000].join(",")), 0),
        ("fieldSelector=spec.revision%3D%00".to_owned(), 0),
        ("watch=maybe".to_owned(), 400),
        ("watch=1&timeoutSeconds=-1".to_owned(), 400),
        ("watch=1&timeoutSeconds=0&resourceVersion=soup".to_owned(), 400),
        ("%ff%fe=1".to_owned(), 0),
        (format!("x={}", "y".repeat(50_000)), 0),
    ] {
        let (code, body) = send(&user, "GET", &format!("{REVISIONS}?{query}"), &[], "").await;
        let shown = &query[..query.len().min(80)];
        // 400 stands for every answer that says the request is wrong, 0 for any answer.
        let fits = code == wanted || wanted == 0 || (wanted == 400 && code == 422);
        assert!((200..500).contains(&code) && fits, "{shown}: {code} {body}");
        assert!(
            code < 300 || serde_json::from_str::<Value>(&body).is_ok_and(|body| body["kind"] == "Status"),
            "{shown}: {body}"
        );
        assert!(body.len() < 100_000, "{shown} gets {} bytes back", body.len());
    }
    for path in [
        "/apis/porch.kpt.dev/v1alpha9/packagerevisions",
        "/apis/porch.kpt.dev/v1/namespaces/default/packagerevisions",
        "/apis/nobody.example/v1/things",
        "/api/v2",
        "/openapi/v9",
        "/apis/porch.kpt.dev/v1alpha1/namespaces/default/packagerevisions/..%2f..",
        "/apis/porch.kpt.dev/v1alpha1/namespaces/default/packagerevisions/%00",
        "/apis/porch.kpt.dev/v1alpha1//packagerevisions",
        "/apis/porch.kpt.dev/v1alpha1/namespaces/%2e%2e/packagerevisions/x",
    ] {
        let (code, body) = send(&user, "GET", path, &[], "").await;
        let status: Value = serde_json::from_str(&body).expect("a Status");
        assert_eq!((code, &status["reason"]), (404, &json!("NotFound")), "{path}: {body}");
    }
    let one = format!("{REVISIONS}/packages.net.router.w1");
    let bodies = [
        ("application/merge-patch+json", "{\"a\":".repeat(100_000)),
        ("application/merge-patch+json", "[".repeat(100_000)),
        ("application/merge-patch+json", "null".to_owned()),
        (
            "application/merge-patch+json",
            format!("{{\"metadata\":{{\"labels\":{{\"a\":\"{}\"}}}}}}", "x".repeat(2 << 20)),
        ),
        ("application/merge-patch+json", "x".repeat(8 << 20)),
        ("application/json-patch+json", doubling()),
        ("application/json-patch+json", format!("[{}]", vec![r#"{"op":"test","path":"","value":1}"#; 2_000].join(","))),
        ("application/json-patch+json", r#"[{"op":"add","path":"/metadata/labels/a/b/c","value":1}]"#.to_owned()),
        ("application/json-patch+json", r#"[{"op":"remove","path":""}]"#.to_owned()),
        ("application/json-patch+json", r#"[{"op":"move","from":"/metadata","path":"/metadata/labels"}]"#.to_owned()),
        ("application/json-patch+json", r#"[{"op":"replace","path":"/metadata/labels/-","value":{}}]"#.to_owned()),
        ("application/apply-patch+yaml", "&a [*a]".to_owned()),
        ("text/html", "<b>".to_owned()),
        ("", "{}".to_owned()),
    ];
    for (kind, body) in bodies {
        let begun = Instant::now();
        let headers: &[(&str, &str)] = if kind.is_empty() { &[] } else { &[("content-type", kind)] };
        let (code, answer) = send(&user, "PATCH", &one, headers, &body).await;
        let shown = &body[..body.len().min(60)];
        assert!((400..500).contains(&code), "{kind} {shown}: {code} {answer}");
        assert!(
            serde_json::from_str::<Value>(&answer).is_ok_and(|answer| answer["kind"] == "Status"),
            "{shown}: {answer}"
        );
        assert!(begun.elapsed() < Duration::from_secs(20), "{kind} {shown}: took {:?}", begun.elapsed());
    }
    let grown = memory(world, "VmHWM") - before;
    assert!(grown < GROWTH, "it grew by {grown} KiB");
    tokio::task::block_in_place(|| {
        steady.unchanged();
        steady.nothing_left();
        serves(world);
    });
}

/// A JSON patch whose every operation would double the object.
fn doubling() -> String {
    let mut patch = String::from(r#"[{"op":"add","path":"/metadata/annotations","value":{"a":"xxxxxxxxxxxxxxxx"}}"#);
    for at in 0..60 {
        let _ = write!(patch, r#",{{"op":"copy","from":"/metadata","path":"/metadata/annotations/c{at}"}}"#);
    }
    patch + "]"
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_of_absurd_length_begin_and_end() {
    let shelf = Shelf::new();
    shelf.draft("net/router", "w1");
    let world = &shelf.world;
    let steady = Steady::now(world);
    for timeout in ["0", "1", "9223372036854775807", "18446744073709551615", "99999999999999999999"] {
        let request = format!(
            "GET {REVISIONS}?watch=1&timeoutSeconds={timeout} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}\r\n",
            token()
        );
        let mut connection = tls::connect(world, None, &[b"http/1.1"]);
        connection.write_all(request.as_bytes()).expect("sent");
        let mut first = vec![0; 12];
        connection.read_exact(&mut first).expect("an answer");
        let first = String::from_utf8_lossy(&first).into_owned();
        assert!(first == "HTTP/1.1 200" || first == "HTTP/1.1 422", "timeoutSeconds={timeout}: {first}");
    }
    tokio::task::block_in_place(|| {
        steady.unchanged();
        steady.nothing_left();
        serves(world);
    });
}

fn token() -> &'static str {
    "Authorization: Bearer stoop_rea\r\n"
}

#[test]
fn streams_that_are_reset_at_once_stop_nobody() {
    let world = World::with_repository();
    let steady = Steady::now(&world);
    let before = memory(&world, "VmHWM");
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    };
    let mut flood = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 0, &[])].concat();
    for at in 0..20_000 {
        let stream = 2 * at + 1;
        // GET https://x/ by indexed headers, and its end before anybody answers.
        flood.extend(frame(1, 5, stream, &[0x82, 0x87, 0x84, 0x41, 1, b'x']));
        flood.extend(frame(3, 0, stream, &8_u32.to_be_bytes()));
    }
    for _ in 0..3 {
        let begun = Instant::now();
        let connection = tls::connect(&world, None, &[b"h2"]);
        // The server says GOAWAY or cuts the connection: it does not work through all of it for ever.
        let _ = tls::exchange(connection, &flood);
        assert!(begun.elapsed() < Duration::from_secs(30), "took {:?}", begun.elapsed());
    }
    let grown = memory(&world, "VmHWM") - before;
    assert!(grown < GROWTH, "it grew by {grown} KiB");
    steady.check();
}
