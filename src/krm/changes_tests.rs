//! Tests of the comparison of two packages: examples, and what must hold for any two.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn file(path: &str, old: Option<&str>, new: Option<&str>) -> Differing {
    let content = |text: Option<&str>| text.map(|text| Content::Bytes(text.as_bytes().to_vec()));
    Differing { path: path.to_owned(), old: content(old), new: content(new), mode: false }
}

fn resource(kind: &str, name: &str, more: &str) -> String {
    format!("apiVersion: v1\nkind: {kind}\nmetadata:\n  name: {name}\n{more}\n")
}

/// The same changes seen from the other side.
fn mirrored(changes: &Changes) -> Changes {
    let turn = |fate: Fate| match fate {
        Fate::Added => Fate::Removed,
        Fate::Changed => Fate::Changed,
        Fate::Removed => Fate::Added,
    };
    let mut changes = changes.clone();
    for change in &mut changes.resources {
        change.fate = turn(change.fate);
        if let Some(from) = change.moved_from.take() {
            change.moved_from = Some(std::mem::replace(&mut change.path, from));
        }
        for field in &mut change.fields {
            std::mem::swap(&mut field.old, &mut field.new);
        }
    }
    for change in &mut changes.files {
        change.fate = turn(change.fate);
    }
    std::mem::swap(&mut changes.counts.added, &mut changes.counts.removed);
    changes
}

fn turned(files: &[Differing]) -> Vec<Differing> {
    files.iter().map(|file| Differing { old: file.new.clone(), new: file.old.clone(), ..file.clone() }).collect()
}

fn told(files: &[Differing]) -> Vec<String> {
    let changes = changes(files);
    assert_eq!(super::changes(&turned(files)), mirrored(&changes));
    let text = serde_json::to_string(&changes).expect("data");
    assert_eq!(serde_json::from_str::<Changes>(&text).expect("data"), changes);
    let resources = changes.resources.iter().map(|change| {
        let from = change.moved_from.iter().map(|from| format!(" from {from}")).collect::<String>();
        format!("{:?} {} in {}{from}, {} fields", change.fate, change.id, change.path, change.field_count)
    });
    let files = changes.files.iter().map(|change| format!("{:?} {}: {:?}", change.fate, change.path, change.why));
    resources.chain(files).collect()
}

#[test]
fn resources_are_matched_wherever_they_lie() {
    let (a, b) = (resource("A", "a", "x: 1"), resource("B", "b", "x: 1"));
    let both = format!("{a}---\n{b}");
    assert_eq!(
        told(&[file("a.yaml", None, Some(&both))]),
        ["Added A a in a.yaml, 0 fields", "Added B b in a.yaml, 0 fields"]
    );
    let changed = resource("A", "a", "x: 2");
    assert_eq!(told(&[file("a.yaml", Some(&a), Some(&changed))]), ["Changed A a in a.yaml, 1 fields"]);
    // A file is split, and one part of it changes.
    assert_eq!(
        told(&[file("a.yaml", Some(&both), Some(&b)), file("c.yaml", None, Some(&changed))]),
        ["Changed A a in c.yaml from a.yaml, 1 fields"]
    );
    assert_eq!(
        told(&[file("a.yaml", Some(&a), None), file("b.yaml", None, Some(&a))]),
        ["Changed A a in b.yaml from a.yaml, 0 fields"]
    );
    // Two that say the same of themselves: each is compared with the one in its own file.
    let files = [file("a.yaml", Some(&a), None), file("b.yaml", Some(&changed), Some(&resource("A", "a", "x: 3")))];
    assert_eq!(told(&files), ["Changed A a in b.yaml, 1 fields", "Removed A a #2 in a.yaml, 0 fields"]);
}

#[test]
fn what_holds_no_resources_is_told_of_as_a_file() {
    let a = resource("A", "a", "x: 1");
    assert_eq!(told(&[file("README.md", Some("a"), Some("b"))]), ["Changed README.md: NoResources"]);
    assert_eq!(told(&[file("t.yaml", Some(&a), Some("{{ a }}"))]), ["Changed t.yaml: NoResources"]);
    assert_eq!(told(&[file("a.yaml", Some(&a), Some(&format!("# a comment\n{a}")))]), ["Changed a.yaml: Layout"]);
    assert_eq!(told(&[file("a.yaml", Some(""), Some("# a comment\n"))]), ["Changed a.yaml: Layout"]);
    assert_eq!(told(&[file("a.yaml", None, Some("# a comment\n"))]), ["Added a.yaml: NoResources"]);
    let large = Differing { new: Some(Content::TooLarge), ..file("a.yaml", Some(&a), None) };
    assert_eq!(told(&[large]), ["Changed a.yaml: TooLarge"]);
    let link = Differing { new: Some(Content::Link), ..file("a.yaml", None, None) };
    assert_eq!(told(&[link]), ["Added a.yaml: NoResources"]);
    let executable = Differing { mode: true, ..file("a.sh", Some("x"), Some("x")) };
    assert_eq!(told(&[executable]), ["Changed a.sh: Mode"]);
    assert!(changes(&[file("a.yaml", Some(&a), Some(&a))]).is_empty());
}

