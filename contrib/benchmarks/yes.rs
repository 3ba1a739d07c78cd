//! A hook that says yes at once: what a push is compared with. Compiled by `pushes.rs`, static and small as Stoop's own.
//!
//! `proc-receive` must answer in git's pkt-line protocol, and does; every other hook just ends. Never here: any check.

use std::io::{Read, Write, stdin, stdout};

fn main() {
    let name = std::env::args_os().next().unwrap_or_default();
    if name.as_encoded_bytes().ends_with(b"proc-receive") && proc_receive().is_none() {
        std::process::exit(1);
    }
}

fn proc_receive() -> Option<()> {
    let (mut input, mut output) = (stdin().lock(), stdout().lock());
    while packet(&mut input)?.is_some() {}
    output.write_all(b"000eversion=1\n0000").ok()?;
    output.flush().ok()?;
    let mut answer = Vec::new();
    while let Some(line) = packet(&mut input)? {
        let name = line.trim_ascii_end().rsplit(|byte| *byte == b' ').next()?;
        write!(answer, "{:04x}ok ", name.len() + 7).ok()?;
        answer.extend_from_slice(name);
    }
    output.write_all(&answer).ok()?;
    output.write_all(b"0000").ok()?;
    output.flush().ok()
}

/// The next packet's bytes; an inner `None` is a flush, an outer one the end.
fn packet(input: &mut impl Read) -> Option<Option<Vec<u8>>> {
    let mut head = [0; 4];
    input.read_exact(&mut head).ok()?;
    let length = usize::from_str_radix(std::str::from_utf8(&head).ok()?, 16).ok()?;
    let Some(length) = length.checked_sub(4) else { return Some(None) };
    let mut line = vec![0; length];
    input.read_exact(&mut line).ok()?;
    Some(Some(line))
}
