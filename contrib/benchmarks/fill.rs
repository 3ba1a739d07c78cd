//! Repositories full of published package revisions, as Porch and `git gc` would have left them.
//!
//! Made by `git fast-import`, since pushing ten thousand takes an hour. Never here: what is measured on them.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{config_map, git_command, kptfile, run};

/// How many directories the packages lie in.
const TEAMS: usize = 50;

/// The path of a package by its number.
pub(crate) fn package(number: usize) -> String {
    format!("team-{}/pkg-{number}", number % TEAMS)
}

/// Makes a bare repository with so many packages of so many published revisions each; all refs are packed.
pub(crate) fn repository(place: &Path, packages: usize, revisions: usize) {
    run(git_command(&std::env::temp_dir()).args(["init", "-q", "--bare"]).arg(place)).ok();
    let mut import = git_command(place);
    let mut import = import.args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().expect("git starts");
    let mut input = std::io::BufWriter::new(import.stdin.take().expect("standard input is piped"));
    let porch = "Package Orchestration Service <porch@kpt.dev>";
    let mut seconds = 1_700_000_000;
    let mut text = format!(
        "commit refs/heads/main\nmark :1\ncommitter {porch} {seconds} +0000\n{}M 100644 inline README.md\n{}",
        data("Initial commit: Creating main branch"),
        data("Created by porch")
    );
    let mut mark = 1;
    for revision in 1..=revisions {
        for number in 0..packages {
            let (package, before, draft, merge) = (package(number), mark, mark + 1, mark + 2);
            (mark, seconds) = (merge, seconds + 1);
            let files = files(&package, &format!("r{revision}"));
            let message = format!(
                "Approving package revision {package}/{revision}\n\n\
                 kpt:{{\"package\":\"{package}\",\"workspaceName\":\"w{revision}\",\"revision\":\"{revision}\"}}\n"
            );
            let _ = write!(
                text,
                "commit refs/heads/draft\nmark :{draft}\ncommitter ann <ann@example.com> {seconds} +0000\n{}from :{before}\n{files}\
                 commit refs/heads/main\nmark :{merge}\nauthor bob <bob@example.com> {seconds} +0000\n\
                 committer {porch} {seconds} +0000\n{}from :{before}\nmerge :{draft}\n{files}\
                 reset refs/tags/{package}/v{revision}\nfrom :{merge}\n\n",
                data(&format!("{package}: r{revision}")),
                data(&message)
            );
            input.write_all(text.as_bytes()).expect("git reads");
            text.clear();
        }
    }
    drop(input);
    assert!(import.wait().expect("git ends").success(), "git fast-import failed");
    run(git_command(place).args(["update-ref", "-d", "refs/heads/draft"])).ok();
    run(git_command(place).args(["gc", "--quiet"])).ok();
}

/// The `git fast-import` lines of a package's files.
pub(crate) fn files(package: &str, content: &str) -> String {
    format!(
        "M 100644 inline {package}/Kptfile\n{}M 100644 inline {package}/config.yaml\n{}",
        data(&kptfile(package)),
        data(&config_map(content))
    )
}

/// A `data` command of `git fast-import`.
pub(crate) fn data(text: &str) -> String {
    format!("data {}\n{text}\n", text.len())
}

/// Copies a repository to another place.
pub(crate) fn copy(from: &Path, to: &Path) -> PathBuf {
    run(Command::new("cp").arg("-r").arg(from).arg(to)).ok();
    to.to_owned()
}

/// Takes every ref out of `packed-refs` and into a file of its own.
pub(crate) fn loosen(place: &Path) {
    let packed = std::fs::read_to_string(place.join("packed-refs")).expect("the refs are packed");
    for line in packed.lines().filter(|line| !line.starts_with(['#', '^'])) {
        let (id, name) = line.split_once(' ').expect("an id and a name");
        let file = place.join(name);
        std::fs::create_dir_all(file.parent().expect("a parent")).expect("directories");
        std::fs::write(file, format!("{id}\n")).expect("the ref is written");
    }
    std::fs::remove_file(place.join("packed-refs")).expect("the packed refs go away");
}
