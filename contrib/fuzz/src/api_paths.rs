//! The API as a whole: any method, path, query, headers and body.

use axum::body::Body;
use axum::http::Request;
use serde_json::Value;

use super::input::Input;
use super::world::{ADMIN, Answer, Asked, send};

/// The input is `METHOD target`, headers line by line, an empty line, and the body.
pub fn run(data: &[u8]) {
    let Some(request) = read(data) else { return };
    let stranger = read(data).expect("the same bytes read the same");
    let path = request.uri().path().to_owned();
    let head = request.method() == "HEAD";

    let (answer, asked) = send(request, Some(&ADMIN));
    assert!(answer.text.len() < 1 << 20, "an answer is about as large as what it tells");
    assert!(answer.code < 500, "{answer:?}");
    let decoded = decoded(&path);
    match asked.as_slice() {
        [] => {}
        [one] => {
            let (namespace, name) = match one {
                Asked::Update(update) => (&update.namespace, &update.name),
                Asked::Remove(removal) => (&removal.namespace, &removal.name),
            };
            assert!(decoded.contains(&format!("/namespaces/{namespace}/packagerevisions/{name}")), "{path}");
        }
        more => panic!("one request changes one object: {more:?}"),
    }
    if !head {
        shape(&path, &answer);
    }

    let (answer, asked) = send(stranger, None);
    assert!(asked.is_empty());
    let open = ["/healthz", "/livez", "/readyz", "/version"].iter().any(|open| path.starts_with(open));
    assert!(answer.code == 401 || open, "{path} answers a stranger: {answer:?}");
    assert!(!answer.text.contains("blueprints") || decoded.contains("blueprints"), "{answer:?}");
}

/// Reads a request; `None` for what no HTTP server would hand on.
pub fn read(data: &[u8]) -> Option<Request<Body>> {
    let mut input = Input::new(data);
    let (method, target) = input.text()?.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target);
    loop {
        let line = input.line();
        if line.is_empty() {
            break;
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        request = request.header(&line[..colon], line[colon + 1..].trim_ascii());
    }
    let request = request.body(Body::from(input.rest().to_vec())).ok()?;
    request.uri().path().starts_with('/').then_some(request)
}

/// Percent encoding undone, as well as it goes.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Every refusal under `/api` and `/apis` is a Status that repeats its code and says something.
fn shape(path: &str, answer: &Answer) {
    if answer.code < 400 || !path.starts_with("/api") {
        return;
    }
    let status: Value = answer.json();
    assert_eq!(status["kind"], "Status", "{answer:?}");
    assert_eq!(status["code"], answer.code, "{answer:?}");
    assert_eq!(status["status"], "Failure", "{answer:?}");
    assert!(status["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer:?}");
}
