//! Every write, flush, rename, open and unlink of the daemon and of every git below it fails once, or is the last thing that
//! its process does, at every transition: after a restart the state is the one before or the one after, what was
//! acknowledged is there, and the ledger has it once. In the manner of SQLite's tests, with `strace` as the one who fails.
//!
//! The calls are counted by thread, as strace does, so a count may fail several threads at once. Of all the points the test
//! command tries some, others with every `STOOP_SWEEP_SEED`; `contrib/sweep` tries all.
//! Never here: named steps (see `faults`), and a disk that is really full (see `disk`).

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::interrupted::{
    APPROVE_BY_API, APPROVE_BY_PUSH, Case, DELETE_BY_API, DELETE_BY_PUSH, DROP_BY_API, DROP_BY_PUSH, PROPOSE_BY_API,
    PROPOSE_BY_PUSH, PROPOSE_DELETION_BY_API, REJECT_BY_API, REJECT_BY_PUSH, SAVE_BY_PUSH, Stage, check,
};
use crate::steps::settled_ledger;
use crate::support::{Answer, eventually, run};

const CASES: [&Case; 12] = [
    &SAVE_BY_PUSH,
    &PROPOSE_BY_PUSH,
    &APPROVE_BY_PUSH,
    &REJECT_BY_PUSH,
    &DROP_BY_PUSH,
    &DROP_BY_API,
    &DELETE_BY_PUSH,
    &PROPOSE_BY_API,
    &APPROVE_BY_API,
    &REJECT_BY_API,
    &PROPOSE_DELETION_BY_API,
    &DELETE_BY_API,
];

/// What is made to fail, as strace names it.
const CALLS: [&str; 5] = [
    "write,pwrite64,writev",
    "fsync,fdatasync",
    "rename,renameat,renameat2,link,linkat",
    "open,openat",
    "unlink,unlinkat",
];

/// How.
const FAULTS: [&str; 3] = ["error=EIO", "error=ENOSPC", "signal=KILL"];

/// A change that is not over after so long is cut off: its daemon is killed.
const PATIENCE: Duration = Duration::from_secs(10);

/// So many points of each case the test command tries.
const SAMPLE: u64 = 3;

/// The highest count that a sample tries; most transitions of a thread are over before.
const HIGHEST: u64 = 24;

/// A strace that fails one call of every thread.
struct Failing {
    strace: Child,
    output: PathBuf,
}

impl Failing {
    fn start(stage: &Stage, call: &str, fault: &str, count: u64) -> Self {
        let output = stage.world.path().join("strace");
        let daemon = stage.world.ready().pid;
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o"]).arg(&output).args(["-e", &format!("trace={call}")]);
        strace.args(["-e", &format!("inject={call}:{fault}:when={count}")]);
        for pid in family(daemon) {
            strace.args(["-p", &pid.to_string()]);
        }
        let strace = strace.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("strace starts");
        let mut failing = Self { strace, output };
        eventually("strace has the daemon", || {
            if let Some(status) = failing.strace.try_wait().expect("it can be asked for") {
                let mut words = String::new();
                let _ = failing.strace.stderr.take().map(|mut stderr| stderr.read_to_string(&mut words));
                panic!("strace ended: {status} {words}");
            }
            threads(daemon).iter().all(|thread| is_traced(daemon, *thread)).then_some(())
        });
        failing
    }

    /// Lets go; whether anything was made to fail.
    fn end(mut self) -> bool {
        // By any other signal it may wait for processes that are dead and that nobody waits for.
        self.strace.kill().expect("it is told");
        self.strace.wait().expect("it ends");
        let said = fs::read(&self.output).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).into_owned();
        said.contains("(INJECTED)") || said.contains("+++ killed by SIGKILL +++")
    }
}

