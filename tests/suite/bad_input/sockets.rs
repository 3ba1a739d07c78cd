//! Clients of the hook socket that send nothing, garbage, half of it or too much, and stay.
//!
//! Never here: single malformed frames (see the tests of `hooks::server`).

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::steady::{Steady, memory, serves_to};
use crate::steps::P;
use crate::support::World;

/// How much more memory the daemon may take for all of them, in KiB.
const GROWTH: u64 = 128 << 10;

fn connect(world: &World) -> UnixStream {
    let stream = UnixStream::connect(&world.ready().socket).expect("the socket is open");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a deadline");
    stream
}

#[test]
fn clients_that_stay_are_sent_away_and_stop_nobody() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    let (steady, refs) = (Steady::now(&world), world.refs("packages"));
    let before = memory(&world, "VmHWM");
    let git_dir = world.bare("packages");
    let git_dir = git_dir.to_str().expect("text");
    let head = format!("version 1\n1\nhook 12\npost-receive\ngit-dir {}\n{git_dir}\n", git_dir.len());
    // They write a part of a request that never ends, and go on listening.
    let large = [format!("{head}option 30000000\n").into_bytes(), vec![b'x'; 3 << 20]].concat();
    let beginnings: [&[u8]; 5] =
        [b"", b"v", head.as_bytes(), &head.as_bytes()[..20], b"version 1\n1\nupdate 999999\nx"];
    let mut staying: Vec<UnixStream> = Vec::new();
    for at in 0..120 {
        let mut stream = connect(&world);
        stream.write_all(beginnings[at % beginnings.len()]).expect("taken");
        staying.push(stream);
    }
    let heavy: Vec<_> = (0..8)
        .map(|_| {
            let (mut stream, large) = (connect(&world), large.clone());
            stream.set_nonblocking(true).expect("set");
            // As much as is taken at once; only a few large ones are read at one time.
            let _ = stream.write(&large);
            stream
        })
        .collect();
    let begun = Instant::now();
    serves_to(&world, &ann);
    assert!(begun.elapsed() < Duration::from_secs(20), "others waited {:?}", begun.elapsed());
    // What says nothing that Stoop understands is cut off at once.
    for garbage in [
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        b"\x00\xff\x16\x03\x01",
        b"version 1\n1\nupdate 99999999999999999999\n",
        b"version 1\n1\nupdate 99999999\n",
        b"version 1\n1\nupdate -1\n",
        b"version 1\n1\nend 0\n\n",
    ] {
        let mut stream = connect(&world);
        stream.write_all(garbage).expect("taken");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    }
    assert!(begun.elapsed() < Duration::from_secs(25), "garbage was waited for");
    // And those that stay, after half a minute.
    for mut stream in staying {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the daemon ends it");
        assert!(answer.is_empty());
    }
    drop(heavy);
    assert!(world.log().contains("it sent no whole request in time"), "the log tells of them");
    let grown = memory(&world, "VmHWM") - before;
    assert!(grown < GROWTH, "it grew by {grown} KiB");
    assert_eq!(world.refs("packages"), refs);
    steady.nothing_left();
    serves_to(&world, &ann);
}

#[test]
fn a_request_that_lies_gets_nothing_by_it() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    let commit = ann.package(P, "one");
    ann.propose(P, "w1").ok();
    let steady = Steady::now(&world);
    let git_dir = world.bare("packages").canonicalize().expect("there");
    let elsewhere = world.path().to_owned();
    let zero = "0".repeat(40);
    for (hook, directory, quarantine) in [
        ("pre-receive", &git_dir, "/etc"),
        ("pre-receive", &git_dir, "/proc/self/root"),
        ("pre-receive", &git_dir, "/nowhere"),
        ("pre-receive", &elsewhere, ""),
        ("reference-transaction prepared", &git_dir, ""),
        ("post-receive", &git_dir, ""),
        ("proc-receive", &elsewhere, ""),
        ("no-such-hook", &git_dir, ""),
    ] {
        let update = format!("{zero} {commit} refs/stoop/ledger");
        let mut frame = String::from("version 1\n1\n");
        let mut field = |key: &str, value: &str| frame += &format!("{key} {}\n{value}\n", value.len());
        let (name, state) = hook.split_once(' ').unwrap_or((hook, ""));
        field("hook", name);
        if !state.is_empty() {
            field("state", state);
        }
        field("git-dir", directory.to_str().expect("text"));
        if !quarantine.is_empty() {
            field("quarantine", quarantine);
        }
        field("identity", "ada");
        field("update", &update);
        frame += "end 0\n\n";
        let mut stream = connect(&world);
        stream.write_all(frame.as_bytes()).expect("taken");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains("root:"), "{answer}");
        let accepted = answer.contains("accept 3\nyes");
        assert_eq!(accepted, hook == "post-receive", "{hook} {quarantine}: {answer}");
        steady.unchanged();
    }
    assert_eq!(crate::steps::lifecycle(&world, "w1"), "Proposed");
    steady.nothing_left();
    serves_to(&world, &world.clone("ann", "packages"));
}
