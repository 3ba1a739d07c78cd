//! What the stub decides when the daemon does not answer: managed refs are refused, all others pass.
//!
//! Never here: guessing in favour of a change. What cannot be found out counts as managed.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::thread;

use crate::guard::{Guard, NameKind};
use crate::place::Place;
use crate::refs;
use crate::wire::{Update, is_zero};

/// The names among these updates that are managed for certain, or may be and cannot be told.
pub(crate) fn managed<'a>(place: &Place, guard: &Guard, updates: &'a [Update]) -> Vec<&'a [u8]> {
    let tags = updates.iter().filter(|update| matches!(guard.kind(&update.name), NameKind::Tag(_)));
    let current = refs::values(&place.repository, tags.map(|update| &*update.name));
    let mut questions = Vec::new();
    let mut found = Vec::new();
    for update in updates {
        match guard.kind(&update.name) {
            NameKind::Unmanaged => {}
            NameKind::Managed => found.push(&*update.name),
            NameKind::Branch if guard.guarded => found.push(&*update.name),
            NameKind::Branch => {}
            NameKind::Tag(package) => {
                let now = current.get(&*update.name).map(String::as_str);
                for value in [Some(&*update.old), Some(&*update.new), now].into_iter().flatten() {
                    if !is_zero(value) {
                        questions.push((&*update.name, [value.as_bytes(), b":", package, b"/Kptfile"].concat()));
                    }
                }
            }
        }
    }
    found.extend(with_package(place, questions));
    found.dedup();
    found
}

/// Those names whose object holds the file asked for; all of them when git cannot be asked.
fn with_package<'a>(place: &Place, questions: Vec<(&'a [u8], Vec<u8>)>) -> Vec<&'a [u8]> {
    if questions.is_empty() {
        return Vec::new();
    }
    let answers = exist(place, questions.iter().flat_map(|(_, question)| [&question[..], b"\n"].concat()).collect());
    let answers = answers.filter(|answers| answers.len() == questions.len());
    let names = questions.iter().enumerate();
    names.filter(|(at, _)| answers.as_ref().is_none_or(|answers| answers[*at])).map(|(_, (name, _))| *name).collect()
}

/// Asks `git cat-file` which of these objects exist, one a line, in the hook's own environment (so in its quarantine).
fn exist(place: &Place, questions: Vec<u8>) -> Option<Vec<bool>> {
    let mut run = Command::new("git");
    run.args(["cat-file", "--batch-check=%(objecttype)"])
        // A pushed replacement must not hide a Kptfile from this question.
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if std::env::var_os("GIT_DIR").is_none() {
        run.env("GIT_DIR", &place.repository);
    }
    let mut child = run.spawn().ok()?;
    let (mut input, output) = (child.stdin.take()?, child.stdout.take()?);
    let writer = thread::Builder::new().spawn(move || input.write_all(&questions)).ok()?;
    let mut answers = Vec::new();
    for line in BufReader::new(output.take(256 << 20)).split(b'\n') {
        let line = line.ok()?;
        answers.push(matches!(&*line, b"blob" | b"tree" | b"commit" | b"tag"));
    }
    writer.join().ok()?.ok()?;
    child.wait().ok()?.success().then_some(answers)
}

/// The one sentence for refs that cannot be changed while the daemon does not answer; `None` if there are none.
pub(crate) fn sentence(names: &[&[u8]]) -> Option<String> {
    let (first, others) = names.split_first()?;
    let first = String::from_utf8_lossy(first);
    let refs = match others.len() {
        0 => first.into_owned(),
        1 => format!("{first} and another ref"),
        count => format!("{first} and {count} other refs"),
    };
    Some(format!(
        "Stoop is not running, so {refs} cannot be changed now; ask the administrator of this Git server to start it \
         (stoop serve), then push again."
    ))
}
