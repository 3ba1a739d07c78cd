//! Reading YAML that anyone may send: with a bound on what it may cost.
//!
//! Two requests with three megabytes of `[` each kept a whole daemon from answering. So brackets are counted first.
//! Never here: what a value means.

use serde::de::DeserializeOwned;

/// A text with more `[` and `{` than this is not read. Quotes are not looked at: what stands in them counts as well.
const MOST_BRACKETS: usize = 10_000;

/// Why a text cannot be read as YAML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum YamlError {
    /// It is not YAML, or not of the wanted shape; in the reader's words.
    #[error("{0}")]
    Broken(String),
    /// It might be nested too deeply.
    #[error("it has more than {MOST_BRACKETS} opening brackets, so it might be nested too deeply")]
    Brackets,
}

/// Reads one document.
///
/// # Errors
/// The text is not YAML of the wanted shape, or has too many brackets.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    bounded(text)?;
    serde_yaml::from_str(unmarked(text)).map_err(|error| YamlError::Broken(error.to_string()))
}

/// Checks that a text is one or more YAML documents.
///
/// # Errors
/// As [`read`].
pub fn check(text: &str) -> Result<(), YamlError> {
    use serde::Deserialize;
    bounded(text)?;
    for document in serde_yaml::Deserializer::from_str(unmarked(text)) {
        serde_yaml::Value::deserialize(document).map_err(|error| YamlError::Broken(error.to_string()))?;
    }
    Ok(())
}

/// Without the byte order mark that some editors write, and that the reader would take for a document of its own.
fn unmarked(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn bounded(text: &str) -> Result<(), YamlError> {
    let brackets = text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).take(MOST_BRACKETS + 1).count();
    if brackets > MOST_BRACKETS { Err(YamlError::Brackets) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn hostile_texts_cost_little() {
        let bomb: String = (0..9).fold("a0: &a0 x\n".to_owned(), |text, at| {
            format!("{text}a{}: &a{} [{}]\n", at + 1, at + 1, vec![format!("*a{at}"); 9].join(","))
        });
        let texts = [
            "[".repeat(1 << 20),
            "{".repeat(1 << 20),
            "[".repeat(MOST_BRACKETS),
            "- ".repeat(1 << 19),
            "? ".repeat(1 << 19),
            "a: ".repeat(1 << 18),
            bomb,
        ];
        for text in texts {
            let begun = Instant::now();
            assert!(read::<serde_yaml::Value>(&text).is_err(), "{:.20}", text);
            assert!(check(&text).is_err(), "{:.20}", text);
            assert!(begun.elapsed() < Duration::from_secs(20), "{:.20} took {:?}", text, begun.elapsed());
        }
    }

    #[test]
    fn what_people_write_is_read() {
        assert_eq!(read::<Vec<u8>>("[1, 2]"), Ok(vec![1, 2]));
        assert_eq!(read::<Vec<u8>>("\u{feff}- 1\n- 2\n"), Ok(vec![1, 2]));
        assert_eq!(check("a: {b: [1]}\n---\nc: d\n"), Ok(()));
        assert_eq!(check(&"- {a: [1]}\n".repeat(MOST_BRACKETS / 2)), Ok(()));
    }
}
