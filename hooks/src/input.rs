//! What git writes to a hook's standard input: lines `<old> <new> <ref>`, read once, handed on to the kept hook as they come.
//!
//! Never here: holding more than the limit in memory.

use std::io::{self, BufRead, BufReader, Read};

use crate::guard::{Guard, may_be_managed};
use crate::kept::Kept;
use crate::wire::{MAX_FRAME, Update};

const MAX_LINE: u64 = 64 << 10;
/// What the updates of one request may take, in bytes; the rest of the frame is for the other fields.
const MAX_UPDATES: usize = MAX_FRAME - (1 << 20);
/// What an update's frame field adds to its line, at most.
const FIELD: usize = 16;

/// Reads all lines, feeds the kept hook, and calls `take` with every line (without its line feed).
pub(crate) fn each_line(
    from: impl Read,
    kept: &mut Kept,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut from = BufReader::with_capacity(64 << 10, from);
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut from).take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        kept.feed(&line);
        match line.strip_suffix(b"\n") {
            Some(text) => take(text)?,
            None => return Err(malformed()),
        }
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "git gave this hook a line that is not \"<old> <new> <ref>\"")
}

/// The ref updates of a push or a transaction.
#[derive(Default)]
pub(crate) struct Updates {
    /// Those that the daemon is to hear of.
    pub(crate) updates: Vec<Update>,
    /// The first that may be managed.
    pub(crate) managed: Option<Vec<u8>>,
    /// Whether there were more than fit into one request; `updates` is empty then.
    pub(crate) overflow: bool,
    bytes: usize,
}

impl Updates {
    /// All updates of a push: the verdict is for the whole.
    pub(crate) fn of_push(kept: &mut Kept, guard: &Guard) -> io::Result<Self> {
        Self::read(kept, guard, |_| true)
    }

    /// Only those of a transaction that may be managed.
    pub(crate) fn of_transaction(kept: &mut Kept, guard: &Guard) -> io::Result<Self> {
        Self::read(kept, guard, |managed| managed)
    }

    fn read(kept: &mut Kept, guard: &Guard, wanted: impl Fn(bool) -> bool) -> io::Result<Self> {
        let mut found = Self::default();
        each_line(io::stdin().lock(), kept, |line| {
            let name = line.splitn(3, |byte| *byte == b' ').nth(2).ok_or_else(malformed)?;
            let managed = may_be_managed(name, guard);
            if managed && found.managed.is_none() {
                found.managed = Some(name.to_vec());
            }
            if !wanted(managed) || found.overflow {
                return Ok(());
            }
            found.bytes += line.len() + FIELD;
            if found.bytes > MAX_UPDATES {
                (found.overflow, found.updates) = (true, Vec::new());
            } else {
                found.updates.push(Update::parse(line).ok_or_else(malformed)?);
            }
            Ok(())
        })?;
        Ok(found)
    }
}

/// What to say when a push is too large to be judged.
pub(crate) fn too_large(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    format!(
        "This changes more refs at once than Stoop can judge, and {name} is one that it may manage; push {name} by itself."
    )
}
