//! Names of packages, workspaces, users and Kubernetes objects.

use stoop::domain::ledger::EntryKey;
use stoop::domain::names::{
    Directory, InvalidName, Namespace, PackagePath, RepositoryName, UserName, Workspace, is_dns_label, object_name,
};

use super::input::Input;

/// Four lines: directory, package, workspace, anything.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (Some(directory), Some(package), Some(workspace), Some(other)) =
        (input.text(), input.text(), input.text(), input.text())
    else {
        return;
    };
    for text in [directory, package, workspace, other] {
        labels(text);
        user(text);
    }
    let directory = shown(Directory::parse(directory));
    let package = shown(PackagePath::parse(package));
    let workspace = shown(Workspace::parse(workspace));
    let other = shown(PackagePath::parse(other));
    if let Some(directory) = &directory {
        assert_eq!(Directory::parse(directory.as_str()).as_ref(), Ok(directory));
        assert_eq!(Directory::parse(&format!("//{}/", directory.as_str())).as_ref(), Ok(directory));
    }
    if let Some(package) = &package {
        path(package);
    }
    if let (Some(package), Some(other)) = (&package, &other) {
        assert_eq!(package.overlaps(other), other.overlaps(package));
        let inside = other == package || other.ancestors().any(|ancestor| ancestor == package.as_str());
        assert_eq!(package.contains(other), inside);
    }
    if let Some(workspace) = &workspace {
        assert!(!workspace.as_str().contains('/') && *workspace > Workspace::lowest());
        assert_eq!(workspace.check_new().is_ok(), is_dns_label(workspace.as_str()));
    }
    if let (Some(directory), Some(package), Some(workspace)) = (&directory, &package, &workspace) {
        object(directory, package, workspace);
    }
}

/// A name, or nothing where the error's text is as short as an error's should be.
fn shown<T>(parsed: Result<T, InvalidName>) -> Option<T> {
    parsed.inspect_err(|error| assert!(error.to_string().len() < 1200)).ok()
}

fn labels(text: &str) {
    let label = !text.is_empty()
        && text.len() < 64
        && text.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
        && !text.starts_with('-')
        && !text.ends_with('-');
    assert_eq!(is_dns_label(text), label);
    assert_eq!(Namespace::parse(text).is_ok(), label);
    assert_eq!(RepositoryName::parse(text).is_ok(), label);
}

/// A name that is taken cannot end a commit's header line or its name field.
fn user(text: &str) {
    if let Ok(name) = UserName::parse(text) {
        assert_eq!(name.as_str(), text);
        assert!(!text.contains(['<', '>', '\n', '\r', '\0']) && (1..=253).contains(&text.len()));
    }
}

fn path(package: &PackagePath) {
    let text = package.as_str();
    assert_eq!(serde_json::from_value::<PackagePath>(serde_json::json!(text)).ok().as_ref(), Some(package));
    assert!(text.len() <= 1024 && !text.contains("..") && !text.contains("//") && !text.contains(['\\', ':', '\0']));
    for segment in text.split('/') {
        assert!(!segment.is_empty() && segment != "." && !segment.eq_ignore_ascii_case(".git"));
    }
    assert!(text.ends_with(package.leaf()) && !package.leaf().contains('/'));
    assert_eq!(package.ancestors().count(), text.matches('/').count());
    assert!(package.ancestors().all(|ancestor| text.starts_with(&format!("{ancestor}/"))));
    assert!(package.overlaps(package) && package.contains_file(text) && package.contains_file(&format!("{text}/x")));
    assert!(!package.contains_file(&format!("{text}x")));
}

fn object(directory: &Directory, package: &PackagePath, workspace: &Workspace) {
    let repository = RepositoryName::parse("blueprints").expect("valid");
    assert_eq!(EntryKey::of(package, workspace).as_str().len(), 64);
    let name = object_name(&repository, directory, package, workspace);
    let inside = directory.package_name(package);
    assert_eq!(name.is_some(), inside.is_some());
    let (Some(name), Some(inside)) = (name, inside) else {
        assert!(directory.check_new(package).is_err());
        return;
    };
    assert!(package.as_str().ends_with(inside));
    if directory.check_new(package).is_err() || workspace.check_new().is_err() {
        return;
    }
    assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte)));
    // Of a name that may be made, everything can be read back.
    let (repo, rest) = name.split_once('.').expect("a dot");
    let (dotted, last) = rest.rsplit_once('.').expect("another dot");
    assert_eq!((repo, dotted.replace('.', "/").as_str(), last), ("blueprints", inside, workspace.as_str()));
}
