//! Reading objects and trees, and comparing trees.

use super::*;

const FILES: &[(&str, &str, &str)] = &[
    ("Readme", "100644", "r"),
    ("a/Kptfile", "100644", "kind: Kptfile"),
    ("a/sub/Kptfile", "100644", "kind: Kptfile"),
    ("a/run.sh", "100755", "#!"),
    ("a/link", "120000", "run.sh"),
    ("a-b/Kptfile", "100644", "k"),
    ("deep/er/pkg/Kptfile", "100755", "k"),
    ("deep/er/pkg/x/y/z.yaml", "100644", "k"),
    ("deep/link/Kptfile", "120000", "../er/pkg/Kptfile"),
    ("deep/file/Kptfile/x", "100644", "a directory named Kptfile"),
    ("it's/bad/Kptfile", "100644", "k"),
];

fn names(packages: &[(PackagePath, ObjectId)]) -> Vec<&str> {
    packages.iter().map(|(path, _)| path.as_str()).collect()
}

#[test]
fn packages_and_their_trees_are_found() {
    for format in FORMATS {
        let repo = Repo::new(format);
        let main = repo.commit("refs/heads/main", 1, FILES);
        repo.commit("refs/heads/rooted", 1, &[("Kptfile", "100644", "k"), ("p/Kptfile", "100644", "k")]);
        let reader = repo.store().reader();
        let root = reader.commit(main).expect("a commit").tree;
        let below =
            |directory: &str| reader.packages_below(root, &Directory::parse(directory).expect("valid")).expect("read");
        assert_eq!(names(&below("/")), ["a", "a-b", "deep/er/pkg"]);
        assert_eq!(names(&below("deep")), ["deep/er/pkg"]);
        assert_eq!(names(&below("deep/er/pkg")), ["deep/er/pkg"]);
        assert_eq!(names(&below("nowhere")), Vec::<&str>::new());
        assert_eq!(names(&below("Readme")), Vec::<&str>::new());
        for (path, tree) in below("/") {
            assert_eq!(tree, repo.id(&format!("main:{path}")));
            assert_eq!(reader.subtree(root, &path).expect("read"), Some(tree));
            assert!(reader.is_package(tree).expect("read"));
        }
        let at = |text: &str| reader.subtree(root, &path(text)).expect("read");
        assert_eq!(at("a/run.sh"), None);
        assert_eq!(at("a/link"), None);
        assert_eq!(at("a/nothing"), None);
        assert!(!reader.is_package(at("deep/link").expect("there")).expect("read"), "a link is no Kptfile");
        assert!(!reader.is_package(at("deep/file").expect("there")).expect("read"));
        assert_eq!(reader.kptfile(at("a").expect("there")).expect("read").as_deref(), Some(&b"kind: Kptfile"[..]));
        assert_eq!(reader.kptfile(root).expect("read"), None);
        // A Kptfile in the root makes no package: it would have no name. Those below count.
        let rooted = reader.commit(repo.id("rooted")).expect("a commit").tree;
        assert_eq!(names(&reader.packages_below(rooted, &Directory::default()).expect("read")), ["p"]);
    }
}

#[test]
fn files_are_gits_with_modes() {
    let repo = Repo::new("sha1");
    let main = repo.commit("refs/heads/main", 1, FILES);
    let tree = repo.git_with(
        &["mktree", "--missing"],
        format!("160000 commit {main}\tmodule\n040000 tree {}\tz\n", repo.id("main^{tree}")).as_bytes(),
    );
    let reader = repo.store().reader();
    let tree: ObjectId = tree.parse().expect("an id");
    let ours: Vec<String> = reader
        .files(tree)
        .expect("files")
        .into_iter()
        .map(|file| {
            let (mode, kind) = match file.mode {
                Mode::Regular => ("100644", "blob"),
                Mode::Executable => ("100755", "blob"),
                Mode::Symlink => ("120000", "blob"),
                Mode::Submodule => ("160000", "commit"),
            };
            assert!(file.exact);
            format!("{mode} {kind} {}\t{}", file.id, file.path)
        })
        .collect();
    let mut gits: Vec<String> = repo.git(&["ls-tree", "-r", &tree.to_string()]).lines().map(str::to_owned).collect();
    gits.sort_by(|a, b| a.split('\t').next_back().cmp(&b.split('\t').next_back()));
    assert_eq!(ours, gits);
    assert_eq!(reader.file_count(tree).expect("counted"), gits.len());
}

