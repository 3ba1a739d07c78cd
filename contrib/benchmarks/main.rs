//! Measures the release build as a whole: real daemon, real git, real sockets and disk. Run by `contrib/bench`.
//!
//! What is compared is taken in turns within one run, so that a busy machine is unfair to all alike. That, and medians of
//! whole pushes, is why no library is used here; `parts.rs` uses one.
//! Never here: aims that end the run; the table says what is met.

mod approvals;
mod client;
#[path = "../../tests/support/traffic/commits.rs"]
#[allow(unreachable_pub, reason = "the stories use it too")]
mod commits;
mod crowd;
mod fill;
mod machine;
mod measure;
mod packed;
mod pushes;
mod report;
#[path = "../../tests/support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "the benchmarks use a part of the world")]
mod support;
mod ten_thousand;
mod two_hundred;

use std::sync::OnceLock;
use std::time::Instant;

use report::Row;

/// A group of rows: its name for `--only`, and what measures it.
type Group = (&'static str, fn(&Plan) -> Vec<Row>);

const GROUPS: [Group; 5] = [
    ("pushes", pushes::rows),
    ("packed-refs", packed::rows),
    ("crowd", crowd::rows),
    ("ten-thousand", ten_thousand::rows),
    ("two-hundred", two_hundred::rows),
];

/// The group that has no rows: see `parts.rs`.
const PARTS: &str = "parts";

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    quick: bool,
}

impl Plan {
    /// How many samples to take where a whole run takes `whole` of them.
    pub(crate) fn samples(&self, whole: usize) -> usize {
        if self.quick { whole.div_ceil(8) } else { whole }
    }
}

/// Says on standard error what is under way, and how many seconds after the first time.
pub(crate) fn progress(what: &str) {
    static BEGIN: OnceLock<Instant> = OnceLock::new();
    eprintln!("{:4} s  {what}", BEGIN.get_or_init(Instant::now).elapsed().as_secs());
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Only `cargo bench` says so; a test run that starts every target must not measure.
    if !arguments.iter().any(|argument| argument == "--bench") {
        eprintln!("nothing is measured here: run contrib/bench");
        return;
    }
    let (mut write, mut quick, mut only) = (false, false, None);
    let mut rest = arguments.iter().filter(|argument| *argument != "--bench");
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--write" => write = true,
            "--quick" => quick = true,
            "--only" => only = rest.next().cloned(),
            other => mistake(&format!("{other:?} is not known")),
        }
    }
    let names: Vec<&str> = only.as_deref().map(|names| names.split(',').collect()).unwrap_or_default();
    if let Some(unknown) = names.iter().find(|name| !groups().any(|known| known == **name)) {
        mistake(&format!("there is no group {unknown:?}"));
    }
    if write && (quick || !names.is_empty()) {
        mistake("only a whole run is kept: give --write alone");
    }
    let wanted = |name: &str| names.is_empty() || names.contains(&name);
    let facts = machine::facts();
    let plan = Plan { quick };
    let mut rows = Vec::new();
    for (name, measure) in GROUPS {
        if wanted(name) {
            rows.extend(measure(&plan));
        }
    }
    let mut text = facts;
    if !rows.is_empty() {
        text += &format!("\n{}", report::table(&rows));
    }
    if wanted(PARTS) {
        text += &format!("\n```text\n{}```\n", parts());
    }
    print!("{text}");
    if write {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/benchmarks.md");
        let page = format!("{}\n{text}\n{}", include_str!("before.md"), include_str!("after.md"));
        if let Err(error) = std::fs::write(file, page) {
            mistake(&format!("contrib/benchmarks.md cannot be written: {error}"));
        }
        progress("contrib/benchmarks.md is written");
    }
    progress("done");
}

/// Runs the benchmarks of parts, which are a program of their own, and returns what they print.
fn parts() -> String {
    progress("parts by themselves");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut parts = std::process::Command::new(cargo);
    parts.current_dir(env!("CARGO_MANIFEST_DIR")).args(["bench", "--quiet", "--locked", "--bench", "parts"]);
    let answer = support::run(&mut parts).ok();
    answer.stdout.lines().fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

/// The names for `--only`.
fn groups() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().map(|(name, _)| *name).chain([PARTS])
}

fn mistake(what: &str) -> ! {
    let names: Vec<&str> = groups().collect();
    eprintln!(
        "contrib/bench: {what}\nusage: contrib/bench [--write | --quick | --only GROUP,...]; groups: {}",
        names.join(", ")
    );
    std::process::exit(2);
}
