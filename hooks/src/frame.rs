//! The frame that a request or a reply travels in: fields `<key> <length>\n<bytes>\n`, the first one `version 1`, closed by
//! `end 0\n\n`. Strict: whatever is not exactly that is an error.
//!
//! Never here: what the fields mean (see `wire`), and sockets.

use std::fmt;
use std::io::{self, Read};

/// The most bytes one frame may have.
pub const MAX_FRAME: usize = 32 << 20;
/// The most bytes a key may have.
const MAX_KEY: usize = 32;
/// The most digits a length may have: enough for [`MAX_FRAME`].
const MAX_DIGITS: usize = 8;
const END: &[u8] = b"end 0\n\n";

/// Why bytes are not a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WireError {
    /// The frame has more than [`MAX_FRAME`] bytes.
    TooLarge,
    /// The frame ends before its `end` field.
    Truncated,
    /// Bytes follow the `end` field.
    Trailing,
    /// The first field is not `version 1`.
    Version,
    /// The field that begins at this byte has no valid head or is not closed by a line feed.
    Field(usize),
    /// The field of this name is not known, comes twice, is missing, or its value cannot be read.
    Value(String),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "the message is larger than {MAX_FRAME} bytes"),
            Self::Truncated => f.write_str("the message ends too early"),
            Self::Trailing => f.write_str("bytes follow the end of the message"),
            Self::Version => f.write_str("the message does not begin with version 1 of the hook protocol"),
            Self::Field(at) => write!(f, "the field at byte {at} is malformed"),
            Self::Value(key) => write!(f, "field {key:?} is unknown, repeated, missing or malformed"),
        }
    }
}

impl std::error::Error for WireError {}

/// Builds a frame field by field.
#[derive(Debug)]
pub struct FrameWriter(Vec<u8>);

impl Default for FrameWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameWriter {
    /// A frame with the version field in it.
    pub fn new() -> Self {
        let mut frame = Self(Vec::with_capacity(1024));
        frame.field("version", b"1");
        frame
    }

    /// Adds a field. `key` is 1 to 32 bytes of `a-z` and `-`.
    pub fn field(&mut self, key: &str, value: &[u8]) {
        self.0.extend_from_slice(format!("{key} {}\n", value.len()).as_bytes());
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
    }

    /// Closes the frame; an error if it has grown too large.
    pub fn finish(mut self) -> Result<Vec<u8>, WireError> {
        self.0.extend_from_slice(END);
        if self.0.len() > MAX_FRAME { Err(WireError::TooLarge) } else { Ok(self.0) }
    }
}

struct Field<'a> {
    key: &'a str,
    value: &'a [u8],
    next: usize,
}

/// Reads the field that begins at `at`; `None` when the buffer ends before the field does.
fn field(bytes: &[u8], at: usize) -> Result<Option<Field<'_>>, WireError> {
    let rest = bytes.get(at..).unwrap_or_default();
    let head = &rest[..rest.len().min(MAX_KEY + 1 + MAX_DIGITS + 1)];
    let malformed = || WireError::Field(at);
    let Some(line) = head.iter().position(|byte| *byte == b'\n') else {
        let complete = rest.len() > MAX_KEY + 1 + MAX_DIGITS;
        return if complete || !could_begin_head(head) { Err(malformed()) } else { Ok(None) };
    };
    let head = std::str::from_utf8(&head[..line]).map_err(|_| malformed())?;
    let (key, digits) = head.split_once(' ').ok_or_else(malformed)?;
    let key_ok =
        (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let digits_ok = (1..=MAX_DIGITS).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    if !key_ok || !digits_ok {
        return Err(malformed());
    }
    let length: usize = digits.parse().map_err(|_| malformed())?;
    let start = at + line + 1;
    let end = start + length;
    if end >= MAX_FRAME {
        return Err(WireError::TooLarge);
    }
    match bytes.get(end) {
        None => Ok(None),
        Some(b'\n') => Ok(Some(Field { key, value: &bytes[start..end], next: end + 1 })),
        Some(_) => Err(malformed()),
    }
}

fn could_begin_head(head: &[u8]) -> bool {
    head.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-' || *byte == b' ')
}

/// Finds the end of a frame in a buffer that grows, without reading anything twice.
#[derive(Debug, Default)]
pub struct Scanner {
    at: usize,
}

impl Scanner {
    /// Looks at the buffer, which begins with what earlier calls have seen. `true` once the frame is whole.
    pub fn is_whole(&mut self, bytes: &[u8]) -> Result<bool, WireError> {
        while let Some(found) = field(bytes, self.at)? {
            if self.at == 0 && (found.key != "version" || found.value != b"1") {
                return Err(WireError::Version);
            }
            self.at = found.next;
            if found.key == "end" {
                return if bytes.len() == self.at { Ok(true) } else { Err(WireError::Trailing) };
            }
        }
        if bytes.len() > MAX_FRAME { Err(WireError::TooLarge) } else { Ok(false) }
    }
}

/// The fields of a whole frame, without `version` and `end`.
#[derive(Debug)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    done: bool,
}

