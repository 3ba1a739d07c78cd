//! Label selectors, in the full grammar of Kubernetes: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`.
//!
//! Never here: field selectors (see `field_selector`).

use std::collections::BTreeMap;

use super::status::ApiError;

/// A parsed label selector; the empty one matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LabelSelector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Missing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Comma,
    Open,
    Close,
    Equal,
    NotEqual,
    Not,
}

impl LabelSelector {
    /// Parses a selector; a text that is none gets a 400 that says why.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let fail = |why: String| ApiError::bad_request(format!("unable to parse labelSelector {text:?}: {why}"));
        let mut parser = Parser { tokens: tokens(text).map_err(fail)?, at: 0 };
        let mut requirements = Vec::new();
        if parser.peek().is_none() {
            return Ok(Self::default());
        }
        loop {
            requirements.push(parser.requirement().map_err(fail)?);
            match parser.next() {
                None => return Ok(Self(requirements)),
                Some(Token::Comma) => {}
                Some(other) => return Err(fail(format!("found {other:?} where ',' or the end was expected"))),
            }
        }
    }

    /// Whether it selects everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether labels match.
    pub(crate) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            match &requirement.test {
                Test::In(values) => value.is_some_and(|value| values.contains(value)),
                Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
                Test::Exists => value.is_some(),
                Test::Missing => value.is_none(),
            }
        })
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            ',' => (Token::Comma, 1),
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '=' if rest.starts_with("==") => (Token::Equal, 2),
            '=' => (Token::Equal, 1),
            '!' if rest.starts_with("!=") => (Token::NotEqual, 2),
            '!' => (Token::Not, 1),
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || ",()=!".contains(c)).unwrap_or(rest.len());
                (Token::Word(rest[..end].to_owned()), end)
            }
        };
        if let Token::Word(word) = &token {
            check_word(word)?;
        }
        found.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(found)
}

fn check_word(word: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if word.len() <= 317 && word.chars().all(good) {
        return Ok(());
    }
    Err(format!("{word:?} is no label key or value: letters, digits, '-', '_', '.' and one '/' in keys are allowed"))
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn key(&mut self) -> Result<String, String> {
        match self.next() {
            Some(Token::Word(word)) => label_key(&word).map(|()| word),
            other => Err(format!("found {} where a label key was expected", shown(other.as_ref()))),
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        if self.peek() == Some(&Token::Not) {
            self.at += 1;
            return Ok(Requirement { key: self.key()?, test: Test::Missing });
        }
        let key = self.key()?;
        let test = match self.peek() {
            None | Some(Token::Comma) => Test::Exists,
            Some(Token::Equal) => {
                self.at += 1;
                Test::In(vec![self.value()?])
            }
            Some(Token::NotEqual) => {
                self.at += 1;
                Test::NotIn(vec![self.value()?])
            }
            Some(Token::Word(word)) if word == "in" => {
                self.at += 1;
                Test::In(self.values()?)
            }
            Some(Token::Word(word)) if word == "notin" => {
                self.at += 1;
                Test::NotIn(self.values()?)
            }
            other => return Err(format!("found {} where an operator was expected", shown(other))),
        };
        Ok(Requirement { key, test })
    }

    /// One value; nothing before `,` or the end is the empty value.
    fn value(&mut self) -> Result<String, String> {
        match self.peek() {
            None | Some(Token::Comma | Token::Close) => Ok(String::new()),
            Some(Token::Word(word)) => {
                let word = word.clone();
                label_value(&word)?;
                self.at += 1;
                Ok(word)
            }
            other => Err(format!("found {} where a label value was expected", shown(other))),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        if self.next() != Some(Token::Open) {
            return Err("a list of values in parentheses must follow 'in' and 'notin'".to_owned());
        }
        let mut values = vec![self.value()?];
        loop {
            match self.next() {
                Some(Token::Comma) => values.push(self.value()?),
                Some(Token::Close) => return Ok(values),
                other => return Err(format!("found {} where ',' or ')' was expected", shown(other.as_ref()))),
            }
        }
    }
}

fn shown(token: Option<&Token>) -> String {
    match token {
        None => "the end".to_owned(),
        Some(Token::Word(word)) => format!("{word:?}"),
        Some(Token::Comma) => "','".to_owned(),
        Some(Token::Open) => "'('".to_owned(),
        Some(Token::Close) => "')'".to_owned(),
        Some(Token::Equal) => "'='".to_owned(),
        Some(Token::NotEqual) => "'!='".to_owned(),
        Some(Token::Not) => "'!'".to_owned(),
    }
}

/// Whether a text can be a label or annotation key: an optional DNS prefix and `/`, then a name of at most 63 characters.
pub(crate) fn label_key(key: &str) -> Result<(), String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let dns = |text: &str| {
        !text.is_empty()
            && text.len() <= 253
            && text.split('.').all(|part| {
                !part.is_empty()
                    && !part.starts_with('-')
                    && !part.ends_with('-')
                    && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            })
    };
    if prefix.is_some_and(|prefix| !dns(prefix)) {
        return Err(format!("the prefix of key {key:?} is no DNS name"));
    }
    if name.is_empty() || !is_name(name) {
        return Err(format!(
            "the name part of key {key:?} must have 1 to 63 letters, digits, '-', '_' or '.', starting and ending with a letter or digit"
        ));
    }
    Ok(())
}

/// Whether a text can be a label's value: empty, or as the name part of a key.
pub(crate) fn label_value(value: &str) -> Result<(), String> {
    if value.is_empty() || is_name(value) {
        return Ok(());
    }
    Err(format!(
        "value {value:?} must be empty or have at most 63 letters, digits, '-', '_' or '.', starting and ending with a letter or digit"
    ))
}

fn is_name(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_match_as_in_kubernetes() {
        let labels: BTreeMap<String, String> =
            [("app", "web"), ("tier", "1"), ("kpt.dev/latest-revision", "true"), ("empty", "")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into();
        for (text, want) in [
            ("", true),
            ("app=web", true),
            ("app==web,tier=1", true),
            ("app = db", false),
            ("app!=web", false),
            ("nope!=x", true),
            ("app in (db, web)", true),
            ("app notin (db,web)", false),
            ("nope notin (a)", true),
            ("app", true),
            ("nope", false),
            ("!nope", true),
            ("! app", false),
            ("empty=", true),
            ("app=,tier=1", false),
            ("app in (,web)", true),
            ("kpt.dev/latest-revision=true", true),
            ("in=x", false),
        ] {
            assert_eq!(LabelSelector::parse(text).map(|s| s.matches(&labels)), Ok(want), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for text in
            ["=", "a in b", "a in (b", "a b", ",", "a,", "a=b=c", "!", "a in", "a>1", "ü=1", "-a", "a=b c", "a!b"]
        {
            assert_eq!(LabelSelector::parse(text).map_err(|e| e.code().as_u16()), Err(400), "{text:?}");
        }
    }
}
