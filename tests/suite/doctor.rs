//! `stoop doctor` on a real world: a healthy one, and one with each thing broken, each told with what to do.
//!
//! Never here: how facts are judged (the tables are beside the checks).

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::packages::Shelf;
use crate::steps::settled_ledger;
use crate::support::{Answer, World, run};

/// Checks whose result is the machine's, whatever the world is like.
const OF_THE_MACHINE: [&str; 4] = ["disk", "watches", "open-files", "git"];

/// A world with one published revision, in a repository with the settings that the doctor asks for.
fn healthy() -> World {
    let shelf = Shelf::new();
    shelf.publish("net/router", "w1");
    for (key, value) in [("core.fsync", "committed"), ("receive.fsckObjects", "true")] {
        shelf.world.on_disk("packages", &["config", key, value]).ok();
    }
    shelf.world
}

fn doctor(world: &World, more: &[&str]) -> Answer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stoop"));
    command.arg("doctor").arg("--root").arg(world.root()).arg("--config").arg(world.config()).args(more);
    run(command.env("HOME", world.path()).env("GIT_CONFIG_NOSYSTEM", "1"))
}

/// The lines that are not as they should be, without the machine's.
fn odd(answer: &Answer) -> Vec<String> {
    let lines = answer.stdout.lines().filter(|line| line.starts_with("warn") || line.starts_with("fail"));
    let of_machine = |line: &&str| OF_THE_MACHINE.contains(&line.split_whitespace().nth(1).unwrap_or_default());
    lines.filter(|line| !of_machine(line)).map(str::to_owned).collect()
}

/// One line, and only it, of this level and check, with this text.
#[track_caller]
fn only(answer: &Answer, level: &str, check: &str, text: &str) {
    let odd = odd(answer);
    let right = |line: &String| line.starts_with(level) && line.contains(&format!("  {check} ")) && line.contains(text);
    assert!(odd.len() == 1 && right(&odd[0]), "wanted {level} {check} {text:?}\n{}", answer.stdout);
    assert!(odd[0].contains("; "), "it says what to do: {}", odd[0]);
    assert_eq!(answer.code, i32::from(level == "fail"), "{}", answer.stdout);
}

/// Every file below a directory with its size, mode and times: what a look must leave as it is.
fn everything(directory: &Path) -> BTreeMap<PathBuf, (u64, u32, i64, i64)> {
    let (mut found, mut open) = (BTreeMap::new(), vec![directory.to_owned()]);
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).expect("readable").map(|entry| entry.expect("readable")) {
            let metadata = entry.metadata().expect("there");
            found.insert(
                entry.path(),
                (
                    metadata.len(),
                    metadata.mode(),
                    metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec(),
                    metadata.ctime(),
                ),
            );
            if metadata.is_dir() {
                open.push(entry.path());
            }
        }
    }
    found
}

/// The output with paths and numbers that differ from run to run replaced, without the machine's checks.
fn plain(world: &World, answer: &Answer) -> String {
    let root = fs::canonicalize(world.root()).expect("there");
    let text = answer
        .stdout
        .replace(root.to_str().expect("text"), "ROOT")
        .replace(world.path().to_str().expect("text"), "WORLD");
    let mut out = String::new();
    for line in text.lines() {
        if OF_THE_MACHINE.contains(&line.split_whitespace().nth(1).unwrap_or_default())
            || line.contains("  http-backend ")
        {
            continue;
        }
        let mut digits = false;
        let count = line.starts_with(|c: char| c.is_ascii_digit());
        for c in line.chars().filter(|_| !count) {
            if !c.is_ascii_digit() {
                out.push(c);
            } else if !digits {
                out.push('N');
            }
            digits = c.is_ascii_digit();
        }
        out.push_str(if count { "" } else { "\n" });
    }
    out
}