impl<'a> Fields<'a> {
    /// Begins to read a frame; an error if it is too large or of another version.
    pub fn of(bytes: &'a [u8]) -> Result<Self, WireError> {
        if bytes.len() > MAX_FRAME {
            return Err(WireError::TooLarge);
        }
        let first = field(bytes, 0)?.ok_or(WireError::Truncated)?;
        if first.key != "version" || first.value != b"1" {
            return Err(WireError::Version);
        }
        Ok(Self { bytes, at: first.next, done: false })
    }

    fn step(&mut self) -> Result<Option<(&'a str, &'a [u8])>, WireError> {
        let found = field(self.bytes, self.at)?.ok_or(WireError::Truncated)?;
        self.at = found.next;
        if found.key != "end" {
            return Ok(Some((found.key, found.value)));
        }
        if !found.value.is_empty() {
            return Err(WireError::Value("end".to_owned()));
        }
        if self.at == self.bytes.len() { Ok(None) } else { Err(WireError::Trailing) }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(&'a str, &'a [u8]), WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step().transpose();
        self.done = !matches!(step, Some(Ok(_)));
        step
    }
}

/// Reads one whole frame from a stream, and not a byte more than the limit.
pub fn read_frame(mut from: impl Read) -> io::Result<Vec<u8>> {
    let broken = |error: WireError| io::Error::new(io::ErrorKind::InvalidData, error);
    let mut bytes = Vec::new();
    let mut scanner = Scanner::default();
    let mut chunk = vec![0; 16 << 10];
    while !scanner.is_whole(&bytes).map_err(broken)? {
        match from.read(&mut chunk) {
            Ok(0) => return Err(broken(WireError::Truncated)),
            Ok(count) => bytes.extend_from_slice(chunk.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, WireError> {
        Fields::of(bytes)?.map(|field| field.map(|(key, value)| (key.to_owned(), value.to_vec()))).collect()
    }

    #[test]
    fn fields_come_back_as_written() {
        let mut frame = FrameWriter::new();
        frame.field("a-key", b"two\nlines\0");
        frame.field("empty", b"");
        let bytes = frame.finish().expect("small");
        assert_eq!(bytes, b"version 1\n1\na-key 10\ntwo\nlines\0\nempty 0\n\nend 0\n\n");
        let want = vec![("a-key".to_owned(), b"two\nlines\0".to_vec()), ("empty".to_owned(), vec![])];
        assert_eq!(all(&bytes), Ok(want));
        assert_eq!(read_frame(&bytes[..]).expect("whole"), bytes);
    }

    #[test]
    fn malformed_frames_are_errors() {
        let cases: [(&[u8], WireError); 16] = [
            (b"", WireError::Truncated),
            (b"version 1\n2\nend 0\n\n", WireError::Version),
            (b"hook 1\n1\nend 0\n\n", WireError::Version),
            (b"end 0\n\n", WireError::Version),
            (b"version 1\n1\n", WireError::Truncated),
            (b"version 1\n1\nend 0\n", WireError::Truncated),
            (b"version 1\n1\nend 0\n\nx", WireError::Trailing),
            (b"version 1\n1\nend 1\nx\n", WireError::Value("end".to_owned())),
            (b"version 1\n1\nKey 0\n\nend 0\n\n", WireError::Field(12)),
            (b"version 1\n1\nkey 01\nx\nend 0\n\n", WireError::Field(12)),
            (b"version 1\n1\nkey +1\nx\nend 0\n\n", WireError::Field(12)),
            (b"version 1\n1\nkey  1\nx\nend 0\n\n", WireError::Field(12)),
            (b"version 1\n1\nkey 1\nxy\nend 0\n\n", WireError::Field(12)),
            (b"version 1\n1\n 1\nx\nend 0\n\n", WireError::Field(12)),
            (b"version 1\n1\nkey 40000000\nx\nend 0\n\n", WireError::TooLarge),
            (b"GET / HTTP/1.1\r\n\r\n", WireError::Field(0)),
        ];
        for (bytes, want) in cases {
            let shown = String::from_utf8_lossy(bytes).into_owned();
            assert_eq!(all(bytes).expect_err(&shown), want, "{shown}");
        }
    }

    #[test]
    fn a_scanner_finds_the_end_whatever_the_chunks_and_refuses_garbage_early() {
        let mut frame = FrameWriter::new();
        frame.field("line", b"end 0\n\n");
        let bytes = frame.finish().expect("small");
        let mut scanner = Scanner::default();
        for length in 0..bytes.len() {
            assert_eq!(scanner.is_whole(&bytes[..length]), Ok(false), "{length}");
        }
        assert_eq!(scanner.is_whole(&bytes), Ok(true));
        assert_eq!(Scanner::default().is_whole(b"GET / HT"), Err(WireError::Field(0)));
        assert_eq!(Scanner::default().is_whole(&[b'a'; 60]), Err(WireError::Field(0)));
    }

    #[test]
    fn a_frame_over_the_limit_is_neither_written_nor_read() {
        let mut frame = FrameWriter::new();
        frame.field("line", &vec![b'x'; MAX_FRAME]);
        assert_eq!(frame.finish(), Err(WireError::TooLarge));
        assert_eq!(Fields::of(&vec![b'x'; MAX_FRAME + 1]).map(|_| ()), Err(WireError::TooLarge));
    }
}
