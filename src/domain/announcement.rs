//! What Stoop moved itself, so that others can be told of it as of a push: written into the ledger, and read from it again.
//!
//! A transition's intent names these moves before any of them is made; the commit of the ledger that says it is done repeats
//! them in the last paragraph of its message. So the ledger alone says what is to be announced, and in which order:
//!
//! ```text
//! Moved-by: bob
//! Moved: 3f2a… 77b1… refs/heads/main
//! Moved: 0000… 77b1… refs/tags/net/router/v1
//! ```
//!
//! Never here: what git moved for a push, which git itself announces; and telling anybody (see `commands::announce`).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::names::UserName;
use super::oid::ObjectId;
use super::ref_plan::{Expected, RefEdit};
use super::refs::{INTERNAL, RefName};

const BY: &str = "Moved-by: ";
const AS: &str = "Moved-as: ";
const MOVED: &str = "Moved: ";

/// One ref that moved, as git tells a `post-receive` hook of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RefMove {
    old: ObjectId,
    new: ObjectId,
    name: RefName,
}

/// Why a text is no line of a `post-receive` hook.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not \"<old> <new> <ref>\"")]
pub struct InvalidMove(String);

impl RefMove {
    /// The move that an edit makes; none for one that only verifies, or of a ref that is Stoop's alone.
    pub fn of(edit: &RefEdit) -> Option<Self> {
        if edit.name.as_str().starts_with(INTERNAL) {
            return None;
        }
        let (old, new) = match (edit.expected, edit.new) {
            (Expected::Absent, Some(new)) => (new.zero_like(), new),
            (Expected::At(old), Some(new)) if old != new => (old, new),
            (Expected::At(old), None) => (old, old.zero_like()),
            (Expected::At(_), Some(_)) | (Expected::Absent, None) => return None,
        };
        Some(Self { old, new, name: edit.name.clone() })
    }
}

impl fmt::Display for RefMove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.old, self.new, self.name)
    }
}

impl FromStr for RefMove {
    type Err = InvalidMove;

    fn from_str(text: &str) -> Result<Self, InvalidMove> {
        let invalid = || InvalidMove(text.chars().take(200).collect());
        let mut words = text.splitn(3, ' ');
        let mut id = || words.next().and_then(|word| word.parse::<ObjectId>().ok()).ok_or_else(invalid);
        let (old, new) = (id()?, id()?);
        let name = words.next().and_then(|name| RefName::parse(name).ok()).ok_or_else(invalid)?;
        let alike = old.zero_like() == new.zero_like() && old != new;
        alike.then_some(Self { old, new, name }).ok_or_else(invalid)
    }
}

impl From<RefMove> for String {
    fn from(moved: RefMove) -> Self {
        moved.to_string()
    }
}

impl TryFrom<String> for RefMove {
    type Error = InvalidMove;

    fn try_from(text: String) -> Result<Self, InvalidMove> {
        text.parse()
    }
}

/// Names the moves of `edits` in `moves`, each once; whether any was not named yet.
pub fn name(moves: &mut Vec<RefMove>, edits: &[RefEdit]) -> bool {
    let before = moves.len();
    for moved in edits.iter().filter_map(RefMove::of) {
        if !moves.contains(&moved) {
            moves.push(moved);
        }
    }
    moves.len() > before
}

/// What others are told at once: the moves that one user had made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The user.
    pub by: UserName,
    /// What the Git server said of that user when it was a push, by the names of its variables.
    pub variables: BTreeMap<String, String>,
    /// The moves, in order.
    pub moves: Vec<RefMove>,
}

impl Announcement {
    /// What a `post-receive` hook reads.
    pub fn lines(&self) -> String {
        self.moves.iter().map(|moved| format!("{moved}\n")).collect()
    }
}

/// The paragraph for the end of a commit's message, with an empty line before it; empty where nothing moved. What follows
/// one another of one user becomes one announcement, as if it had been one push.
pub fn paragraph(announcements: &[Announcement]) -> String {
    let mut text = String::new();
    let mut last: Option<&Announcement> = None;
    for announcement in announcements.iter().filter(|announcement| !announcement.moves.is_empty()) {
        let same = |last: &Announcement| last.by == announcement.by && last.variables == announcement.variables;
        if !last.is_some_and(same) {
            text += &format!("{BY}{}\n", announcement.by);
            text.extend(announcement.variables.iter().map(|(name, value)| format!("{AS}{name}={value}\n")));
        }
        text.extend(announcement.moves.iter().map(|moved| format!("{MOVED}{moved}\n")));
        last = Some(announcement);
    }
    if text.is_empty() { text } else { format!("\n\n{}", text.trim_end()) }
}