#[test]
fn a_healthy_world_is_well_and_the_doctor_touches_nothing() {
    let mut world = healthy();
    let answer = doctor(&world, &[]).ok();
    assert!(odd(&answer).is_empty(), "{}", answer.stdout);
    let mut golden = format!("# running\n{}", plain(&world, &answer));
    assert_eq!(world.stop_daemon("TERM"), Some(0));
    let before = everything(&world.root());
    let answer = doctor(&world, &[]).ok();
    assert_eq!(everything(&world.root()), before);
    only(&answer, "warn", "daemon", "it does not run");
    golden += &format!("\n# stopped\n{}", plain(&world, &answer));
    insta::with_settings!({snapshot_path => "../goldens", prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!("doctor", golden);
    });
    let json: Value = serde_json::from_str(&doctor(&world, &["--json"]).ok().stdout).expect("JSON");
    let daemon =
        json["checks"].as_array().expect("a list").iter().find(|told| told["check"] == "daemon").expect("told");
    assert!(daemon["result"] == "warn" && daemon["do"] == "start it: stoop serve" && json["fail"] == 0, "{json}");
    only(&doctor(&world, &["--state", "/nowhere/at/all"]), "warn", "hooks", "/nowhere/at/all/run/hook.sock");
}

#[test]
fn what_is_broken_under_a_running_daemon_is_told() {
    let world = healthy();
    let (bare, state) = (world.bare("packages"), world.state());
    let mode = |path: PathBuf, mode: u32| fs::set_permissions(path, Permissions::from_mode(mode)).expect("changed");
    let set = |key: &str, value: &str| {
        world.on_disk("packages", &["config", key, value]).ok();
    };
    let unset = |key: &str| {
        world.on_disk("packages", &["config", "--unset-all", key]).ok();
    };

    mode(state.join("kubeconfig"), 0o644);
    only(&doctor(&world, &[]), "fail", "keys", "kubeconfig holds a key and has mode 644");
    mode(state.join("kubeconfig"), 0o600);
    mode(state.clone(), 0o755);
    only(&doctor(&world, &[]), "fail", "state", "mode 755");
    mode(state.clone(), 0o700);
    mode(state.join("run/hook.sock"), 0o666);
    only(&doctor(&world, &[]), "fail", "socket", "hook.sock");
    mode(state.join("run/hook.sock"), 0o600);

    for (key, value, level, text) in [
        ("receive.denyDeletes", "true", "warn", "receive.denyDeletes"),
        ("receive.denyNonFastForwards", "true", "warn", "amended"),
        ("transfer.hideRefs", "refs/stoop", "warn", "no backup"),
        ("receive.hideRefs", "refs/approve", "fail", "approvals by push"),
        ("gc.pruneExpire", "now", "fail", "under way"),
        ("gc.auto", "0", "warn", "packing"),
        ("core.sharedRepository", "group", "warn", "hook socket"),
    ] {
        set(key, value);
        only(&doctor(&world, &[]), level, "git-settings", text);
        unset(key);
    }
    set("core.fsync", "none");
    only(&doctor(&world, &[]), "warn", "git-settings", "loose objects and packs and refs");
    set("core.fsync", "committed");
    set("receive.fsckObjects", "false");
    only(&doctor(&world, &[]), "warn", "git-settings", "malformed objects");
    set("receive.fsckObjects", "true");

    let lock = bare.join("refs/heads/main.lock");
    File::create(&lock)
        .and_then(|file| file.set_modified(SystemTime::now() - Duration::from_secs(7500)))
        .expect("made");
    only(&doctor(&world, &[]), "fail", "locks", "refs/heads/main.lock is ");
    fs::remove_file(lock).expect("removed");

    let config = fs::read_to_string(world.config()).expect("read");
    world.configure("repositories:\n- path: gone\n");
    only(&doctor(&world, &[]), "warn", "config", "the repository gone, which is not there");
    fs::write(world.config(), "nonsense: 1\n").expect("written");
    let answer = doctor(&world, &[]);
    assert!(
        answer.code == 1 && answer.stdout.contains("fail  config") && answer.stdout.contains("config.yaml:1:1"),
        "{}",
        answer.stdout
    );
    fs::write(world.config(), config).expect("written");
    assert!(odd(&doctor(&world, &[])).is_empty(), "everything was mended again");
}