#[test]
fn hostile_files_cost_little_and_are_told_of() {
    let bomb = format!("a: &a\n{}b:\n{}", "- x\n".repeat(20_000), "- *a\n".repeat(20_000));
    let long = "é".repeat(100_000);
    let texts = [
        bomb,
        "[".repeat(200_000),
        format!("{}1", "- ".repeat(100_000)),
        format!("apiVersion: v1\nkind: {long}\nmetadata: {{name: {long}}}\n"),
        (0..20_000).map(|at| format!("---\napiVersion: v1\nkind: A\nmetadata: {{name: n{at}}}\n")).collect(),
        (0..20_000).map(|_| "---\napiVersion: v1\nkind: A\n").collect(),
    ];
    for text in texts {
        let begun = Instant::now();
        let files = [file("a.yaml", Some(&resource("A", "a", "x: 1")), Some(&text))];
        let found = changes(&files);
        assert!(!found.is_empty() && found.resources.len() <= MOST_TOLD, "{text:.40}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{text:.40} took {:?}", begun.elapsed());
    }
}

/// Values as resources have them, with names so few that they meet.
fn values() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![Just("1".to_owned()), Just("x".to_owned()), Just("null".to_owned()), "[a-c]{1,3}"];
    leaf.prop_recursive(4, 40, 4, |inner| {
        let key = prop_oneof![Just("name"), Just("a"), Just("b"), Just("data"), Just("\"x.y/z\"")];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|list| format!("[{}]", list.join(", "))),
            prop::collection::btree_map(key, inner, 0..4).prop_map(|entries| {
                let entries: Vec<String> = entries.into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
                format!("{{{}}}", entries.join(", "))
            }),
        ]
    })
}

fn texts() -> impl Strategy<Value = Option<String>> {
    let kind = prop_oneof![Just("A"), Just("B"), Just("Secret")];
    let one = (kind, "[ab]", values()).prop_map(|(kind, name, value)| resource(kind, &name, &format!("spec: {value}")));
    let resources = prop::collection::vec(one, 0..4).prop_map(|all| all.join("---\n"));
    prop_oneof![1 => Just(None), 4 => resources.prop_map(Some), 1 => ".{0,40}".prop_map(Some)]
}

fn differing() -> impl Strategy<Value = Vec<Differing>> {
    let path = prop_oneof![Just("a.yaml"), Just("b.yaml"), Just("c.txt"), Just("Kptfile")];
    prop::collection::btree_map(path, (texts(), texts()), 0..4)
        .prop_map(|files| files.iter().map(|(path, (old, new))| file(path, old.as_deref(), new.as_deref())).collect())
}

proptest! {
    #[test]
    fn nothing_differs_from_itself(files in differing()) {
        let same: Vec<Differing> = files.into_iter().map(|file| Differing { new: file.old.clone(), ..file }).collect();
        prop_assert!(changes(&same).is_empty());
    }

    #[test]
    fn seen_from_the_other_side_it_is_mirrored(files in differing()) {
        prop_assert_eq!(changes(&turned(&files)), mirrored(&changes(&files)));
    }

    #[test]
    fn every_file_that_differs_is_spoken_of(files in differing()) {
        let found = changes(&files);
        prop_assert_eq!(found.counts.added + found.counts.changed + found.counts.removed, found.resources.len());
        for file in files.iter().filter(|file| file.old != file.new) {
            let of_resource = |change: &ResourceChange| change.path == file.path || change.moved_from.as_ref() == Some(&file.path);
            let told = found.resources.iter().any(of_resource) || found.files.iter().any(|change| change.path == file.path);
            prop_assert!(told, "{}", file.path);
        }
    }

    #[test]
    fn no_bytes_are_too_strange(old in prop::collection::vec(any::<u8>(), 0..200), new in prop::collection::vec(any::<u8>(), 0..200)) {
        let file = file("a.yaml", None, None);
        changes(&[Differing { old: Some(Content::Bytes(old)), new: Some(Content::Bytes(new)), ..file }]);
    }
}
