//! Commits for drafts, many at once, with one `git fast-import`.
//!
//! Never here: pushing them.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use crate::support::{config_map, git_command, kptfile};

/// Makes a commit on `base` for each package, with a content of its own; gives their ids in order.
pub fn commits(clone: &Path, base: &str, packages: &[(String, String)]) -> Vec<String> {
    let marks = clone.join("marks");
    let mut input = String::new();
    for (at, (package, content)) in packages.iter().enumerate() {
        let (kptfile, content) = (kptfile(package), config_map(content));
        let _ = write!(
            input,
            "commit refs/made\nmark :{}\ncommitter amy <amy@example.com> 1700000000 +0000\ndata 0\nfrom {base}\n\
             M 100644 inline {package}/Kptfile\ndata {}\n{kptfile}\nM 100644 inline {package}/config.yaml\ndata {}\n{content}\n",
            at + 1,
            kptfile.len(),
            content.len()
        );
    }
    let mut import = git_command(clone);
    import.args(["fast-import", "--quiet", "--force", &format!("--export-marks={}", marks.display())]);
    let mut import = import.stdin(Stdio::piped()).spawn().expect("git starts");
    import.stdin.take().expect("piped").write_all(input.as_bytes()).expect("git reads");
    assert!(import.wait().expect("git ends").success());
    let mut made: Vec<(usize, String)> = std::fs::read_to_string(&marks)
        .expect("the marks are written")
        .lines()
        .map(|line| {
            let (mark, commit) = line.trim_start_matches(':').split_once(' ').expect("mark and commit");
            (mark.parse().expect("a number"), commit.to_owned())
        })
        .collect();
    made.sort_unstable();
    made.into_iter().map(|(_, commit)| commit).collect()
}
