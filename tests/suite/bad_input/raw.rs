//! Pushes and requests that no git client and no HTTP library would send, byte for byte.
//!
//! Never here: what the answers should be.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::support::World;

/// A pack of no objects, with its checksum.
const EMPTY_PACK: &[u8] =
    b"PACK\0\0\0\x02\0\0\0\0\x02\x9d\x08\x82\x3b\xd8\xa8\xea\xb5\x10\xad\x6a\xc7\x5c\x82\x3c\xfd\x3e\xd3\x1e";

/// The id that stands for no object.
pub(crate) const ZERO: &str = "0000000000000000000000000000000000000000";

/// A `Basic` header line for a user.
pub(crate) fn basic(user: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{user}:stoop_{user}")))
}

/// A connection to the Git door, with a deadline for reading.
pub(crate) fn connect(world: &World) -> TcpStream {
    let address = world.ready().git.strip_prefix("http://").expect("plain HTTP");
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a deadline");
    stream
}

/// Sends bytes to the Git door and returns all that comes back until the server ends the connection.
pub(crate) fn send(world: &World, request: &[u8]) -> String {
    let mut stream = connect(world);
    // A server may stop reading from somebody whom it refuses.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// The same from a client that says it will send no more.
pub(crate) fn send_all(world: &World, request: &[u8]) -> String {
    let mut stream = connect(world);
    let _ = stream.write_all(request);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// One pkt-line.
pub(crate) fn pkt(payload: &[u8]) -> Vec<u8> {
    let mut line = format!("{:04x}", payload.len() + 4).into_bytes();
    line.extend_from_slice(payload);
    line
}

/// The body of a push: ref updates as `(old, new, name)`, push options, and a pack without objects.
pub(crate) fn push_body(updates: &[(&str, &str, &[u8])], options: &[&[u8]]) -> Vec<u8> {
    let mut body = Vec::new();
    for (at, (old, new, name)) in updates.iter().enumerate() {
        let mut line = [old.as_bytes(), b" ", new.as_bytes(), b" ", name].concat();
        if at == 0 {
            line.extend_from_slice(b"\0report-status");
            line.extend_from_slice(if options.is_empty() { b"" } else { b" push-options" });
        }
        body.extend(pkt(&line));
    }
    body.extend_from_slice(b"0000");
    if !options.is_empty() {
        options.iter().for_each(|option| body.extend(pkt(option)));
        body.extend_from_slice(b"0000");
    }
    if updates.iter().any(|(_, new, _)| *new != ZERO) {
        body.extend_from_slice(EMPTY_PACK);
    }
    body
}

/// The head of a push with more header lines.
pub(crate) fn push_head(user: &str, more: &str) -> String {
    format!(
        "POST /packages.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-git-receive-pack-request\r\n\
         Connection: close\r\n{}{more}\r\n",
        basic(user)
    )
}

/// Pushes by hand; returns the whole answer.
pub(crate) fn push(world: &World, user: &str, updates: &[(&str, &str, &[u8])], options: &[&[u8]]) -> String {
    let body = push_body(updates, options);
    let head = push_head(user, &format!("Content-Length: {}\r\n", body.len()));
    send(world, &[head.as_bytes(), &body].concat())
}
