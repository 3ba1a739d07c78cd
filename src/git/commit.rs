//! Commits as they are read: everything that can be made out, even of what git itself would not have written.
//!
//! Tools of twenty years have written commits. One with an impossible date must not hide a package.
//! Never here: looking objects up (`reader`) and writing them (`write`).

use crate::domain::oid::ObjectId;

/// A commit, with everything that is read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its object id.
    pub id: ObjectId,
    /// The id of its root tree.
    pub tree: ObjectId,
    /// Its parents, in order.
    pub parents: Vec<ObjectId>,
    /// Who made the change, and when.
    pub author: Person,
    /// Who made the commit, and when.
    pub committer: Person,
    /// The message; what is not UTF-8 in it is replaced.
    pub message: String,
}

/// Who did something, and when, as commits keep it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Person {
    /// The name.
    pub name: String,
    /// The mail address.
    pub email: String,
    /// Seconds since 1970 in UTC; 0 where the commit's own cannot be read.
    pub seconds: i64,
    /// How many seconds local time was ahead of UTC.
    pub offset_seconds: i32,
}

impl Commit {
    /// Reads the content of a commit object: the tree, then the parents, then the rest, as git does.
    ///
    /// # Errors
    /// What is missing, in words: the tree, or a parent's object id.
    pub fn parse(id: ObjectId, content: &[u8]) -> Result<Self, &'static str> {
        let (header, message) = match content.windows(2).position(|pair| pair == b"\n\n") {
            Some(end) => (&content[..end], &content[end + 2..]),
            None => (content, &b""[..]),
        };
        let mut lines = header.split(|byte| *byte == b'\n').peekable();
        let tree = lines.next().and_then(|line| object(line, b"tree ", id)).ok_or("it does not begin with its tree")?;
        let mut parents = Vec::new();
        while let Some(line) = lines.next_if(|line| line.starts_with(b"parent ")) {
            parents.push(object(line, b"parent ", id).ok_or("a parent is not an object id")?);
        }
        let mut people = [b"author ".as_slice(), b"committer "]
            .map(|key| lines.next_if(|line| line.starts_with(key)).map(|line| Person::parse(&line[key.len()..])));
        let [author, committer] = people.each_mut().map(Option::take);
        Ok(Self {
            id,
            tree,
            parents,
            author: author.unwrap_or_default(),
            committer: committer.unwrap_or_default(),
            message: String::from_utf8_lossy(message).into_owned(),
        })
    }
}

impl Person {
    /// Reads `Name <mail> 1700000000 +0100`; what is missing or no number is left empty or 0.
    fn parse(line: &[u8]) -> Self {
        let line = String::from_utf8_lossy(line);
        let Some((name, rest)) = line.split_once('<') else {
            return Self { name: line.trim().to_owned(), ..Self::default() };
        };
        let (email, when) = rest.rsplit_once('>').unwrap_or((rest, ""));
        let mut when = when.split_ascii_whitespace();
        let seconds = when.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let offset_seconds = when.next().and_then(offset).unwrap_or(0);
        Self { name: name.trim().to_owned(), email: email.trim().to_owned(), seconds, offset_seconds }
    }
}

/// An object id of the same hash as `like`, after a keyword.
fn object(line: &[u8], key: &[u8], like: ObjectId) -> Option<ObjectId> {
    let id: ObjectId = std::str::from_utf8(line.strip_prefix(key)?).ok()?.parse().ok()?;
    (id.zero_like() == like.zero_like()).then_some(id)
}

/// Reads `+hhmm` as seconds.
fn offset(text: &str) -> Option<i32> {
    let number: i32 = text.parse().ok().filter(|_| text.len() <= 5)?;
    Some((number / 100 * 60 + number % 100) * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_clock_says_is_left_out() {
        for (line, seconds, offset_seconds) in [
            ("A <a> 5 +0130", 5, 5400),
            ("A <a> 5 -0130", 5, -5400),
            ("A <a> 5 +2147483647", 5, 0),
            ("A <a> 99999999999999999999 x", 0, 0),
        ] {
            let want = Person { name: "A".to_owned(), email: "a".to_owned(), seconds, offset_seconds };
            assert_eq!(Person::parse(line.as_bytes()), want, "{line}");
        }
    }
}
