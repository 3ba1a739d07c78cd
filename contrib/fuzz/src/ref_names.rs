//! Ref names, as a pusher chooses them: what they mean to the daemon, and what the stub decides of them by itself.

use stoop::commands::push::read::PushedRef;
use stoop::domain::names::{Directory, PackagePath, Workspace};
use stoop::domain::refs::{RefKind, RefName, Registration, RevisionNumber, classify};
use stoop_hook::guard::{Guard, NameKind, may_be_managed};

/// The first byte picks the registration, the rest is the name.
pub fn run(data: &[u8]) {
    let Some((first, name)) = data.split_first() else { return };
    let (branch, directory) = [("main", ""), ("release/1", "packages"), ("main", "a/b")][usize::from(*first) % 3];
    let registration = Registration {
        branch: RefName::branch(branch).expect("valid"),
        directory: Directory::parse(directory).expect("valid"),
    };
    let guard = Guard {
        socket: "/run/stoop.sock".into(),
        branches: vec![registration.branch.to_string()],
        directory: directory.to_owned(),
        guarded: true,
        identity: None,
        variables: vec![],
    };
    let update = PushedRef::parse(name, &"0".repeat(40), &"1".repeat(40));
    match &update {
        Ok(Some(update)) => assert_eq!(update.name.as_str().as_bytes(), name, "a name is never read as another"),
        Ok(None) => assert_eq!(readable(name), None),
        Err(_) => assert_ne!(guard.kind(name), NameKind::Unmanaged),
    }
    match readable(name) {
        Some(name) => accepted(&name, &registration, &guard),
        // What git would not take either is never let through as one of Stoop's own.
        None if guard.kind(name) == NameKind::Managed && name.contains(&b'/') => {
            let bare = [b"refs/heads/drafts".as_slice(), b"refs/heads/proposed", b"refs/heads/deletionProposed"];
            assert!(update.is_err() || bare.contains(&name));
        }
        None => {}
    }
}

fn readable(name: &[u8]) -> Option<RefName> {
    let read = RefName::parse(std::str::from_utf8(name).ok()?);
    let git = gix::validate::reference::name(name.into());
    let git_takes = git.is_ok() && name.starts_with(b"refs/") && name.len() <= 4096;
    assert_eq!(read.is_ok(), git_takes, "git and Stoop agree on what a ref name is: {git:?}");
    read.ok()
}

fn accepted(name: &RefName, registration: &Registration, guard: &Guard) {
    let text = name.as_str();
    assert_eq!(serde_json::from_value::<RefName>(serde_json::json!(text)).ok().as_ref(), Some(name));
    assert!(text.ends_with(name.shortened()));
    let kind = classify(name, registration);
    let by_stub = guard.kind(text.as_bytes());
    match by_stub {
        NameKind::Unmanaged => assert_eq!(kind, RefKind::Other, "the stub lets through what the daemon would judge"),
        NameKind::Branch => assert_eq!(kind, RefKind::RegisteredBranch),
        NameKind::Managed => {
            assert!(!matches!(kind, RefKind::Other | RefKind::Tag(..) | RefKind::RegisteredBranch), "{kind:?}");
        }
        NameKind::Tag(package) => match &kind {
            RefKind::Tag(path, _) => assert_eq!(path.as_str().as_bytes(), package),
            kind => assert_eq!(*kind, RefKind::Other),
        },
    }
    assert_eq!(may_be_managed(text.as_bytes(), guard), by_stub != NameKind::Unmanaged);
    match kind {
        RefKind::Draft(package, workspace) => {
            assert_eq!(RefName::draft(&package, &workspace), *name);
            parts(&package, &workspace, registration);
        }
        RefKind::Proposed(package, workspace) => {
            assert_eq!(RefName::proposed(&package, &workspace), *name);
            parts(&package, &workspace, registration);
        }
        RefKind::Approve(package, workspace) => {
            assert_eq!(RefName::approve(&package, &workspace), *name);
            parts(&package, &workspace, registration);
        }
        RefKind::Reject(package, workspace) => parts(&package, &workspace, registration),
        RefKind::DeletionProposed(package, last) => {
            assert_eq!(RefName::deletion_proposed(&package, last.as_str()), *name);
            parts(&package, &last, registration);
        }
        RefKind::Tag(package, last) => {
            assert_eq!(RefName::tag(&package, last.as_str()), *name);
            let number = RevisionNumber::from_segment(last.as_str());
            assert_eq!(RevisionNumber::from_segment(&number.segment()), number);
            parts(&package, &last, registration);
        }
        RefKind::Malformed(malformed) => assert!(malformed.to_string().len() < 8192),
        RefKind::RegisteredBranch | RefKind::Internal | RefKind::Other => {}
    }
}

/// Every ref of a package revision whose name was accepted can be made, and means that revision.
fn parts(package: &PackagePath, workspace: &Workspace, registration: &Registration) {
    assert_eq!(PackagePath::parse(package.as_str()).as_ref(), Ok(package));
    assert_eq!(Workspace::parse(workspace.as_str()).as_ref(), Ok(workspace));
    let (p, w) = (|| package.clone(), || workspace.clone());
    for (made, means) in [
        (RefName::draft(package, workspace), RefKind::Draft(p(), w())),
        (RefName::proposed(package, workspace), RefKind::Proposed(p(), w())),
        (RefName::approve(package, workspace), RefKind::Approve(p(), w())),
        (RefName::tag(package, workspace.as_str()), RefKind::Tag(p(), w())),
        (RefName::deletion_proposed(package, workspace.as_str()), RefKind::DeletionProposed(p(), w())),
    ] {
        assert_eq!(readable(made.as_str().as_bytes()).as_ref(), Some(&made));
        assert_eq!(classify(&made, registration), means);
    }
}
