//! Reads the head of a CGI answer: header lines up to an empty one.
//!
//! Never here: the body.

use std::io;

use axum::http::{HeaderName, HeaderValue, StatusCode, response};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// The largest head that is taken, in bytes.
const MAX_HEAD_BYTES: u64 = 16 * 1024;

/// Reads the head and leaves `output` at the first byte of the body.
///
/// # Errors
/// The output ends, is too long or is no CGI head.
pub(super) async fn read_head<R: AsyncBufRead + Unpin>(output: &mut R) -> io::Result<response::Parts> {
    let broken = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    let (mut head, _) = axum::http::Response::new(()).into_parts();
    let mut limited = output.take(MAX_HEAD_BYTES);
    let mut line = Vec::new();
    loop {
        line.clear();
        limited.read_until(b'\n', &mut line).await?;
        let Some(text) = line.strip_suffix(b"\n") else {
            return Err(broken("the answer of git http-backend has no complete head"));
        };
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() {
            return Ok(head);
        }
        let colon = text.iter().position(|byte| *byte == b':').ok_or_else(|| broken("a header line has no colon"))?;
        let (name, value) = (&text[..colon], text[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"status") {
            let code = value.get(..3).unwrap_or(value);
            head.status = StatusCode::from_bytes(code).map_err(|_| broken("the status is no number"))?;
        } else {
            let name = HeaderName::from_bytes(name).map_err(|_| broken("a header has no valid name"))?;
            let value = HeaderValue::from_bytes(value).map_err(|_| broken("a header has no valid value"))?;
            head.headers.append(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn heads_are_read_and_bodies_left() {
        let mut output = b"Status: 404 Not Found\r\nContent-Type: text/plain\r\nExpires: x:y\r\n\r\nbody".as_slice();
        let head = read_head(&mut output).await.expect("a head");
        assert_eq!(head.status, StatusCode::NOT_FOUND);
        assert_eq!(head.headers["expires"], "x:y");
        assert_eq!(output, b"body");
        assert_eq!(read_head(&mut b"\n".as_slice()).await.expect("a head").status, StatusCode::OK);
        let long = vec![b'x'; 20_000];
        for mut bad in
            [b"".as_slice(), b"a: b\r\n", b"nonsense\r\n\r\n", b"Status: x\r\n\r\n", b"a b: c\r\n\r\n", &long]
        {
            assert!(read_head(&mut bad).await.is_err());
        }
    }
}
