//! Git's pkt-line framing: four hexadecimal digits of length, then the bytes; `0000` is a flush.
//!
//! Never here: what the lines mean.

use std::io::{self, Read, Write};

/// The most bytes one packet carries.
pub const MAX_PAYLOAD: usize = 65516;

/// One packet, without a line feed at its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet {
    /// Bytes.
    Line(Vec<u8>),
    /// The end of a section.
    Flush,
}

/// Reads one packet.
///
/// # Errors
/// The stream ends before the packet does, or its length is none that a packet can have.
pub fn read(from: &mut impl Read) -> io::Result<Packet> {
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "not a pkt-line");
    let mut head = [0; 4];
    from.read_exact(&mut head)?;
    if !head.iter().all(u8::is_ascii_hexdigit) {
        return Err(malformed());
    }
    let digits = std::str::from_utf8(&head).map_err(|_| malformed())?;
    let length = usize::from_str_radix(digits, 16).map_err(|_| malformed())?;
    if length == 0 {
        return Ok(Packet::Flush);
    }
    let length = length.checked_sub(4).filter(|length| *length <= MAX_PAYLOAD).ok_or_else(malformed)?;
    let mut line = vec![0; length];
    from.read_exact(&mut line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(Packet::Line(line))
}

/// Writes one packet; bytes beyond what a packet carries are cut off.
///
/// # Errors
/// Those of the stream.
pub fn write(to: &mut impl Write, line: &[u8]) -> io::Result<()> {
    let line = &line[..line.len().min(MAX_PAYLOAD)];
    write!(to, "{:04x}", line.len() + 4)?;
    to.write_all(line)
}

/// Ends a section.
///
/// # Errors
/// Those of the stream.
pub fn flush(to: &mut impl Write) -> io::Result<()> {
    to.write_all(b"0000")?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_back_as_written() {
        let mut bytes = Vec::new();
        write(&mut bytes, b"version=1\0atomic\n").expect("memory");
        write(&mut bytes, b"").expect("memory");
        flush(&mut bytes).expect("memory");
        let mut from = &bytes[..];
        assert_eq!(read(&mut from).expect("sound"), Packet::Line(b"version=1\0atomic".to_vec()));
        assert_eq!(read(&mut from).expect("sound"), Packet::Line(vec![]));
        assert_eq!(read(&mut from).expect("sound"), Packet::Flush);
        assert!(read(&mut from).is_err());
    }

    #[test]
    fn broken_packets_are_errors() {
        for bytes in ["", "00", "0001", "0003", "+004", "zzzz", "0008ab", "ffff"] {
            assert!(read(&mut bytes.as_bytes()).is_err(), "{bytes}");
        }
    }
}