#[test]
fn what_is_broken_while_no_daemon_runs_is_told() {
    let mut world = healthy();
    settled_ledger(&world);
    world.stop_daemon("KILL");
    let state = world.state();
    // That nobody runs is told each time, and left out here.
    let only = |level: &str, check: &str, text: &str| {
        let mut answer = doctor(&world, &[]);
        let lines = answer.stdout.lines().filter(|line| !line.starts_with("warn  daemon "));
        answer.stdout = lines.map(|line| format!("{line}\n")).collect();
        super::doctor::only(&answer, level, check, text);
    };
    let with = |file: PathBuf, content: &str, level: &str, check: &str, text: &str| {
        let before = fs::read(&file).expect("read");
        fs::write(&file, content).expect("written");
        only(level, check, text);
        fs::write(&file, before).expect("written");
    };
    with(state.join("clock"), "soup", "fail", "clock", "does not hold a number");
    with(state.join("clock"), &format!("{}000", "9".repeat(15)), "warn", "clock", "ahead of the machine's clock");
    with(state.join("bindings.json"), "soup", "fail", "bindings", "cannot be read");
    with(state.join("cache/1/conf"), "soup and nothing else", "warn", "cache", "it does not open");
    with(state.join("pki/ca.crt"), "soup", "fail", "certificates", "the authority, cannot be used");
    let bare = world.bare("packages");
    let (hook, aside) = (bare.join("hooks/pre-receive"), world.path().join("aside"));
    fs::rename(&hook, &aside).expect("moved");
    only("fail", "hooks", "pre-receive is not Stoop's any more");
    fs::rename(&aside, &hook).expect("moved back");
    let guard = bare.join("hooks/stoop/guard");
    let text = fs::read_to_string(&guard).expect("read").replace("refs/heads/main", "refs/heads/other");
    with(guard, &text, "warn", "hooks", "branch refs/heads/other, not refs/heads/main");

    let stub = bare.join("hooks/stoop/stub");
    let bytes = fs::read(&stub).expect("read");
    fs::write(&stub, "#!/bin/sh\n").expect("written");
    only("warn", "hooks", "is not this version's");
    fs::remove_file(&stub).expect("removed");
    only("fail", "hooks", "every push through");
    fs::write(&stub, bytes).expect("written");
    only("fail", "hooks", "cannot be executed");
    fs::set_permissions(&stub, Permissions::from_mode(0o755)).expect("changed");

    let git = |args: &[&str]| {
        world.on_disk("packages", &[&["-c", "core.hooksPath=/dev/null"], args].concat()).ok().text().to_owned()
    };
    git(&["update-ref", "refs/approve/net/router/w9", "refs/heads/main"]);
    only("warn", "leftovers", "refs/approve/net/router/w9");
    git(&["update-ref", "-d", "refs/approve/net/router/w9"]);

    let ledger = git(&["rev-parse", "refs/stoop/ledger"]);
    let entries = git(&["ls-tree", "-r", "--name-only", "refs/stoop/ledger"]);
    let read = |path: &str| git(&["cat-file", "blob", &format!("refs/stoop/ledger:{path}")]);
    let approved = entries.lines().find(|path| read(path).contains("\"approved\""));
    let path = approved.expect("the revision's entry");
    let text = read(path);
    let replace = |content: &str| {
        let file = world.path().join("entry");
        fs::write(&file, content).expect("written");
        let blob = git(&["hash-object", "-w", file.to_str().expect("text")]);
        let (first, rest) = path.split_once('/').expect("two parts");
        let tree = |line: &str| {
            let file = world.path().join("tree");
            fs::write(&file, format!("{line}\n")).expect("written");
            let mut command = crate::support::git_command(&world.bare("packages"));
            run(command.arg("mktree").stdin(File::open(file).expect("there"))).ok().text().to_owned()
        };
        let below = tree(&format!("100644 blob {blob}\t{rest}"));
        let top = tree(&format!("040000 tree {below}\t{first}"));
        let commit =
            git(&["-c", "user.name=x", "-c", "user.email=x", "commit-tree", "-p", &ledger, "-m", "by hand", &top]);
        git(&["update-ref", "refs/stoop/ledger", &commit]);
    };
    replace("soup");
    only("fail", "ledger", "1 of 1 entries cannot be read");
    let mut begun: Value = serde_json::from_str(&text).expect("JSON");
    let mut intent = begun["approved"].clone();
    intent["action"] = "approve".into();
    begun["intent"] = intent;
    replace(&begun.to_string());
    only("warn", "leftovers", "approve net/router w1 by bob");
    git(&["update-ref", "refs/stoop/ledger", &ledger]);

    git(&["config", "core.bare", "false"]);
    let answer = doctor(&world, &[]);
    assert!(answer.code == 1 && answer.stdout.contains("fail  repository    packages.git: "), "{}", answer.stdout);
    git(&["config", "core.bare", "true"]);
    world.start_daemon();
    let answer = doctor(&world, &[]).ok();
    assert!(odd(&answer).is_empty(), "everything was mended again\n{}", answer.stdout);
}