#[test]
fn names_that_are_not_utf8_are_shown_escaped() {
    let repo = Repo::new("sha1");
    let blob = repo.blob(b"x");
    let input = [
        format!("100644 blob {blob}\tb\\").as_bytes(),
        b"caf\xe9.yaml\n",
        format!("100644 blob {blob}\tok\n").as_bytes(),
    ]
    .concat();
    let tree: ObjectId = repo.git_with(&["mktree"], &input).parse().expect("an id");
    let reader = repo.store().reader();
    let files: Vec<_> = reader.files(tree).expect("files").into_iter().map(|file| (file.path, file.exact)).collect();
    assert_eq!(files, [("b\\caf\\xe9.yaml".to_owned(), false), ("ok".to_owned(), true)]);
    assert_eq!(reader.changed_paths(None, Some(tree), 9).expect("changes"), ["b\\caf\\xe9.yaml", "ok"]);
}

#[test]
fn objects_of_another_kind_size_or_repository_are_named() {
    let repo = Repo::new("sha1");
    let main =
        repo.commit("refs/heads/main", 1, &[("f", "100644", "12345"), ("Kptfile", "100644", &"x".repeat(1 << 20 | 1))]);
    let reader = repo.store().reader();
    let tree = reader.commit(main).expect("a commit").tree;
    let file = repo.id("main:f");
    assert_eq!(reader.blob(file, 5).expect("fits"), b"12345");
    assert!(matches!(reader.blob(file, 4), Err(GitError::TooLarge { size: 5, limit: 4, .. })));
    assert_eq!(reader.blob_size(file).expect("size"), 5);
    assert!(matches!(reader.kptfile(tree), Err(GitError::TooLarge { .. })));
    assert!(matches!(reader.blob(tree, 99), Err(GitError::WrongKind { wanted: "blob", .. })));
    assert!(matches!(reader.commit(tree), Err(GitError::WrongKind { wanted: "commit", .. })));
    assert!(matches!(reader.files(main), Err(GitError::WrongKind { wanted: "tree", .. })));
    for id in ["a".repeat(40), "a".repeat(64), "0".repeat(40)] {
        let id: ObjectId = id.parse().expect("an id");
        assert!(matches!(reader.commit(id), Err(GitError::Missing { .. })));
        assert!(!reader.exists(id).expect("looked up"));
    }
    assert_eq!(reader.files(reader.empty_tree()).expect("the empty tree"), []);
}

#[test]
fn a_tree_that_stands_for_billions_of_files_is_refused() {
    let repo = Repo::new("sha1");
    let blob = repo.blob(b"x");
    let mut tree = repo.tree(&(0..10).map(|at| format!("100644 blob {blob}\tf{at}\n")).collect::<String>());
    let mut directories = repo.tree("");
    for _ in 0..9 {
        tree = repo.tree(&(0..10).map(|at| format!("040000 tree {tree}\td{at}\n")).collect::<String>());
        directories = repo.tree(&(0..10).map(|at| format!("040000 tree {directories}\td{at}\n")).collect::<String>());
    }
    let reader = repo.store().reader();
    let everywhere = Directory::default();
    assert!(matches!(reader.files(tree), Err(GitError::TooMany { what: "files", .. })));
    assert!(matches!(reader.changed_paths(None, Some(tree), 1000), Err(GitError::TooMany { limit: 1000, .. })));
    assert!(matches!(reader.file_count(directories), Err(GitError::TooMany { what: "directories", .. })));
    assert!(matches!(reader.packages_below(directories, &everywhere), Err(GitError::TooMany { .. })));
    assert!(matches!(reader.changed_paths(None, Some(directories), 1000), Err(GitError::TooMany { .. })));
}

#[test]
fn changed_paths_are_those_of_diff_tree() {
    for format in FORMATS {
        let repo = Repo::new(format);
        let old = repo.commit("refs/heads/main", 1, FILES);
        let changes: &[(&str, &str, &str)] = &[
            ("Readme", "100755", "r"),
            ("a/Kptfile", "100644", "changed"),
            ("a/link", "120000", "elsewhere"),
            ("a/run.sh/now-a-directory", "100644", "x"),
            ("a.txt", "100644", "sorts between a and a/"),
            ("deep/er/pkg", "100644", "now a file"),
            ("new/one", "100644", "n"),
        ];
        let new = repo.commit("refs/heads/main", 2, changes);
        repo.git(&[
            "update-ref",
            "refs/heads/empty",
            &repo.git(&["commit-tree", "-m", "m", &repo.tree("").to_string()]),
        ]);
        let reader = repo.store().reader();
        let tree = |id| reader.commit(id).expect("a commit").tree;
        let check = |old: ObjectId, new: ObjectId| {
            let arguments = ["diff-tree", "-r", "--no-renames", "--name-only", &old.to_string(), &new.to_string()]
                .map(str::to_owned);
            let mut gits: Vec<String> =
                repo.git(&arguments.each_ref().map(String::as_str)).lines().map(str::to_owned).collect();
            gits.sort();
            gits.dedup();
            assert_eq!(reader.changed_paths(Some(old), Some(new), 99).expect("changes"), gits);
        };
        check(tree(old), tree(new));
        check(tree(new), tree(old));
        check(tree(old), tree(old));
        check(tree(repo.id("empty")), tree(new));
        let all: Vec<String> = reader.files(tree(new)).expect("files").into_iter().map(|file| file.path).collect();
        assert_eq!(reader.changed_paths(None, Some(tree(new)), 99).expect("changes"), all);
        assert_eq!(reader.changed_paths(Some(tree(new)), None, 99).expect("changes"), all);
        assert!(matches!(reader.changed_paths(None, Some(tree(new)), 3), Err(GitError::TooMany { limit: 3, .. })));
    }
}

