//! The facts of the machine that a table was taken on.
//!
//! Never here: its name, its addresses and its paths.

use std::fs::read_to_string;
use std::path::Path;

use crate::support::{git_command, run};

/// The facts as a Markdown list.
pub(crate) fn facts() -> String {
    let temporary = std::env::temp_dir();
    let facts = [
        ("date", jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string()),
        ("source", source()),
        ("CPU", format!("{} × {}", cores(), line("/proc/cpuinfo", "model name"))),
        ("memory", memory()),
        ("file system of the repositories", file_system(&temporary)),
        ("kernel", answer("uname", &["-sr"])),
        ("git", answer("git", &["--version"])),
        ("rustc", answer("rustc", &["--version"])),
        ("load before the run", read_to_string("/proc/loadavg").unwrap_or_default().chars().take(14).collect()),
    ];
    facts.iter().map(|(what, value)| format!("- {what}: {value}\n")).collect()
}

fn answer(program: &str, args: &[&str]) -> String {
    run(std::process::Command::new(program).args(args)).text().to_owned()
}

/// The commit that is measured, and whether the work tree differs from it.
fn source() -> String {
    let git = |args: &[&str]| run(git_command(Path::new(env!("CARGO_MANIFEST_DIR"))).args(args));
    let commit = git(&["rev-parse", "--short", "HEAD"]);
    if commit.code != 0 {
        return "not a clone".to_owned();
    }
    let changed = git(&["status", "--porcelain", "--", "src", "hooks", "Cargo.lock", "build.rs"]);
    let changed = if changed.text().is_empty() { "" } else { " and changes" };
    format!("{}{changed}", commit.text())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(0, std::num::NonZero::get)
}

/// The value of the first `key : value` line of a file.
fn line(file: &str, key: &str) -> String {
    let text = read_to_string(file).unwrap_or_default();
    let found = text.lines().find_map(|line| line.strip_prefix(key)?.split_once(':'));
    found.map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
}

fn memory() -> String {
    let kib = line("/proc/meminfo", "MemTotal");
    let kib: u64 = kib.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0);
    format!("{} MiB", kib / 1_024)
}

/// The type of the file system that holds a directory: of the mount with the longest path above it.
fn file_system(directory: &Path) -> String {
    let mounts = read_to_string("/proc/self/mounts").unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let above = mounts.filter(|(place, _)| directory.starts_with(place));
    above.max_by_key(|(place, _)| place.len()).map_or_else(|| "unknown".to_owned(), |(_, kind)| kind.to_owned())
}
