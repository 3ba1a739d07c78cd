//! Commits that strangers push: the object itself, and the `kpt:` lines in its message.

use stoop::domain::annotation::{self, Annotation};
use stoop::domain::names::{PackagePath, Workspace};
use stoop::domain::oid::ObjectId;
use stoop::domain::refs::RevisionNumber;
use stoop::domain::timestamp::Micros;
use stoop::git::Commit;

use super::input::Input;

/// The input is a commit object, a message, and two lines of names.
pub fn run(data: &[u8]) {
    object(data);
    message(&String::from_utf8_lossy(data));
    let mut input = Input::new(data);
    if let (Some(package), Some(workspace)) = (input.text(), input.text()) {
        approval(package, workspace, i64::from(input.byte()));
    }
}

fn object(data: &[u8]) {
    for digits in [40, 64] {
        let id: ObjectId = "a".repeat(digits).parse().expect("an id");
        let Ok(commit) = Commit::parse(id, data) else { continue };
        assert_eq!(commit.id, id);
        for other in commit.parents.iter().chain([&commit.tree]) {
            assert_eq!(other.as_bytes().len(), id.as_bytes().len(), "one repository has one hash");
        }
        assert!(commit.parents.len() <= data.len() / digits);
        for person in [&commit.author, &commit.committer] {
            assert!(!person.name.contains('\n') && !person.email.contains('\n'));
            assert!(person.offset_seconds.abs() <= 1_000 * 3_600 + 99 * 60, "no more than five characters say");
            // Shown as a time, whatever the number.
            assert!(Micros::from_seconds(person.seconds).to_string().ends_with('Z'));
        }
        message(&commit.message);
    }
}

fn message(text: &str) {
    let read = annotation::read(text);
    let lines = text.lines().filter(|line| line.trim().starts_with("kpt:")).count();
    assert!(read.len() <= lines);
    assert_eq!(annotation::has_unreadable(text), read.len() < lines, "every line is either read or told of");
    let task = annotation::pick_task(read.iter());
    assert_eq!(task.is_some(), read.iter().any(|line| line.shown_task().is_some()));
    for line in &read {
        let written = serde_json::to_string(line).expect("a line can be written");
        let again = annotation::read(&format!("subject\n\nkpt:{written}\n"));
        assert_eq!(again.len(), 1);
        let same = |a: &Annotation, b: &Annotation| {
            (&a.package, &a.workspace_name, &a.revision) == (&b.package, &b.workspace_name, &b.revision)
        };
        assert!(same(&again[0], line));
    }
}

/// What an approval writes names its own revision and nothing else, whatever the names are.
fn approval(package: &str, workspace: &str, number: i64) {
    let (Ok(package), Ok(workspace)) = (PackagePath::parse(package), Workspace::parse(workspace)) else { return };
    let text = annotation::approval_message(&package, &workspace, RevisionNumber(number));
    let read = annotation::read(&text);
    assert!(read.len() == 1 && !annotation::has_unreadable(&text), "{text}");
    assert!(read[0].names(&package, &workspace));
    assert_eq!((read[0].revision.as_str(), read[0].task.as_ref()), (number.to_string().as_str(), None));
    assert_eq!(annotation::read(&annotation::deletion_message(&package)), []);
}