/// A process and all that it started.
fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut at = 0;
    while let Some(parent) = all.get(at).copied() {
        for thread in threads(parent) {
            let children = fs::read_to_string(format!("/proc/{parent}/task/{thread}/children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        at += 1;
    }
    all
}

fn threads(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn is_traced(pid: u32, thread: u32) -> bool {
    // A thread that has ended meanwhile needs no tracing.
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/task/{thread}/status")) else { return true };
    !status.lines().any(|line| line == "TracerPid:\t0")
}

/// Runs a change; when it takes too long, everything in the world is killed, the client too.
fn in_time(stage: &Stage, change: impl FnOnce() -> Answer) -> Answer {
    let (over, told) = mpsc::channel::<()>();
    let path = stage.world.path();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if told.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                kill_all_at(path);
            }
        });
        let answer = change();
        drop(over);
        answer
    })
}

/// Kills every process that works in a directory or was told of it: the daemon, and every git of it, whoever its parent is
/// by now.
fn kill_all_at(directory: &Path) {
    let directory = directory.to_str().expect("text").as_bytes();
    let tells = |pid: u32| {
        let cwd = fs::read_link(format!("/proc/{pid}/cwd")).map(|cwd| cwd.into_os_string().into_encoded_bytes());
        let texts = ["cmdline", "environ"].map(|file| fs::read(format!("/proc/{pid}/{file}")));
        let mut texts = texts.into_iter().chain([cwd]).flatten();
        texts.any(|text| text.windows(directory.len()).any(|window| window == directory))
    };
    let processes = fs::read_dir("/proc").expect("there are processes").flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let pids: Vec<String> = numbers.filter(|pid| tells(*pid)).map(|pid| pid.to_string()).collect();
    // Some may be gone already.
    run(Command::new("kill").arg("-KILL").args(pids));
}

/// Tries one point; whether anything failed there.
fn attempt(stage: &mut Stage, case: &Case, workspace: &str, (call, fault, count): (&str, &str, u64)) -> bool {
    let url = stage.world.url("amy", "packages");
    stage.amy.git(&["remote", "set-url", "origin", &url]).ok();
    (case.before)(stage, workspace);
    settled_ledger(&stage.world);
    let at = format!("{} with {fault} at number {count} of {call}", case.name);
    assert_eq!(stage.lifecycle(workspace), case.states.0, "{at}: before");
    let kubeconfig = stage.world.kubeconfig("amy");
    assert!(kubeconfig.exists());

    let failing = Failing::start(stage, call, fault, count);
    let answer = in_time(stage, || (case.change)(stage, workspace));
    let failed = failing.end();
    // What is under way does not outlive this moment: every point ends with a crash.
    kill_all_at(stage.world.path());
    stage.world.revive();
    let url = stage.world.url("amy", "packages");
    stage.amy.git(&["remote", "set-url", "origin", &url]).ok();
    check(stage, case, workspace, &answer, &at);
    failed
}

/// Numbers that look random and are the same in every run of one seed.
fn scatter(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[test]
fn whatever_call_fails_the_state_is_legal_and_nothing_acknowledged_is_lost() {
    let whole = std::env::var_os("STOOP_SWEEP_WHOLE").is_some();
    let only = std::env::var("STOOP_SWEEP_ONLY").ok();
    let seed: u64 = std::env::var("STOOP_SWEEP_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut stage = Stage::new();
    stage.draft("w0");
    let (mut number, mut failed) = (0_u64, 0);
    let mut next = || {
        number += 1;
        format!("w{number}")
    };
    for (place, case) in CASES.iter().enumerate() {
        if only.as_deref().is_some_and(|only| only != case.name) {
            continue;
        }
        if !whole {
            for draw in 0..SAMPLE {
                let draw = scatter(seed.wrapping_mul(1_000_003).wrapping_add(place as u64 * SAMPLE + draw));
                let call = CALLS[(draw % 5) as usize];
                let fault = FAULTS[(draw / 5 % 3) as usize];
                let point = (call, fault, 1 + draw / 15 % HIGHEST);
                failed += usize::from(attempt(&mut stage, case, &next(), point));
            }
            continue;
        }
        for call in CALLS {
            for fault in FAULTS {
                let mut count = 1;
                while attempt(&mut stage, case, &next(), (call, fault, count)) {
                    (count, failed) = (count + 1, failed + 1);
                }
                eprintln!("{}: {fault} at each of {} calls of {call}", case.name, count - 1);
            }
        }
    }
    assert!(failed > 0, "nothing was ever made to fail");
    stage.world.fsck("packages").ok();
}
