//! Tests of the comparison of two resources.

use super::*;

fn value(text: &str) -> Value {
    serde_yaml::from_str(text).expect("YAML")
}

/// Each field as a line.
fn told(old: &str, new: &str) -> Vec<String> {
    let fields = compare(&value(old), &value(new));
    let side = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    fields
        .first
        .into_iter()
        .map(|field| format!("{}: {} -> {}", field.path, side(field.old), side(field.new)))
        .collect()
}

#[test]
fn fields_are_told_with_their_paths_and_both_values() {
    for (old, new, want) in [
        ("a: 1", "a: 1", vec![]),
        ("{spec: {replicas: 1}}", "{spec: {replicas: 3}}", vec!["spec.replicas: 1 -> 3"]),
        ("a: 1", "a: '1'", vec!["a: 1 -> \"1\""]),
        ("{a: 1, b: x}", "{b: x, c: {d: 1}}", vec!["a: 1 -> -", "c: - -> {1 field}"]),
        ("{a: [1, 2, 3]}", "{a: [1, 9, 2, 3]}", vec!["a[1]: - -> 9"]),
        ("{a: [1, 2, 3]}", "{a: [1, 3]}", vec!["a[1]: 2 -> -"]),
        ("{a: [1, 2]}", "{a: [3, 4, 5]}", vec!["a[0]: 1 -> 3", "a[1]: 2 -> 4", "a[2]: - -> 5"]),
        ("{a: null}", "{a: ~, b: null}", vec!["b: - -> null"]),
        ("{app.io/x: 1}", "{app.io/x: true}", vec!["[\"app.io/x\"]: 1 -> true"]),
        ("{1: a}", "{1: b}", vec!["[1]: \"a\" -> \"b\""]),
        ("a: !x 1", "a: !y 1", vec!["a: !x 1 -> !y 1"]),
        ("- a", "b: c", vec!["(all): [1 element] -> {1 field}"]),
    ] {
        assert_eq!(told(old, new), want, "{old} / {new}");
    }
}

#[test]
fn elements_of_lists_are_matched_by_their_keys() {
    let old = "{containers: [{name: web, image: 'a:1'}, {name: log, image: b}], ports: [{port: 80, p: t}]}";
    let new = "{containers: [{name: new, image: c}, {name: web, image: 'a:2'}], ports: [{port: 80, p: u}, {port: 81}]}";
    assert_eq!(
        told(old, new),
        [
            "containers[name=log]: {2 fields} -> -",
            "containers[name=new]: - -> {2 fields}",
            "containers[name=web].image: \"a:1\" -> \"a:2\"",
            "ports[port=80].p: \"t\" -> \"u\"",
            "ports[port=81]: - -> {1 field}",
        ]
    );
    let order = told("[{name: a}, {name: b}]", "[{name: b}, {name: a}]");
    assert_eq!(order, ["(all): order a, b -> order b, a"]);
    // A name that is there twice is no key.
    assert_eq!(told("[{name: a}, {name: a}]", "[{name: a}, {name: b}]"), ["[1].name: \"a\" -> \"b\""]);
}

#[test]
fn long_values_are_shortened_around_their_difference() {
    let long = "x".repeat(500);
    let lines = told(&format!("a: {long}1{long}"), &format!("a: {long}2{long}"));
    assert!(lines[0].contains("x1x") && lines[0].contains("x2x") && lines[0].chars().count() < 150, "{lines:?}");
    let lines = told(&format!("{{? {long} : 1}}"), &format!("{{? {long} : 2}}"));
    assert!(lines[0].chars().count() < 200, "{lines:?}");
    let many: String = (0..1000).map(|at| format!("k{at}: 1\n")).collect();
    let fields = compare(&value(&many), &value(&many.replace(": 1", ": 2")));
    assert_eq!((fields.first.len(), fields.count), (100, 1000));
}

#[test]
fn of_a_secret_only_the_keys_are_told() {
    let secret = |more: &str| format!("{{apiVersion: v1, kind: Secret, {more}}}");
    for (old, new) in [
        ("data: {hunter: hunter1}", "data: {hunter: hunter2}"),
        ("stringData: {hunter: hunter1, b: c}", "stringData: {b: hunter2}"),
        ("data: hunter1", "data: hunter2"),
        ("data: {a: {hunter1: b}}", "data: {a: {hunter2: b}}"),
        ("data: [{name: hunter1}]", "data: [{name: hunter2}]"),
        ("metadata: {annotations: {last: hunter1}}", "metadata: {annotations: {last: hunter2}}"),
        ("metadata: {labels: hunter1}", "metadata: {labels: [hunter2]}"),
        ("other: hunter1", "other: {a: [hunter2]}"),
    ] {
        let lines = told(&secret(old), &secret(new)).join("\n");
        assert!(lines.contains(SECRET) && !lines.contains("hunter1") && !lines.contains("hunter2"), "{old}: {lines}");
        // Inside another resource, too.
        let list = |item: &str| format!("{{kind: List, items: [{}]}}", secret(item));
        let lines = told(&list(old), &list(new)).join("\n");
        assert!(lines.contains(SECRET) && !lines.contains("hunter1") && !lines.contains("hunter2"), "{old}: {lines}");
    }
    assert_eq!(
        told(&secret("type: a, metadata: {labels: {x: a}}"), &secret("type: b, metadata: {labels: {x: b}}")),
        ["metadata.labels.x: \"a\" -> \"b\"", "type: \"a\" -> \"b\""]
    );
    // One that becomes a Secret, or is one no more.
    let lines = told("{kind: ConfigMap, data: {a: hunter1}}", "{kind: Secret, data: {a: hunter2}}").join("\n");
    assert!(!lines.contains("hunter"), "{lines}");
}