#[test]
fn trees_that_say_two_things_are_refused() {
    let repo = Repo::new("sha1");
    let blob = repo.blob(b"x");
    let sub = repo.tree(&format!("100644 blob {blob}\tf\n"));
    let reader = repo.store().reader();
    let raw = |entries: &[(&str, &str, ObjectId)]| -> ObjectId {
        let mut content = Vec::new();
        for (mode, name, id) in entries {
            content.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            content.extend_from_slice(id.as_bytes());
        }
        repo.git_with(&["hash-object", "-w", "-t", "tree", "--literally", "--stdin"], &content).parse().expect("an id")
    };
    for (why, tree) in [
        ("twice", raw(&[("40000", "a", sub), ("40000", "a", sub)])),
        ("file and directory", raw(&[("100644", "a", blob), ("40000", "a", sub)])),
        ("file and directory apart", raw(&[("100644", "a", blob), ("100644", "a-b", blob), ("40000", "a", sub)])),
        ("order", raw(&[("100644", "b", blob), ("100644", "a", blob)])),
        ("a path", raw(&[("100644", "a/b", blob)])),
        ("up", raw(&[("40000", "..", sub)])),
        ("here", raw(&[("100644", ".", blob)])),
        ("git", raw(&[("40000", ".GIT", sub)])),
    ] {
        let error = reader.changed_paths(None, Some(tree), 99).expect_err(why);
        assert!(matches!(error, GitError::Damaged { .. }), "{why}: {error}");
    }
    let cut: ObjectId = repo
        .git_with(&["hash-object", "-w", "-t", "tree", "--literally", "--stdin"], b"100644 f\0short")
        .parse()
        .expect("an id");
    assert!(matches!(reader.files(cut), Err(GitError::Damaged { .. })));
    assert!(matches!(reader.files(raw(&[("40000", "..", sub)])), Err(GitError::Damaged { .. })));
}

#[test]
fn commits_are_read_even_where_git_would_not_write_them_so() {
    let repo = Repo::new("sha1");
    let main = repo.commit("refs/heads/main", 1_700_000_000, &[("f", "100644", "x")]);
    let reader = repo.store().reader();
    let commit = reader.commit(main).expect("a commit");
    let who = Person { name: "A".into(), email: "a@b.example".into(), seconds: 1_700_000_000, offset_seconds: 7200 };
    assert_eq!((&commit.author, &commit.committer, commit.message.as_str()), (&who, &who, "m\n"));
    let write = |raw: &[u8]| -> ObjectId {
        let raw = [format!("tree {}\n", commit.tree).as_bytes(), raw].concat();
        repo.git_with(&["hash-object", "-w", "-t", "commit", "--literally", "--stdin"], &raw).parse().expect("an id")
    };
    let latin = reader
        .commit(write(b"author J\xf6rg <j@x> 5 +0000\ncommitter C <c> 6 +0000\nencoding latin1\n\nh\xe9\n"))
        .expect("read");
    assert_eq!(latin.author.seconds, 5);
    assert!(latin.author.name.starts_with("J\u{fffd}rg") && latin.message == "h\u{fffd}\n", "{latin:?}");
    let no_date = reader.commit(write(b"author A <a>\ncommitter C <c> never\n\nm\n")).expect("read");
    assert_eq!((no_date.author.name.as_str(), no_date.committer.seconds), ("A", 0));
    let huge = reader
        .commit(write(b"author A <a> 99999999999999999999 +0000\ncommitter C <c> -5 +0000\n\nm\n"))
        .expect("read");
    assert_eq!(huge.message, "m\n");
    for damaged in [&b"nothing of it\n"[..], b"", b"tree abc\n\nm", b"author A <a> 1 +0000\n\nm"] {
        let hash = ["hash-object", "-w", "-t", "commit", "--literally", "--stdin"];
        let id = repo.git_with(&hash, damaged).parse().expect("an id");
        assert!(matches!(reader.commit(id), Err(GitError::Damaged { .. })), "{damaged:?}");
    }
}
