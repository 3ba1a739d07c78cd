//! The checker finds each kind of violation, and nothing in a record without one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::checker::check;
use super::{Acknowledged, After, Begin, Kind, Line, Record, Selection, Session, Shown, Watched};

fn shown(name: &str, version: u64, lifecycle: &str) -> Shown {
    Shown {
        name: name.into(),
        version,
        repository: "r".into(),
        lifecycle: lifecycle.into(),
        revision: 0,
        labels: Arc::new(BTreeMap::new()),
        commit: "c".into(),
        digest: Some(version),
    }
}

fn event(kind: Kind, name: &str, version: u64, lifecycle: &str) -> Line {
    Line::Event(kind, shown(name, version, lifecycle))
}

fn session(run: usize, begin: Begin, lines: Vec<Line>) -> Session {
    Session { run, begin, lines, expired: false }
}

fn watched(title: &str, lifecycle: Option<&str>, sessions: Vec<Session>) -> Watched {
    let selection = Selection { lifecycle: lifecycle.map(str::to_owned), ..Selection::default() };
    Watched { title: title.to_owned(), selection, sessions }
}

fn acknowledged(by: u64, after: Option<&str>, exact: bool) -> Acknowledged {
    let after = after.map(|lifecycle| After { lifecycle: lifecycle.to_owned(), commit: None, label: None });
    Acknowledged { run: 0, name: "a".into(), after, by, exact }
}

/// `a` is drafted, proposed, published; `b` is drafted and dropped; then a second run in which nothing is as loud.
fn record() -> Record {
    use Kind::{Added, Deleted, Modified};
    let all = [
        event(Added, "a", 11, "Draft"),
        event(Added, "b", 12, "Draft"),
        Line::Bookmark(12, false),
        event(Modified, "a", 13, "Proposed"),
        event(Deleted, "b", 14, "Draft"),
        event(Modified, "a", 15, "Published"),
    ];
    let drafts = vec![
        event(Added, "a", 11, "Draft"),
        event(Added, "b", 12, "Draft"),
        event(Deleted, "a", 13, "Draft"),
        event(Deleted, "b", 14, "Draft"),
        Line::Bookmark(15, false),
    ];
    let again = Begin::List(21, vec![shown("a", 15, "Published")]);
    Record {
        watchers: vec![
            watched(
                "all",
                None,
                vec![
                    session(0, Begin::List(10, Vec::new()), all[..2].to_vec()),
                    session(0, Begin::Resumed(12), all[2..].to_vec()),
                    Session { expired: true, ..session(1, Begin::Resumed(15), Vec::new()) },
                    session(1, again, vec![event(Added, "c", 22, "Draft")]),
                ],
            ),
            watched(
                "drafts",
                Some("Draft"),
                vec![
                    session(0, Begin::List(10, Vec::new()), drafts),
                    session(1, Begin::Present(true), vec![Line::Bookmark(21, true), event(Added, "c", 22, "Draft")]),
                ],
            ),
            watched(
                "late",
                None,
                vec![session(
                    1,
                    Begin::Present(false),
                    vec![event(Added, "a", 15, "Published"), event(Added, "c", 22, "Draft")],
                )],
            ),
        ],
        acknowledged: vec![
            acknowledged(11, Some("Draft"), false),
            acknowledged(13, Some("Proposed"), true),
            acknowledged(15, Some("Published"), true),
        ],
        last: vec![shown("a", 15, "Published"), shown("c", 22, "Draft")],
    }
}

/// The record with one thing changed, and what the checker says of it: each must name `fault`.
#[track_caller]
fn broken(fault: &str, change: impl FnOnce(&mut Record)) {
    let mut record = record();
    change(&mut record);
    let faults = check(&record).faults;
    assert!(faults.iter().any(|found| found.contains(fault)), "{fault:?} is not in {faults:#?}");
}

fn lines(record: &mut Record, watcher: usize, session: usize) -> &mut Vec<Line> {
    &mut record.watchers[watcher].sessions[session].lines
}

#[test]
fn a_good_record_has_no_fault() {
    let verdict = check(&record());
    assert!(verdict.faults.is_empty(), "{:#?}", verdict.faults);
    assert_eq!((verdict.found, verdict.unwatched, verdict.changes), (3, 0, 6));
}

#[test]
fn order_and_uniqueness() {
    broken("Modified of a at 13 behind 14", |record| lines(record, 0, 1).swap(1, 2));
    broken("Modified of a at 15 behind 15", |record| {
        let twice = lines(record, 0, 1)[3].clone();
        lines(record, 0, 1).push(twice);
    });
    // What came before the connection ended comes again after it.
    broken("Added of b at 12 behind 12", |record| {
        lines(record, 0, 1).insert(0, event(Kind::Added, "b", 12, "Draft"));
    });
}

