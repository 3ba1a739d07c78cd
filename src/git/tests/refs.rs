//! Opening repositories and listing refs.

use std::fs;

use super::*;

/// What `git for-each-ref` says: name, target, and the commit it leads to.
fn gits_answer(repo: &Repo) -> Vec<(String, String, String)> {
    let format = "%(refname) %(objectname) %(objecttype) %(*objectname) %(*objecttype)";
    let text = repo.git(&["for-each-ref", "--format", format]);
    let mut refs: Vec<_> = text
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let commit = match (words[2], words.get(4).copied().unwrap_or_default()) {
                ("commit", _) => words[1],
                (_, "commit") => words[3],
                _ => "-",
            };
            (words[0].to_owned(), words[1].to_owned(), commit.to_owned())
        })
        .collect();
    refs.sort();
    refs
}

fn our_answer(refs: &RefSnapshot) -> Vec<(String, String, String)> {
    let commit = |value: &RefValue| value.commit.map_or("-".to_owned(), |id| id.to_string());
    refs.iter().map(|value| (value.name.to_string(), value.target.to_string(), commit(value))).collect()
}

fn filled(format: &str) -> Repo {
    let repo = Repo::new(format);
    repo.commit("refs/heads/main", 1, &[("a/Kptfile", "100644", "x")]);
    repo.git(&["tag", "a/v1", "main"]);
    repo.git(&["tag", "-a", "-m", "text", "a/v2", "main"]);
    repo.git(&["tag", "-a", "-m", "of a tag", "a/v3", "a/v2"]);
    repo.git(&["tag", "tree", "main^{tree}"]);
    repo.git(&["tag", "-a", "-m", "text", "blob", "main:a/Kptfile"]);
    repo.git(&["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
    repo
}

#[test]
fn the_listing_is_gits_loose_packed_and_mixed() {
    for format in FORMATS {
        let repo = filled(format);
        let reader = repo.store().reader();
        let depth = |refs: Vec<(String, String, String)>| {
            refs.into_iter().filter(|r| r.0 != "refs/tags/a/v3").collect::<Vec<_>>()
        };
        let check = || {
            let refs = reader.refs().expect("refs");
            // git 2.39 peels a tag of a tag once only.
            assert_eq!(depth(our_answer(&refs)), depth(gits_answer(&repo)), "{format}");
            assert_eq!(
                refs.get(&name("refs/tags/a/v3")).and_then(|value| value.commit),
                Some(repo.id("a/v3^{commit}"))
            );
            for value in &refs {
                assert_eq!(reader.ref_target(&value.name).expect("read"), Some(value.target), "{}", value.name);
            }
        };
        check();
        repo.git(&["pack-refs", "--all", "--prune"]);
        check();
        repo.commit("refs/heads/main", 2, &[("b", "100644", "y")]);
        repo.git(&["tag", "-d", "a/v1"]);
        repo.git(&["branch", "drafts/a/w", "main"]);
        check();
        assert_eq!(reader.ref_target(&name("refs/tags/a/v1")).expect("read"), None);
        assert_eq!(reader.ref_target(&name("refs/heads/drafts/a")).expect("a directory is no ref"), None);
        assert_eq!(reader.ref_target(&name("refs/heads/drafts/a/w/x")).expect("below a ref"), None);
    }
}

#[test]
fn prefixes_and_names_are_found_by_search() {
    let repo = Repo::new("sha1");
    repo.commit("refs/heads/main", 1, &[("f", "100644", "x")]);
    for branch in ["a", "a-b", "a.b/c", "ab/c", "b/c"] {
        repo.git(&["branch", branch, "main"]);
    }
    let refs = repo.store().reader().refs().expect("refs");
    let under = |prefix: &str| refs.under(prefix).map(|value| value.name.shortened().to_owned()).collect::<Vec<_>>();
    assert_eq!(under("refs/heads/a"), ["a", "a-b", "a.b/c", "ab/c"]);
    assert_eq!(under("refs/heads/a/"), Vec::<String>::new());
    assert_eq!(under("refs/heads/ab/"), ["ab/c"]);
    assert_eq!(under("refs/").len(), refs.len());
    assert_eq!(under("refs/tags/"), Vec::<String>::new());
    assert!(refs.get(&name("refs/heads/a-b")).is_some() && refs.get(&name("refs/heads/a-c")).is_none());
}

#[test]
fn snapshots_differ_in_what_changed_and_in_nothing_else() {
    let repo = filled("sha1");
    let store = repo.store();
    let refs = || store.reader().refs().expect("refs");
    let before = refs();
    repo.git(&["pack-refs", "--all", "--prune"]);
    assert_eq!(refs(), before);
    repo.git(&["tag", "b/v1", "main"]);
    let with = refs();
    let changed =
        |a: &RefSnapshot, b: &RefSnapshot| a.changed(b).into_iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        (changed(&before, &with), changed(&with, &before)),
        (vec!["refs/tags/b/v1".to_owned()], vec!["refs/tags/b/v1".to_owned()])
    );
    repo.git(&["tag", "-d", "b/v1"]);
    assert_eq!(changed(&refs(), &before), Vec::<String>::new());
}

#[test]
fn stray_refs_never_break_the_listing() {
    let repo = filled("sha1");
    let write = |name: &str, text: &str| fs::write(repo.path.join(name), text).expect("written");
    write("refs/heads/empty", "");
    write("refs/heads/text", "hello\n");
    write("refs/heads/bytes", "\u{1}\n");
    write("refs/heads/short", "abcd\n");
    write("refs/heads/long", &"a".repeat(64));
    write("refs/heads/zero", &"0".repeat(40));
    write("refs/heads/missing", &"a".repeat(40));
    write("refs/heads/dangling", "ref: refs/heads/nowhere\n");
    write("refs/heads/loop", "ref: refs/heads/loop\n");
    write("refs/heads/outside", "ref: ../../etc/passwd\n");
    write("refs/heads/x.lock", &"a".repeat(40));
    write("refs/heads/it has spaces", &repo.id("main").to_string());
    fs::create_dir_all(repo.path.join("refs/heads/nothing/here")).expect("made");
    std::os::unix::fs::symlink("/nowhere", repo.path.join("refs/heads/link")).expect("made");
    let refs = repo.store().reader().refs().expect("refs");
    let names: Vec<&str> = refs.iter().map(|value| value.name.as_str()).collect();
    let good = ["refs/heads/alias", "refs/heads/main", "refs/tags/a/v1", "refs/tags/a/v2", "refs/tags/a/v3"];
    assert_eq!(names, [&good[..], &["refs/tags/blob", "refs/tags/tree"]].concat());
}

#[test]
fn two_rewrites_of_packed_refs_in_one_moment_are_both_seen() {
    let repo = filled("sha1");
    let reader = repo.store().reader();
    repo.git(&["pack-refs", "--all", "--prune"]);
    let main = repo.id("main");
    let packed = repo.path.join("packed-refs");
    let moment = fs::metadata(&packed).and_then(|meta| meta.modified()).expect("a time");
    for round in 0..3 {
        let text = format!("# pack-refs with: peeled fully-peeled sorted \n{main} refs/heads/round-{round}\n");
        let lock = repo.path.join("packed-refs.lock");
        fs::write(&lock, text).expect("written");
        fs::File::options().write(true).open(&lock).and_then(|file| file.set_modified(moment)).expect("set");
        fs::rename(&lock, &packed).expect("moved");
        let wanted = name(&format!("refs/heads/round-{round}"));
        assert_eq!(reader.ref_target(&wanted).expect("read"), Some(main), "{round}");
        assert!(reader.refs().expect("refs").get(&wanted).is_some(), "{round}");
    }
}

#[test]
fn what_git_moves_is_seen_at_once_and_what_is_written_in_place_after_a_rescan() {
    let repo = filled("sha1");
    let store = repo.store();
    let (main, tag) = (repo.id("main"), name("refs/heads/old/branch"));
    repo.git(&["update-ref", tag.as_str(), "main"]);
    let directory = fs::File::open(repo.path.join("refs/heads/old")).expect("open");
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    directory.set_modified(long_ago).expect("set");
    let seen = || store.reader().refs().expect("refs").get(&tag).map(|value| value.target);
    assert_eq!(seen(), Some(main));
    let other = repo.commit("refs/heads/other", 7, &[("f", "100644", "z")]);
    fs::write(repo.path.join(tag.as_str()), format!("{other}\n")).expect("written");
    assert_eq!(seen(), Some(main), "the directory shows nothing of it");
    store.forget_refs();
    assert_eq!(seen(), Some(other));
    for target in [main, other, main] {
        repo.git(&["update-ref", tag.as_str(), &target.to_string()]);
        assert_eq!(seen(), Some(target));
    }
    repo.git(&["pack-refs", "--all", "--prune"]);
    assert_eq!(seen(), Some(main));
    repo.git(&["update-ref", "-d", tag.as_str()]);
    assert_eq!(seen(), None);
}

#[test]
fn a_loose_ref_hides_the_packed_one_of_its_name() {
    let repo = filled("sha1");
    let store = repo.store();
    repo.git(&["pack-refs", "--all", "--prune"]);
    let packed = store.reader().refs().expect("refs");
    let other = repo.commit("refs/heads/main", 7, &[("f", "100644", "z")]);
    let moved = store.reader().refs().expect("refs");
    assert_eq!(moved.get(&name("refs/heads/main")).map(|value| value.target), Some(other));
    assert_eq!((moved.len(), moved.loose()), (packed.len(), 2), "the alias is never packed");
    let names =
        |refs: Vec<&crate::domain::refs::RefName>| refs.into_iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(packed.changed(&moved)), ["refs/heads/alias", "refs/heads/main"]);
    fs::write(repo.path.join("refs/heads/main"), "soup\n").expect("written");
    store.forget_refs();
    let broken = store.reader().refs().expect("refs");
    assert_eq!(broken.get(&name("refs/heads/main")), None);
    assert_eq!(names(broken.changed(&moved)), ["refs/heads/alias", "refs/heads/main"]);
    assert!(broken.iter().all(|value| !value.name.as_str().ends_with("main")) && broken != moved);
}

