//! Writing objects; git must find them sound.

use super::*;

#[test]
fn packages_are_put_replaced_and_removed() {
    for format in FORMATS {
        let repo = Repo::new(format);
        let files: &[(&str, &str, &str)] = &[
            ("a/b/c/Kptfile", "100644", "1"),
            ("a/run.sh", "100755", "#!"),
            ("a/b.txt", "120000", "x"),
            ("z", "100644", "z"),
        ];
        let main = repo.commit("refs/heads/main", 1, files);
        let reader = repo.store().reader();
        let root = reader.commit(main).expect("a commit").tree;
        let put = |root, at: &str, tree| reader.replace_subtree(root, &path(at), tree).expect("replaced");
        let list = |tree: ObjectId| repo.git(&["ls-tree", "-r", "--name-only", &tree.to_string()]).replace('\n', " ");

        let blob = reader.write_blob(b"content").expect("written");
        assert_eq!(repo.git(&["cat-file", "blob", &blob.to_string()]), "content");
        let package = reader
            .edit_tree(None, &[("Kptfile".into(), Some(blob)), ("d/x.yaml".into(), Some(blob))])
            .expect("written");

        let with = put(root, "a/b/new", Some(package));
        assert_eq!(list(with), "a/b.txt a/b/c/Kptfile a/b/new/Kptfile a/b/new/d/x.yaml a/run.sh z");
        assert_eq!(put(with, "a/b/new", None), root, "putting and removing gives the same tree");
        assert_eq!(put(root, "nowhere/at/all", None), root);
        assert_eq!(list(put(root, "a/b/c", None)), "a/b.txt a/run.sh z");
        assert_eq!(list(put(root, "a/b/c", Some(reader.empty_tree()))), "a/b.txt a/run.sh z");
        assert_eq!(list(put(root, "a/b/c", Some(package))), "a/b.txt a/b/c/Kptfile a/b/c/d/x.yaml a/run.sh z");
        assert_eq!(list(put(reader.empty_tree(), "p", Some(package))), "p/Kptfile p/d/x.yaml");
        let only = put(reader.empty_tree(), "p/q", Some(package));
        assert_eq!(put(only, "p/q", None), reader.empty_tree());
        for blocked in ["z", "z/below", "a/run.sh/p"] {
            let error = reader.replace_subtree(root, &path(blocked), Some(package)).expect_err("a file is there");
            assert!(matches!(error, GitError::NotADirectory { .. }), "{error}");
        }

        let commit = NewCommit {
            tree: with,
            parents: &[main],
            author: person("ann", 1_700_000_000),
            committer: person("bob", 1_700_000_001),
            message: "subject\n\nkpt:{\"a\":1}",
        };
        let commit = reader.write_commit(&commit).expect("written");
        repo.git(&["update-ref", "refs/heads/new", &commit.to_string()]);
        repo.git(&["fsck", "--strict"]);
        let raw = repo.git(&["cat-file", "commit", "new"]);
        let want = format!(
            "tree {with}\nparent {main}\nauthor ann <ann@example.com> 1700000000 -0100\ncommitter bob <bob@example.com> 1700000001 -0100\n\nsubject\n\nkpt:{{\"a\":1}}"
        );
        assert_eq!(raw, want);
        assert_eq!(reader.commit(commit).expect("read back").author, person("ann", 1_700_000_000));
    }
}

#[test]
fn what_would_break_an_object_is_refused() {
    let repo = Repo::new("sha1");
    let reader = repo.store().reader();
    let blob = reader.write_blob(b"x").expect("written");
    for bad in ["", "a//b", "../x", "a/../b", ".git/config", "a/.GIT/x", "/abs", "a/", "."] {
        assert!(reader.edit_tree(None, &[(bad.to_owned(), Some(blob))]).is_err(), "{bad:?}");
    }
    let write = |name: &str, email: &str, message: &str| {
        let who = Person { name: name.into(), email: email.into(), seconds: 1, offset_seconds: 0 };
        let tree = reader.empty_tree();
        reader.write_commit(&NewCommit { tree, parents: &[], author: who.clone(), committer: who, message })
    };
    assert!(write("ann", "ann@x", "m").is_ok());
    for (name, email, message) in [("a\nparent x", "e", "m"), ("a<b", "e", "m"), ("a", "e>\n", "m"), ("a", "e", "m\0")]
    {
        assert!(
            matches!(write(name, email, message), Err(GitError::Unwritable { .. })),
            "{name:?} {email:?} {message:?}"
        );
    }
}

#[test]
fn writing_what_is_there_keeps_it_from_the_next_gc() {
    let repo = Repo::new("sha1");
    let reader = repo.store().reader();
    let blob = reader.write_blob(b"old").expect("written");
    let hex = blob.to_string();
    let file = repo.path.join("objects").join(&hex[..2]).join(&hex[2..]);
    let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    std::fs::File::open(&file).and_then(|open| open.set_modified(long_ago)).expect("made old");
    assert_eq!(reader.write_blob(b"old").expect("written again"), blob);
    repo.git(&["prune", "--expire=2.weeks.ago"]);
    assert!(reader.exists(blob).expect("looked up"));
    assert!(file.exists());
}

#[test]
fn editing_a_tree_puts_and_removes_files_and_keeps_the_rest() {
    let repo = Repo::new("sha1");
    let main = repo.commit(
        "refs/heads/main",
        1,
        &[("ab/one", "100755", "1"), ("ab/two", "100644", "2"), ("cd/x", "100644", "3")],
    );
    let reader = repo.store().reader();
    let tree = reader.commit(main).expect("a commit").tree;
    let blob = reader.write_blob(b"new").expect("written");
    let edits = [
        ("ab/two".to_owned(), None),
        ("cd/x".to_owned(), None),
        ("ef/y".to_owned(), Some(blob)),
        ("no/thing".to_owned(), None),
    ];
    let edited = reader.edit_tree(Some(tree), &edits).expect("edited");
    let one = repo.id("main:ab/one");
    assert_eq!(
        repo.git(&["ls-tree", "-r", &edited.to_string()]),
        format!("100755 blob {one}\tab/one\n100644 blob {blob}\tef/y")
    );
    assert_eq!(reader.edit_tree(Some(tree), &[]).expect("edited"), tree);
}