#[test]
fn bookmarks() {
    broken("behind 13", |record| lines(record, 0, 1)[0] = Line::Bookmark(13, false));
    broken("a bookmark of 12 behind 15", |record| lines(record, 0, 1).push(Line::Bookmark(12, false)));
    // It runs ahead of an event that then never comes.
    broken("b at 14: Some(Deleted) was to come", |record| {
        lines(record, 1, 0).remove(3);
    });
}

#[test]
fn kinds_follow_one_another() {
    broken("Added of a at 13, that it has", |record| {
        lines(record, 0, 1)[1] = event(Kind::Added, "a", 13, "Proposed");
    });
    broken("Modified of c at 22, that it has not", |record| {
        lines(record, 0, 3)[0] = event(Kind::Modified, "c", 22, "Draft");
    });
    broken("Deleted of c at 22, that it has not", |record| {
        lines(record, 0, 3)[0] = event(Kind::Deleted, "c", 22, "Draft");
    });
    broken("among the initial events", |record| {
        lines(record, 1, 1).insert(0, event(Kind::Modified, "a", 15, "Draft"));
    });
    broken("and one is of 23", |record| lines(record, 1, 1).insert(0, event(Kind::Added, "a", 23, "Draft")));
}

#[test]
fn what_is_selected_and_nothing_else() {
    broken("a at 13 is not selected", |record| {
        lines(record, 1, 0)[2] = event(Kind::Modified, "a", 13, "Proposed");
    });
    broken("b at 12: Some(Added) was to come, and None came", |record| {
        lines(record, 1, 0).remove(1);
    });
    // A row is no part of the history.
    broken("Added of x at 14: nobody else saw it", |record| {
        let mut row = shown("x", 14, "Draft");
        row.digest = None;
        lines(record, 0, 1).remove(2);
        lines(record, 1, 0)[3] = Line::Event(Kind::Added, row);
    });
}

#[test]
fn one_truth_for_all() {
    broken("version 11 is a state of a here", |record| {
        let Line::Event(_, object) = &mut lines(record, 1, 0)[0] else { unreachable!("an event") };
        object.digest = Some(0);
    });
    broken("a went back from 15 to 14", |record| {
        record.watchers[0].sessions[3].begin = Begin::List(21, vec![shown("a", 14, "Published")]);
    });
    broken("version 22 of c is not the same in a list", |record| {
        let Line::Event(_, object) = &mut lines(record, 2, 0)[1] else { unreachable!("an event") };
        object.digest = Some(0);
    });
    broken("the list at 21 has a at 30", |record| {
        record.watchers[0].sessions[3].begin = Begin::List(21, vec![shown("a", 30, "Published")]);
    });
    broken("a became Published at 13 and was Draft before", |record| {
        lines(record, 0, 1)[1] = event(Kind::Modified, "a", 13, "Published");
    });
    broken("a went away at 16 while it was Published", |record| {
        lines(record, 0, 1).push(event(Kind::Deleted, "a", 16, "Published"));
    });
}

#[test]
fn what_was_acknowledged_is_seen() {
    broken("nobody saw what was acknowledged", |record| {
        record.acknowledged.push(acknowledged(14, Some("Draft"), true))
    });
    broken("nobody saw what was acknowledged", |record| {
        record.acknowledged.push(acknowledged(14, Some("Published"), false));
    });
    broken("nobody saw what was acknowledged", |record| {
        let mut gone = acknowledged(15, None, false);
        record.watchers[0].sessions[0].begin = Begin::List(10, vec![shown("z", 9, "Draft")]);
        gone.name = "z".into();
        record.acknowledged.push(gone);
    });
    let mut later = record();
    let mut gone = acknowledged(15, None, false);
    later.watchers[0].sessions[0].begin = Begin::List(10, vec![shown("z", 16, "Draft")]);
    gone.name = "z".into();
    later.acknowledged.push(gone);
    let faults = check(&later).faults;
    assert!(!faults.iter().any(|fault| fault.contains("nobody saw")), "the name has another life: {faults:?}");
    let mut record = record();
    record.acknowledged.push(acknowledged(99, Some("Published"), true));
    let verdict = check(&record);
    assert_eq!((verdict.faults.len(), verdict.unwatched), (0, 1), "nobody watched any more");
}

#[test]
fn the_end_is_the_list() {
    broken("what it has at the end is not the list: a: Some(15), not Some(16)", |record| {
        record.last[0] = shown("a", 16, "Published");
    });
    broken("c: Some(22), not None", |record| {
        record.last.pop();
    });
    broken("d: None, not Some(23)", |record| record.last.push(shown("d", 23, "Draft")));
}

#[test]
fn a_watcher_resumes_within_a_run() {
    broken("was answered 410 in the run that it came from", |record| {
        record.watchers[0].sessions[1].expired = true;
    });
}
