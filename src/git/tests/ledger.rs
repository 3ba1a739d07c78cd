//! The ledger: a chain of commits over a tree of small files.

use super::*;

fn key(digit: char) -> String {
    digit.to_string().repeat(64)
}

fn put(digit: char, content: &str) -> (String, Option<Vec<u8>>) {
    (key(digit), Some(content.as_bytes().to_vec()))
}

fn try_append(
    reader: &Reader,
    parent: Option<ObjectId>,
    edits: &[(String, Option<Vec<u8>>)],
    message: &str,
) -> Result<ObjectId, TransactError> {
    let (commit, edit) = LedgerStore::prepare(reader, parent, edits, message, person("ann", 7))?;
    transact(reader, &[edit]).map(|()| commit)
}

#[test]
fn entries_are_kept_changed_and_removed_commit_by_commit() {
    for format in FORMATS {
        let repo = Repo::new(format);
        repo.commit("refs/heads/main", 1, &[("f", "100644", "1")]);
        let store = repo.store();
        let reader = store.reader();
        assert_eq!(LedgerStore::head(&reader).expect("no ledger"), None);
        assert!(LedgerStore::read_all(&reader).expect("no entries").is_empty());
        let append =
            |parent, edits: &[_], message: &str| try_append(&reader, parent, edits, message).expect("appended");
        let first = append(None, &[put('b', "1"), put('a', "2")], "first");
        let second =
            append(Some(first), &[put('b', "changed"), (key('a'), None), put('c', "3")], "second\n\nwith a body");
        assert_eq!(LedgerStore::head(&reader).expect("a ledger"), Some(second));
        let now = LedgerStore::read_all(&reader).expect("entries");
        assert_eq!(now, [(key('b'), b"changed".to_vec()), (key('c'), b"3".to_vec())]);
        let before = LedgerStore::read_at(&reader, first).expect("entries");
        assert_eq!(before, [(key('a'), b"2".to_vec()), (key('b'), b"1".to_vec())]);
        assert_eq!(repo.git(&["log", "--format=%s|%an", "refs/stoop/ledger"]), "second|ann\nfirst|ann");
        assert_eq!(repo.git(&["show", &format!("refs/stoop/ledger:bb/{}", "b".repeat(62))]), "changed");
        let third = append(Some(second), &[(key('b'), None), (key('c'), None)], "all gone");
        assert!(LedgerStore::read_at(&reader, third).expect("entries").is_empty());
        repo.git(&["fsck", "--strict"]);
    }
}

#[test]
fn of_two_appends_after_one_parent_the_second_is_refused() {
    let repo = Repo::new("sha1");
    let store = repo.store();
    let reader = store.reader();
    let append = |parent, digit| try_append(&reader, parent, &[put(digit, "x")], "m");
    let first = append(None, 'a').expect("the first");
    let error = append(None, 'b').expect_err("there is a ledger already");
    assert!(matches!(&error, TransactError::Moved { name, .. } if name.as_str() == "refs/stoop/ledger"), "{error:?}");
    let second = append(Some(first), 'b').expect("the second");
    assert!(matches!(append(Some(first), 'c'), Err(TransactError::Moved { .. })));
    assert_eq!(LedgerStore::head(&reader).expect("a ledger"), Some(second));
    assert_eq!(LedgerStore::read_all(&reader).expect("entries").len(), 2);
}

#[test]
fn the_ledger_moves_with_other_refs_or_not_at_all() {
    let repo = Repo::new("sha1");
    let main = repo.commit("refs/heads/main", 1, &[("f", "100644", "1")]);
    let store = repo.store();
    let reader = store.reader();
    let (commit, edit) =
        LedgerStore::prepare(&reader, None, &[put('a', "x")], "m", person("ann", 7)).expect("prepared");
    assert_eq!(LedgerStore::head(&reader).expect("read"), None, "preparing moves nothing");
    let wrong = [edit.clone(), RefEdit::create(name("refs/heads/main"), main)];
    assert!(matches!(transact(&store.reader(), &wrong), Err(TransactError::Moved { .. })));
    assert_eq!(LedgerStore::head(&reader).expect("read"), None);
    transact(&store.reader(), &[edit, RefEdit::create(name("refs/tags/p/v1"), main)]).expect("made");
    assert_eq!(LedgerStore::head(&reader).expect("read"), Some(commit));
}

#[test]
fn what_is_not_an_entry_is_left_out_and_never_written() {
    let repo = Repo::new("sha1");
    let rest = "a".repeat(62);
    let good = format!("aa/{rest}");
    let (deep, link) = (format!("ab/{rest}/x"), format!("ac/{rest}"));
    let stray = [
        (good.as_str(), "100644", "1"),
        ("README", "100644", "2"),
        ("aa/short", "100644", "3"),
        (&deep, "100644", "4"),
        (&link, "120000", "5"),
    ];
    repo.commit("refs/stoop/ledger", 1, &stray);
    let store = repo.store();
    let reader = store.reader();
    assert_eq!(LedgerStore::read_all(&reader).expect("entries"), [(key('a'), b"1".to_vec())]);
    for bad in ["", "aa", &"A".repeat(64), &"g".repeat(64), &format!("../{}", "a".repeat(61))] {
        let edits = [(bad.to_owned(), Some(Vec::new()))];
        assert!(LedgerStore::prepare(&reader, None, &edits, "m", person("ann", 7)).is_err(), "{bad:?}");
    }
}
