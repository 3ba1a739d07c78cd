//! Finds the line of a value in a YAML text, and keys that a mapping has twice.
//!
//! The YAML reader names the place of an error that a value raises while it is read. So to find a value, the text is read
//! once more and the value at the path raises one.
//! Never here: what the values mean.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// One step from a value to a value inside it.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    /// The value of this key.
    Key(&'a str),
    /// The element at this place, from 0.
    Index(usize),
}

/// Line and column, both from 1, of the value at `path`, or of the nearest value around it that exists.
pub(super) fn locate(text: &str, path: &[Step<'_>]) -> Option<(usize, usize)> {
    (0..=path.len()).rev().find_map(|length| {
        let error = Find(&path[..length]).deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
        error.location().map(|place| (place.line(), place.column()))
    })
}

/// Fails at the first key that its mapping has twice.
///
/// # Errors
/// The text is no YAML, or a key is there twice; the error knows the place.
pub(super) fn check_keys(text: &str) -> Result<(), serde_yaml::Error> {
    UniqueKeys.deserialize(serde_yaml::Deserializer::from_str(text))
}

struct Find<'a>(&'a [Step<'a>]);

impl<'de> DeserializeSeed<'de> for Find<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Find<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value that is looked for")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((step, rest)) = self.0.split_first() else { return Err(Error::custom("here")) };
        while let Some(key) = map.next_key::<String>()? {
            match step {
                Step::Key(wanted) if key == *wanted => map.next_value_seed(Find(rest))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Some((step, rest)) = self.0.split_first() else { return Err(Error::custom("here")) };
        for index in 0.. {
            let found = match step {
                Step::Index(wanted) if index == *wanted => list.next_element_seed(Find(rest))?.is_some(),
                _ => list.next_element::<IgnoredAny>()?.is_some(),
            };
            if !found {
                break;
            }
        }
        Ok(())
    }

    // Every scalar falls to the visitor's default methods, which fail, and so name the place. Only an empty value and
    // an alias need a word.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Err(E::custom("here"))
    }
}

struct UniqueKeys;

impl<'de> DeserializeSeed<'de> for UniqueKeys {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

macro_rules! scalars_pass {
    ($($method:ident: $type:ty),*) => {
        $(fn $method<E: Error>(self, _: $type) -> Result<(), E> {
            Ok(())
        })*
    };
}

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without tags")
    }

    scalars_pass!(visit_bool: bool, visit_i64: i64, visit_i128: i128, visit_u64: u64, visit_u128: u128, visit_f64: f64, visit_str: &str);

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while map.next_key_seed(NewKey(&mut seen))?.is_some() {
            map.next_value_seed(UniqueKeys)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(UniqueKeys)?.is_some() {}
        Ok(())
    }
}

struct NewKey<'a>(&'a mut HashSet<String>);

impl<'de> DeserializeSeed<'de> for NewKey<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for NewKey<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<(), E> {
        if self.0.insert(key.to_owned()) {
            return Ok(());
        }
        let key: String = key.chars().take(80).collect();
        Err(E::custom(format!("the key {key:?} is there twice in one mapping; keep one of the two")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_path() {
        let text = "a: 1\nb:\n- x: one\n- x: two\n  y:\n    z: {deep: yes}\nc:\n";
        let at = |path: &[Step<'_>]| locate(text, path);
        assert_eq!(at(&[Step::Key("a")]), Some((1, 4)));
        assert_eq!(at(&[Step::Key("b"), Step::Index(1), Step::Key("x")]), Some((4, 6)));
        let deep = [Step::Key("b"), Step::Index(1), Step::Key("y"), Step::Key("z"), Step::Key("deep")];
        assert_eq!(at(&deep), Some((6, 15)));
        assert_eq!(at(&[Step::Key("b"), Step::Index(0), Step::Key("missing")]), Some((3, 3)), "the nearest around it");
        assert_eq!(at(&[Step::Key("nothing")]), Some((1, 1)));
    }

    #[test]
    fn a_key_written_twice_is_found_at_its_second_place() {
        let error = check_keys("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n").expect_err("twice");
        let place = error.location().expect("known");
        assert_eq!((place.line(), place.column()), (5, 3));
        assert!(check_keys("a: {b: 1}\nb: {b: 1}\n").is_ok());
    }
}
