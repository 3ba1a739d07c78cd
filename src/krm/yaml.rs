//! Reading YAML that anyone may send: with a bound on what it may cost.
//!
//! Two requests with three megabytes of `[` each kept a whole daemon from answering. So brackets are counted first. And a
//! list that is repeated by thousands of aliases is billions of values in a few kilobytes: where a text has aliases, what it
//! stands for is counted before it is built.
//! Never here: what a value means.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde_yaml::Value;

/// A text with more `[` and `{` than this is not read. Quotes are not looked at: what stands in them counts as well.
const MOST_BRACKETS: usize = 10_000;

/// A text with aliases that stands for more values than this is not read.
const MOST_VALUES: usize = 200_000;

/// Why a text cannot be read as YAML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum YamlError {
    /// It is not YAML, or not of the wanted shape; in the reader's words.
    #[error("{0}")]
    Broken(String),
    /// It might be nested too deeply.
    #[error("it has more than {MOST_BRACKETS} opening brackets, so it might be nested too deeply")]
    Brackets,
    /// Its aliases stand for too much.
    #[error("its aliases repeat so much that it would stand for more than {MOST_VALUES} values")]
    Aliases,
}

/// Reads one document.
///
/// # Errors
/// The text is not YAML of the wanted shape, has too many brackets, or its aliases stand for too much.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    bounded(text)?;
    serde_yaml::from_str(unmarked(text)).map_err(|error| YamlError::Broken(error.to_string()))
}

/// Checks that a text is one or more YAML documents.
///
/// # Errors
/// As [`read`].
pub fn check(text: &str) -> Result<(), YamlError> {
    each_document(text, drop)
}

/// Reads every document of a text.
///
/// # Errors
/// As [`read`].
pub fn documents(text: &str) -> Result<Vec<Value>, YamlError> {
    let mut documents = Vec::new();
    each_document(text, |document| documents.push(document))?;
    Ok(documents)
}

fn each_document(text: &str, mut take: impl FnMut(Value)) -> Result<(), YamlError> {
    bounded(text)?;
    for document in serde_yaml::Deserializer::from_str(unmarked(text)) {
        take(Value::deserialize(document).map_err(|error| YamlError::Broken(error.to_string()))?);
    }
    Ok(())
}

/// Without the byte order mark that some editors write, and that the reader would take for a document of its own.
fn unmarked(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn bounded(text: &str) -> Result<(), YamlError> {
    let brackets = text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).take(MOST_BRACKETS + 1).count();
    if brackets > MOST_BRACKETS {
        return Err(YamlError::Brackets);
    }
    if !(text.contains('&') && text.contains('*')) {
        return Ok(());
    }
    let left = Cell::new(MOST_VALUES);
    for document in serde_yaml::Deserializer::from_str(unmarked(text)) {
        // Whether it is YAML at all is found out by whoever reads it.
        if Count(&left).deserialize(document).is_err() {
            break;
        }
    }
    if left.get() == 0 { Err(YamlError::Aliases) } else { Ok(()) }
}

/// Counts values down, aliases followed; it fails at zero.
#[derive(Clone, Copy)]
struct Count<'c>(&'c Cell<usize>);

impl Count<'_> {
    fn one<E: Error>(self) -> Result<(), E> {
        self.0.set(self.0.get().saturating_sub(1));
        if self.0.get() == 0 { Err(E::custom("too many values")) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Count<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Count<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.one()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.one()
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<(), E> {
        self.one()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.one()
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<(), E> {
        self.one()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.one()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.one()
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.one()
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.one()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        self.one()?;
        while elements.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.one()?;
        while entries.next_key_seed(self)?.is_some() {
            entries.next_value_seed(self)?;
        }
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        let (_, value) = tagged.variant_seed(PhantomData::<String>)?;
        value.newtype_variant_seed(self)
    }
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
            // No nesting and few brackets: one long list, named thousands of times.
            format!("a: &a\n{}b:\n{}", "- x\n".repeat(20_000), "- *a\n".repeat(20_000)),
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
        let aliases = format!("a: &a {{x: !tag [1, 2.5, null, true]}}\nb:\n{}", "- *a\n".repeat(1000));
        assert_eq!(check(&aliases), Ok(()));
        assert_eq!(documents("a: 1\n---\nb: '&c'\n---\n- '*d'\n").map(|documents| documents.len()), Ok(3));
    }
}
