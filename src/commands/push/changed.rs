//! The lines of a reply that say what differs: one for each resource, below it one for each field.
//!
//! Never here: comparing (see `krm::changes`), and how many of the lines there is room for (see `fit`).

use super::fit::Item;
use crate::krm::changes::{Changes, Fate, FileChange, ResourceChange, Why};
use crate::krm::fields::FieldChange;
use crate::krm::shown;

/// So wide is a line that names what was pushed.
const WIDTH: usize = 140;

/// How much differs, as the end of a sentence.
pub fn summary(changes: &Changes) -> String {
    let counts = &changes.counts;
    let noun = |count: usize, what: &str, noun: &str| {
        (count > 0).then(|| format!("{count} {noun}{} {what}", if count == 1 { "" } else { "s" }))
    };
    let mut parts: Vec<String> = Vec::new();
    for (count, what) in [(counts.changed, "changed"), (counts.added, "added"), (counts.removed, "removed")] {
        // The noun is said once.
        let part = if parts.is_empty() {
            noun(count, what, "resource")
        } else {
            (count > 0).then(|| format!("{count} {what}"))
        };
        parts.extend(part);
    }
    match counts.files {
        0 => {}
        1 => parts.push("1 other file".to_owned()),
        many => parts.push(format!("{many} other files")),
    }
    if parts.is_empty() { "nothing differs".to_owned() } else { parts.join(", ") }
}

/// What differs, to be fitted into a reply: resources before files, and first what changed, since that is most easily missed.
pub fn items(changes: &Changes) -> Vec<Item> {
    let order = [Fate::Changed, Fate::Removed, Fate::Added];
    let resources = order.iter().flat_map(|fate| changes.resources.iter().filter(move |change| change.fate == *fate));
    let files = order.iter().flat_map(|fate| changes.files.iter().filter(move |change| change.fate == *fate));
    resources.map(of_resource).chain(files.map(of_file)).collect()
}

/// How many things differ beyond those that are told one by one.
pub fn beyond(changes: &Changes) -> usize {
    let counts = &changes.counts;
    (counts.added + counts.changed + counts.removed + counts.files) - changes.resources.len() - changes.files.len()
}

fn sign(fate: Fate) -> char {
    match fate {
        Fate::Added => '+',
        Fate::Changed => '~',
        Fate::Removed => '-',
    }
}

fn of_resource(change: &ResourceChange) -> Item {
    let place = match &change.moved_from {
        Some(from) => format!("{}, was in {from}", change.path),
        None => change.path.clone(),
    };
    let line = shown::line(&format!("{} {} ({place})", sign(change.fate), change.id), WIDTH);
    Item { line, below: change.fields.iter().map(field).collect(), count_below: change.field_count }
}

fn field(field: &FieldChange) -> String {
    let line = match (&field.old, &field.new) {
        (Some(old), Some(new)) => format!("{}: {old} -> {new}", field.path),
        (None, Some(new)) => format!("+ {}: {new}", field.path),
        (Some(old), None) => format!("- {}: {old}", field.path),
        (None, None) => field.path.clone(),
    };
    shown::line(&line, WIDTH + 40)
}

fn of_file(change: &FileChange) -> Item {
    let why = match change.why {
        Why::NoResources => "",
        Why::TooLarge => ", too large to be compared",
        Why::Layout => ", only comments, order or layout",
        Why::Mode => ", only its mode",
    };
    let path = shown::line(&change.path, WIDTH - 40);
    Item { line: format!("{} file {path}{why}", sign(change.fate)), below: Vec::new(), count_below: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::krm::changes::{Content, Differing, changes};

    #[test]
    fn nothing_of_a_stranger_reaches_the_terminal() {
        let evil = "\u{1b}]0;owned\u{7}\u{202e}";
        let resource = |value: &str| {
            let value = serde_json::to_string(value).expect("JSON");
            let evil = serde_json::to_string(evil).expect("JSON");
            let text = format!(
                "apiVersion: {evil}\nkind: {evil}\nmetadata: {{name: {evil}, namespace: {evil}}}\n{evil}: [{{name: {evil}, a: {value}}}]\n"
            );
            Some(Content::Bytes(text.into_bytes()))
        };
        let file = |path: &str, old, new| Differing { path: path.to_owned(), old, new, mode: false };
        let changes = changes(&[
            file(&format!("{evil}.yaml"), resource(evil), resource(&format!("{evil}2"))),
            file(&format!("{evil}.txt"), None, Some(Content::TooLarge)),
        ]);
        let items = items(&changes);
        assert_eq!((items.len(), items[0].below.len(), beyond(&changes)), (2, 1, 0));
        for line in items.iter().flat_map(|item| item.below.iter().chain([&item.line])) {
            assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{line:?}");
            assert!(line.contains("\\u{1b}]0;owned"), "{line}");
            assert!(line.chars().count() <= WIDTH + 40, "{line}");
        }
        assert_eq!(summary(&changes), "1 resource changed, 1 other file");
        assert_eq!(summary(&Changes::default()), "nothing differs");
    }
}
