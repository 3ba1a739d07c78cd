//! Talking: to the daemon over its socket, and to the pusher over standard error.
//!
//! Never here: what to do when the daemon does not answer (see `offline`).

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::wire::{Reply, Request, read_frame};

/// How long a hook waits for a decision.
pub(crate) const DECISION: Duration = Duration::from_secs(30);
/// How long a hook waits until the daemon has taken note of what cannot be changed any more.
pub(crate) const NOTICE: Duration = Duration::from_secs(1);

/// Asks the daemon. `None` when there is no answer in time that can be read.
pub(crate) fn ask(socket: &Path, request: &Request, wait: Duration) -> Option<Reply> {
    let bytes = request.encode().ok()?;
    let (sender, receiver) = mpsc::channel();
    let socket = socket.to_owned();
    // A thread, since connecting to a socket with a full queue has no time limit of its own.
    let exchange = move || {
        let reply = UnixStream::connect(socket).ok().and_then(|mut stream| {
            stream.write_all(&bytes).ok()?;
            Reply::decode(&read_frame(&mut stream).ok()?).ok()
        });
        // The receiver is gone when the time is up.
        let _ = sender.send(reply);
    };
    thread::Builder::new().spawn(exchange).ok()?;
    receiver.recv_timeout(wait).ok()?
}

/// Prints lines for the pusher, who sees them behind `remote: `. Control characters would reach a terminal: they become `?`.
pub(crate) fn say(text: &str) {
    let printable = |c: char| if c.is_control() && c != '\t' { '?' } else { c };
    let mut shown = String::with_capacity(text.len() + 1);
    for line in text.split('\n') {
        shown.extend(line.trim_end_matches('\r').chars().map(printable));
        shown.push('\n');
    }
    // A pusher who is gone must not stop the hook.
    let _ = std::io::stderr().lock().write_all(shown.as_bytes());
}

/// Prints a reply: its lines, or the refusals when it refuses without any line.
pub(crate) fn say_reply(reply: &Reply) {
    for line in &reply.lines {
        say(line);
    }
    if reply.lines.is_empty() && !reply.accept {
        for verdict in &reply.verdicts {
            if let Some(refusal) = &verdict.refusal {
                say(&format!("{}: {refusal}", String::from_utf8_lossy(&verdict.name)));
            }
        }
    }
}
