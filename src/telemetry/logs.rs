//! Structured logs on standard error, one line an event whatever is in it.
//!
//! Never here: what is logged, and where; each part tells its own deeds once.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// One readable line an event.
    #[default]
    Text,
    /// One JSON object an event.
    Json,
}

/// Logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is no filter.
    #[error("the log filter {0:?} cannot be read: {1}; write one as in info or stoop=debug,warn")]
    Filter(String, tracing_subscriber::filter::ParseError),
    /// It was done before.
    #[error("logging is set up already")]
    Twice,
}

/// Sends the process's logs to stderr. `filter` is in the form of `RUST_LOG`, for example `info` or `stoop=debug,warn`.
///
/// # Errors
/// The filter cannot be read, or logging is set up already.
pub fn init_logging(format: LogFormat, filter: &str) -> Result<(), LogError> {
    let parsed = EnvFilter::try_new(filter).map_err(|error| LogError::Filter(filter.to_owned(), error))?;
    // An event that cannot be written (a full disk under the log) is lost; telling of that, on stderr, would be a panic.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(|| OneLine(io::stderr()))
        .log_internal_errors(false);
    match format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(|_| LogError::Twice)
}

/// Keeps each event on one line. An event arrives in one piece; control characters in it come from what somebody sent (a
/// reason with a file's name, an error of git's), and could else pretend to be another event or play with a terminal.
#[derive(Debug)]
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let body = event.strip_suffix(b"\n").unwrap_or(event);
        let text = String::from_utf8_lossy(body);
        if text.chars().any(char::is_control) {
            let mut line = String::with_capacity(text.len() + 16);
            for c in text.chars() {
                if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
            }
            line.push_str(if body.len() < event.len() { "\n" } else { "" });
            self.0.write_all(line.as_bytes())?;
        } else {
            self.0.write_all(event)?;
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_broken_filter_is_told() {
        let error = init_logging(LogFormat::Text, "stoop=loud").expect_err("no such level").to_string();
        assert!(error.contains("\"stoop=loud\"") && error.contains("stoop=debug,warn"), "{error}");
    }

    #[derive(Debug, Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_in_an_event_makes_a_line_of_its_own() {
        let evil = "x\n2026-01-01 INFO stoop: approved\u{1b}[2K\u{85}\r";
        for json in [false, true] {
            let kept = Kept::default();
            let writer = kept.clone();
            let builder = tracing_subscriber::fmt().with_ansi(false).with_writer(move || OneLine(writer.clone()));
            let emit = || {
                tracing::info!(by = %evil, reason = ?evil, "{evil}");
                tracing::info!("second");
            };
            match json {
                false => tracing::subscriber::with_default(builder.finish(), emit),
                true => tracing::subscriber::with_default(builder.json().flatten_event(true).finish(), emit),
            }
            let text = String::from_utf8(kept.0.lock().expect("no panic").clone()).expect("text");
            assert_eq!(text.lines().count(), 2, "{text}");
            assert!(
                text.ends_with('\n') && !text.trim_end().contains(|c: char| c.is_control() && c != '\n'),
                "{text:?}"
            );
        }
    }
}
