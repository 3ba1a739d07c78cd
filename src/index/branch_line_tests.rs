//! An advanced branch line is the one that reading everything gives, whatever the commits between did.

use std::fmt::Write;

use super::*;
use crate::git::fixture::Repo;

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A history that adds, changes, hides, uncovers and removes packages, with side branches and annotations.
fn history(repo: &Repo, dice: &mut Dice, commits: u64) -> Vec<ObjectId> {
    const DIRECTORIES: [&str; 9] = ["a", "a/b", "a/b/c", "a-b", "lib", "lib/x", "lib/x/y", "lib/z", "up"];
    let mut input = String::new();
    for number in 1..=commits {
        let seconds = 1_700_000_000 + number * 60;
        let message = match dice.roll(3) {
            0 => {
                let package = DIRECTORIES[dice.roll(9) as usize];
                format!("Approving\n\nkpt:{{\"package\":\"{package}\",\"workspaceName\":\"w\",\"revision\":\"1\"}}\n")
            }
            _ => "change".to_owned(),
        };
        let _ = write!(input, "commit refs/heads/main\nmark :{number}\ncommitter A{number} <a@b> {seconds} +0000\n");
        let _ = write!(input, "data {}\n{message}\n", message.len());
        if number > 1 {
            let _ = writeln!(input, "from :{}", number - 1);
        }
        if number > 9 && dice.roll(4) == 0 {
            let _ = writeln!(input, "merge :{}", number - 2 - dice.roll(6));
        }
        for _ in 0..=dice.roll(3) {
            let directory = DIRECTORIES[dice.roll(9) as usize];
            let _ = match dice.roll(8) {
                0 => writeln!(input, "D {directory}"),
                1 => writeln!(input, "D {directory}/Kptfile"),
                2 | 3 => write!(input, "M 100644 inline {directory}/Kptfile\ndata 2\n{}\n", number % 7 + 10),
                4 => write!(input, "M 120000 inline {directory}/Kptfile\ndata 1\nx\n"),
                5 => write!(input, "M 100644 inline {directory}/f\ndata 2\n{}\n", number % 5 + 10),
                6 => write!(input, "M 100644 inline {directory}\ndata 1\nx\n"),
                _ => write!(input, "M 100644 inline README\ndata 2\n{}\n", number % 9 + 10),
            };
        }
        let _ = write!(input, "\nreset refs/heads/at{number}\nfrom :{number}\n\n");
    }
    repo.git_with(&["fast-import", "--quiet", "--force"], input.as_bytes());
    (1..=commits).map(|number| repo.id(&format!("refs/heads/at{number}"))).collect()
}

#[test]
fn a_line_advanced_is_the_line_read_anew() {
    let repo = Repo::new("sha1");
    let mut dice = Dice(7);
    let heads = history(&repo, &mut dice, 160);
    let reader = repo.store().reader();
    for directory in ["", "lib", "lib/x"].map(|text| Directory::parse(text).expect("valid")) {
        let lines: Vec<BranchLine> =
            heads.iter().map(|head| BranchLine::read(&reader, *head, &directory).expect("read")).collect();
        let mut advanced = 0;
        for (at, line) in lines.iter().enumerate().skip(1) {
            let before = &lines[at - 1 - dice.roll(at as u64).min(4) as usize];
            if let Some((found, touched)) = before.advance(&reader, line.head, &directory).expect("read") {
                assert_eq!(&found, line, "commit {}", at + 1);
                for package in BranchLine::differences(Some(before), Some(line)) {
                    assert!(touched.contains(&package), "commit {}: {package} changed unnoticed", at + 1);
                }
                advanced += 1;
            }
        }
        assert!(advanced > 60, "{directory:?}: only {advanced} of 160 could be advanced");
    }
}

#[test]
fn what_is_no_descendant_is_read_anew() {
    let repo = Repo::new("sha1");
    let first = repo.commit("refs/heads/main", 1, &[("a/Kptfile", "100644", "x")]);
    let second = repo.commit("refs/heads/main", 2, &[("a/f", "100644", "y")]);
    let other = repo.commit("refs/heads/other", 3, &[("b/Kptfile", "100644", "x")]);
    let reader = repo.store().reader();
    let root = Directory::default();
    let line = BranchLine::read(&reader, second, &root).expect("read");
    assert!(line.advance(&reader, other, &root).expect("read").is_none());
    assert!(line.advance(&reader, first, &root).expect("read").is_none());
    assert_eq!(line.packages.get(&PackagePath::parse("a").expect("valid")).map(|found| found.commit), Some(second));
}
