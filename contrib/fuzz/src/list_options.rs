//! The options of lists and watches, and the tokens between the pages of a list.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::input::{Input, percent_encoded};
use super::world::{Answer, get};

const COLLECTIONS: [&str; 4] = [
    "/apis/porch.kpt.dev/v1alpha1/packagerevisions",
    "/apis/porch.kpt.dev/v1alpha1/packagerevisionresources",
    "/apis/config.porch.kpt.dev/v1alpha1/repositories",
    "/api/v1/namespaces",
];

/// The first byte picks the collection and how the rest is taken: as options line by line, or as a token.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let first = input.byte();
    let collection = COLLECTIONS[usize::from(first) % 4];
    if first & 0x80 != 0 {
        return token(collection, input);
    }
    let mut pairs = Vec::new();
    while !input.is_empty() && pairs.len() < 20 {
        let Some(line) = input.text() else { return };
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        pairs.push((key, value));
    }
    let query = |pairs: &[(&str, &str)]| {
        let pairs: Vec<String> =
            pairs.iter().map(|(key, value)| format!("{}={}", percent_encoded(key), percent_encoded(value))).collect();
        format!("{collection}?{}", pairs.join("&"))
    };
    let uri = query(&pairs);
    if uri.len() > 60_000 {
        return;
    }
    let answer = get(&uri);
    if !listed(&answer) || pairs.iter().any(|(key, _)| matches!(*key, "watch" | "continue")) {
        return;
    }
    // The pages of a list are the list, whatever else was asked for.
    pairs.retain(|(key, _)| *key != "limit");
    let whole = get(&query(&pairs)).json();
    let mut names = Vec::new();
    pairs.retain(|(key, _)| !matches!(*key, "resourceVersion" | "resourceVersionMatch"));
    let mut next = String::new();
    for _ in 0..20 {
        let mut page = pairs.clone();
        page.push(("limit", "2"));
        page.push(("continue", &next));
        let answer = get(&query(&page));
        assert!(listed(&answer), "{answer:?}");
        let page = answer.json();
        names.extend(keys(&page));
        match page["metadata"]["continue"].as_str() {
            Some(more) if !more.is_empty() => next = more.to_owned(),
            _ => {
                assert_eq!(names, keys(&whole));
                return;
            }
        }
    }
    panic!("the list has no end: {names:?}");
}

/// A token of our form, wherever it points, and the same bytes as any token.
fn token(collection: &str, mut input: Input<'_>) {
    let (Some(namespace), Some(name)) = (input.text(), input.text()) else { return };
    let token = json!({"rv": u64::from(input.byte()) << 32, "ns": namespace, "name": name}).to_string();
    let whole = keys(&get(collection).json());
    let answer = get(&format!("{collection}?continue={}", URL_SAFE_NO_PAD.encode(&token)));
    if listed(&answer) {
        let key = (namespace.to_owned(), name.to_owned());
        let want: Vec<_> = whole.into_iter().filter(|item| *item > key).collect();
        assert_eq!(keys(&answer.json()), want, "{token}");
    }
    let garbage = percent_encoded(&String::from_utf8_lossy(input.rest()));
    if garbage.len() < 60_000 {
        listed(&get(&format!("{collection}?continue={garbage}")));
    }
}

/// Whether a list came; otherwise it was refused as it should be.
fn listed(answer: &Answer) -> bool {
    if answer.code == 200 {
        return answer.text.starts_with('{') && !answer.text.contains("\"type\":\"ADDED\"");
    }
    assert!(matches!(answer.code, 400 | 405 | 410 | 422), "{answer:?}");
    let status = answer.json();
    assert!(status["kind"] == "Status" && status["code"] == answer.code, "{answer:?}");
    false
}

fn keys(list: &Value) -> Vec<(String, String)> {
    let text = |item: &Value, field: &str| item["metadata"][field].as_str().unwrap_or_default().to_owned();
    list["items"].as_array().into_iter().flatten().map(|item| (text(item, "namespace"), text(item, "name"))).collect()
}