/// The announcements of a commit's message: those of its last paragraph, if that is nothing but announcements.
pub fn read(message: &str) -> Vec<Announcement> {
    let last = message.trim_end().rsplit("\n\n").next().unwrap_or_default();
    let mut found: Vec<Announcement> = Vec::new();
    for line in last.lines() {
        if let Some(by) = line.strip_prefix(BY) {
            let Ok(by) = UserName::parse(by) else { return Vec::new() };
            found.push(Announcement { by, variables: BTreeMap::new(), moves: Vec::new() });
            continue;
        }
        let Some(announcement) = found.last_mut() else { return Vec::new() };
        if let Some((name, value)) = line.strip_prefix(AS).and_then(|line| line.split_once('=')) {
            announcement.variables.insert(name.to_owned(), value.to_owned());
        } else if let Some(moved) = line.strip_prefix(MOVED).and_then(|line| line.parse().ok()) {
            announcement.moves.push(moved);
        } else {
            return Vec::new();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(digit: char) -> ObjectId {
        digit.to_string().repeat(40).parse().expect("valid")
    }

    fn announcement(by: &str, edits: &[RefEdit]) -> Announcement {
        let mut moves = Vec::new();
        name(&mut moves, edits);
        Announcement { by: UserName::parse(by).expect("valid"), variables: BTreeMap::new(), moves }
    }

    fn main() -> RefName {
        RefName::parse("refs/heads/main").expect("valid")
    }

    #[test]
    fn a_move_is_what_git_would_tell() {
        let moved = |edit: RefEdit| RefMove::of(&edit).map(|moved| moved.to_string());
        let (a, b, none) = ("a".repeat(40), "b".repeat(40), "0".repeat(40));
        assert_eq!(moved(RefEdit::create(main(), oid('a'))), Some(format!("{none} {a} refs/heads/main")));
        assert_eq!(moved(RefEdit::update(main(), oid('a'), oid('b'))), Some(format!("{a} {b} refs/heads/main")));
        assert_eq!(moved(RefEdit::delete(main(), oid('b'))), Some(format!("{b} {none} refs/heads/main")));
        assert_eq!(moved(RefEdit::verify(main(), oid('a'))), None);
        assert_eq!(moved(RefEdit::create(RefName::ledger(), oid('a'))), None);
        for text in ["", "a b c", &format!("{a} {a} refs/heads/main"), &format!("{a} {b} main"), &format!("{a} {b}")] {
            assert!(text.parse::<RefMove>().is_err(), "{text}");
        }
        let longer = "c".repeat(64);
        assert!(format!("{a} {longer} refs/heads/main").parse::<RefMove>().is_err(), "two kinds of object ids");
    }

    #[test]
    fn a_message_says_what_was_written_into_it() {
        let tag = RefName::parse("refs/tags/a/v1").expect("valid");
        let first = announcement("bob", &[RefEdit::update(main(), oid('a'), oid('b'))]);
        let second = announcement("bob", &[RefEdit::create(tag.clone(), oid('b'))]);
        let nothing = announcement("ann", &[]);
        let mut third = announcement("Ann O'Nym, M.D.", &[RefEdit::delete(tag, oid('b'))]);
        third.variables.insert("GITEA_PUSHER_ID".to_owned(), "5=6".to_owned());
        let message = format!(
            "approve a w and 1 more\n\napprove b w{}",
            paragraph(&[first.clone(), second.clone(), nothing, third.clone()])
        );
        let one_push = Announcement { moves: [first.moves, second.moves].concat(), ..first };
        assert_eq!(read(&message), [one_push, third]);
        assert_eq!(paragraph(&[]), "");
    }

    #[test]
    fn what_looks_like_an_announcement_and_is_none_says_nothing() {
        let moved = format!("Moved: {} {} refs/heads/main", "a".repeat(40), "b".repeat(40));
        for message in [
            "",
            "approve a w",
            &moved,
            &format!("Moved-by: bob\n{moved}\n\napprove a w"),
            &format!("Moved-by: bob\n{moved}\nand more"),
            &format!("Moved-by: b<b\n{moved}"),
            "Moved-by: bob\nMoved: x y z",
        ] {
            assert!(read(message).is_empty(), "{message}");
        }
    }

    #[test]
    fn a_move_is_named_once() {
        let edits = [RefEdit::create(main(), oid('a')), RefEdit::verify(main(), oid('a'))];
        let mut moves = Vec::new();
        assert!(name(&mut moves, &edits) && !name(&mut moves, &edits));
        assert_eq!(moves.len(), 1);
    }
}