#[test]
fn no_ref_is_missed_while_git_packs_them() {
    let repo = filled("sha1");
    let store = repo.store();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..15 {
                repo.git(&["update-ref", "refs/heads/moving", "main"]);
                repo.git(&["update-ref", "refs/tags/a/v1", if round % 2 == 0 { "a/v2^{}" } else { "main" }]);
                repo.git(&["pack-refs", "--all", "--prune"]);
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        let reader = store.reader();
        while !done.load(std::sync::atomic::Ordering::Relaxed) {
            let refs = reader.refs().expect("refs");
            assert!(refs.get(&name("refs/tags/a/v1")).is_some());
            assert!(refs.get(&name("refs/heads/main")).is_some());
            assert!(reader.ref_target(&name("refs/heads/main")).expect("read").is_some());
        }
    });
}

#[test]
fn head_names_a_branch_born_or_not_or_none() {
    let repo = Repo::new("sha1");
    let head = || repo.store().reader().head_branch().expect("HEAD");
    assert_eq!(head(), Some(name("refs/heads/main")));
    let main = repo.commit("refs/heads/main", 1, &[("f", "100644", "x")]);
    repo.git(&["symbolic-ref", "HEAD", "refs/heads/trunk"]);
    assert_eq!(head(), Some(name("refs/heads/trunk")));
    repo.git(&["update-ref", "--no-deref", "HEAD", &main.to_string()]);
    assert_eq!(head(), None);
}

