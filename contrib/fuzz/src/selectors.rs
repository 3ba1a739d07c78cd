//! Label and field selectors, sent with a list: as any text, and as selectors made from the input, whose meaning is known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::Value;

use super::input::{Input, percent_encoded};
use super::world::{REVISIONS, get};

/// What a label's requirement asks; written by `written`, meant as in `means`.
#[derive(Debug)]
enum Requirement {
    Equal(String, String),
    Different(String, String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Missing(String),
}

type Labels = BTreeMap<String, String>;

/// Every object's name with its labels.
static OBJECTS: LazyLock<BTreeMap<String, Labels>> = LazyLock::new(|| {
    let items = get(REVISIONS).json()["items"].as_array().cloned().unwrap_or_default();
    let labels = |item: &Value| serde_json::from_value(item["metadata"]["labels"].clone()).unwrap_or_default();
    items.iter().map(|item| (name(item), labels(item))).collect()
});

/// The first byte says which kind of selector the rest is.
pub fn run(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    match (first % 3, std::str::from_utf8(rest)) {
        (0, Ok(text)) => any("labelSelector", text, "tier=stable"),
        (1, Ok(text)) => any("fieldSelector", text, "spec.lifecycle=Published"),
        (2, _) => made(Input::new(rest)),
        _ => {}
    }
}

/// A text is refused with a sentence, or it means the same however it is put.
fn any(option: &str, text: &str, other: &str) {
    let Some(found) = select(option, text) else { return };
    if text.trim().trim_matches(',').is_empty() {
        return;
    }
    let both: BTreeSet<String> =
        found.intersection(&select(option, other).expect("a good selector")).cloned().collect();
    for (again, want) in [
        (format!(" {text} "), &found),
        (format!("{text},{text}"), &found),
        (format!("{text},{other}"), &both),
        (format!("{other}, {text}"), &both),
    ] {
        assert_eq!(select(option, &again).as_ref(), Some(want), "{option} {again:?}");
    }
}

fn made(mut input: Input<'_>) {
    let mut requirements = Vec::new();
    let mut text = String::new();
    while !input.is_empty() && requirements.len() < 8 {
        let requirement = requirement(&mut input);
        if !requirements.is_empty() {
            text.push_str(input.pick(&[",", " , ", "\t,"]));
        }
        text.push_str(&written(&requirement, input.pick(&["", " ", "  "])));
        requirements.push(requirement);
    }
    let want = OBJECTS.iter().filter(|(_, labels)| requirements.iter().all(|one| means(one, labels)));
    let want: BTreeSet<String> = want.map(|(name, _)| name.clone()).collect();
    assert_eq!(select("labelSelector", &text), Some(want), "{text:?}");
}

fn requirement(input: &mut Input<'_>) -> Requirement {
    const KEYS: [&str; 7] = ["tier", "empty", "kpt.dev/latest-revision", "nope", "in", "notin", "a.b-c/D_e"];
    const VALUES: [&str; 7] = ["stable", "moving", "true", "", "in", "notin", "x-1.y_Z"];
    let key = input.pick(&KEYS).to_owned();
    let value = |input: &mut Input<'_>| input.pick(&VALUES).to_owned();
    let values = |input: &mut Input<'_>| (0..=input.byte() % 4).map(|_| value(input)).collect();
    match input.byte() % 6 {
        0 => Requirement::Equal(key, value(input)),
        1 => Requirement::Different(key, value(input)),
        2 => Requirement::In(key, values(input)),
        3 => Requirement::NotIn(key, values(input)),
        4 => Requirement::Exists(key),
        _ => Requirement::Missing(key),
    }
}

fn written(requirement: &Requirement, gap: &str) -> String {
    let list = |values: &[String]| values.join(&format!("{gap},{gap}"));
    match requirement {
        Requirement::Equal(key, value) if gap.is_empty() => format!("{key}={value}"),
        Requirement::Equal(key, value) => format!("{key}{gap}=={gap}{value}"),
        Requirement::Different(key, value) => format!("{key}{gap}!={gap}{value}"),
        Requirement::In(key, values) => format!("{key} in{gap}({gap}{}{gap})", list(values)),
        Requirement::NotIn(key, values) => format!("{key} notin{gap}({})", list(values)),
        Requirement::Exists(key) => format!("{gap}{key}{gap}"),
        Requirement::Missing(key) => format!("!{gap}{key}"),
    }
}

fn means(requirement: &Requirement, labels: &Labels) -> bool {
    match requirement {
        Requirement::Equal(key, value) => labels.get(key) == Some(value),
        Requirement::Different(key, value) => labels.get(key) != Some(value),
        Requirement::In(key, values) => labels.get(key).is_some_and(|have| values.contains(have)),
        Requirement::NotIn(key, values) => !labels.get(key).is_some_and(|have| values.contains(have)),
        Requirement::Exists(key) => labels.contains_key(key),
        Requirement::Missing(key) => !labels.contains_key(key),
    }
}

/// The names of the objects selected; `None` when the selector is refused, which must be said well.
fn select(option: &str, selector: &str) -> Option<BTreeSet<String>> {
    let encoded = percent_encoded(selector);
    if encoded.len() > 60_000 {
        return None;
    }
    let answer = get(&format!("{REVISIONS}?{option}={encoded}"));
    if answer.code == 400 {
        let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
        assert!(!message.is_empty() && message.len() < 300 + 24 * selector.len(), "{message}");
        return None;
    }
    assert_eq!(answer.code, 200, "{answer:?}");
    Some(answer.json()["items"].as_array().into_iter().flatten().map(name).collect())
}

fn name(item: &Value) -> String {
    item["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}