#[test]
fn only_bare_repositories_with_refs_in_files_are_opened() {
    let directory = tempfile::tempdir().expect("a directory");
    let error = Store::open(directory.path()).expect_err("no repository");
    assert!(matches!(error, GitError::NotARepository { .. }), "{error}");
    assert!(Store::open(&directory.path().join("nowhere")).is_err());

    fixture::git_in(directory.path(), &["init", "-q", "work"]);
    let error = Store::open(&directory.path().join("work/.git")).expect_err("not bare").to_string();
    assert!(error.contains("core.bare is false"), "{error}");

    let repo = Repo::new("sha1");
    repo.git(&["config", "core.repositoryFormatVersion", "1"]);
    repo.git(&["config", "extensions.refStorage", "reftable"]);
    let error = Store::open(&repo.path).expect_err("reftable");
    assert!(matches!(error, GitError::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("reftable"), "{error}");
}

#[test]
fn replacement_objects_that_somebody_pushed_are_not_followed() {
    let repo = Repo::new("sha1");
    let honest = repo.commit("refs/heads/main", 1, &[("f", "100644", "honest")]);
    let forged = repo.commit("refs/heads/forged", 1, &[("f", "100644", "forged")]);
    repo.git(&["update-ref", &format!("refs/replace/{honest}"), &forged.to_string()]);
    let reader = repo.store().reader();
    let tree = reader.commit(honest).expect("a commit").tree;
    let file = reader.files(tree).expect("files").remove(0);
    assert_eq!(reader.blob(file.id, 100).expect("a blob"), b"honest");
}

#[test]
fn a_handle_stays_good_over_many_new_packs_and_a_gc() {
    let repo = Repo::new("sha1");
    let reader = repo.store().reader();
    repo.git(&["config", "fastimport.unpackLimit", "0"]);
    let mut tips = Vec::new();
    for round in 0..45 {
        let branch = format!("refs/heads/b{round}");
        tips.push(repo.commit(&branch, round, &[("f", "100644", &round.to_string())]));
        assert_eq!(reader.commit(tips[tips.len() - 1]).expect("the new commit").committer.seconds, round);
    }
    let packs = fs::read_dir(repo.path.join("objects/pack")).expect("read").flatten();
    let packs = packs.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "pack")).count();
    assert!(packs > 40, "{packs}");
    repo.git(&["gc", "--quiet", "--prune=now"]);
    for tip in tips {
        reader.commit(tip).expect("still there");
    }
    assert_eq!(reader.refs().expect("refs").len(), 45);
}
