//! Reads Rust source far enough to see which paths it names: comments, strings and tests fall away, `use` groups are spread.
//!
//! Never here: rules.

/// The code of a file without comments, the contents of strings, and test modules at its end.
pub(crate) fn code(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (skip, put) = match rest {
            ['/', '/', ..] => (rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()), ""),
            ['/', '*', ..] => (block_comment(rest), " "),
            ['r', '"' | '#', ..] if !in_word(&bytes, at) && raw_string(rest).is_some() => {
                (raw_string(rest).unwrap_or(1), "\"\"")
            }
            ['"', ..] => (string(rest), "\"\""),
            ['\'', '\\', ..] => (2 + rest[2..].iter().skip(1).position(|c| *c == '\'').map_or(0, |end| end + 2), "' '"),
            ['\'', _, '\'', ..] => (3, "' '"),
            _ => {
                out.push(rest[0]);
                (1, "")
            }
        };
        out.push_str(put);
        at += skip.max(1);
    }
    match out.find("#[cfg(test)]\nmod tests {") {
        Some(tests) => out[..tests].to_owned(),
        None => out,
    }
}

fn in_word(text: &[char], at: usize) -> bool {
    at > 0 && (text[at - 1].is_alphanumeric() || text[at - 1] == '_')
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at + 1 < rest.len() {
        match (rest[at], rest[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn string(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string(rest: &[char]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let closes =
        |at: &usize| rest[*at] == '"' && rest[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
    (2 + hashes..rest.len()).find(closes).map(|at| at + 1 + hashes)
}

/// Every path that the code names, with `use` groups spread, `self` and `super` resolved to `crate::…`.
pub(crate) fn paths(code: &str, module: &[String]) -> Vec<Vec<String>> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if is_name(&tokens[at]) {
            at = path(&tokens, at, &mut Vec::new(), &mut found);
        } else {
            at += 1;
        }
    }
    found.into_iter().map(|path| resolve(path, module)).collect()
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in code.chars() {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            tokens.push(std::mem::take(&mut word));
        }
        match c {
            ':' if tokens.last().is_some_and(|last| last == ":") => {
                tokens.pop();
                tokens.push("::".to_owned());
            }
            c if c.is_whitespace() => {}
            c => tokens.push(c.to_string()),
        }
    }
    tokens.push(word);
    tokens
}

/// Reads one path or tree of paths from `at`, and returns where it ends.
fn path(tokens: &[String], mut at: usize, before: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    let token = |at: usize| tokens.get(at).map(String::as_str);
    let depth = before.len();
    loop {
        match token(at) {
            Some(name) if is_name(name) => before.push(name.to_owned()),
            Some("{") => {
                at += 1;
                while token(at).is_some_and(|token| token != "}") {
                    at = if token(at).is_some_and(is_name) { path(tokens, at, before, found) } else { at + 1 };
                }
                before.truncate(depth);
                return at + 1;
            }
            _ => break,
        }
        at += 1;
        if token(at) != Some("::") {
            break;
        }
        at += 1;
    }
    found.push(before.clone());
    before.truncate(depth);
    at
}

fn resolve(path: Vec<String>, module: &[String]) -> Vec<String> {
    let mut here: Vec<String> = [vec!["crate".to_owned()], module.to_vec()].concat();
    let steps = path.iter().take_while(|part| *part == "self" || *part == "super").count();
    if steps == 0 {
        return path;
    }
    for part in &path[..steps] {
        if part == "super" {
            here.pop();
        }
    }
    here.extend(path[steps..].iter().cloned());
    here
}

#[test]
fn the_reader_sees_what_is_named_and_nothing_else() {
    let text = r##"
        //! gix::in_a_comment
        use std::{collections::BTreeMap, time::{Duration, SystemTime}};
        use crate::{api::routes as r, hooks};
        use super::super::daemon::serve;
        /* notify::in_a_comment /* nested */ */
        fn f<'a>(c: char) -> &'a str { let _ = ('"', '\'', r#"sled::in " a string"#, "axum::\"x"); ::tokio::spawn(x) }
    "##;
    let text = format!("{text}\n#[cfg(test)]\nmod tests {{ use gix::x; }}");
    let module = ["api".to_owned(), "objects".to_owned(), "x".to_owned()];
    let found: Vec<String> = paths(&code(&text), &module).iter().map(|path| path.join("::")).collect();
    for wanted in [
        "std::collections::BTreeMap",
        "std::time::Duration",
        "std::time::SystemTime",
        "crate::api::routes",
        "crate::hooks",
        "crate::api::daemon::serve",
        "tokio::spawn",
    ] {
        assert!(found.iter().any(|path| path == wanted), "{wanted} is not in {found:?}");
    }
    for hidden in ["gix", "notify", "sled", "axum"] {
        assert!(!found.iter().any(|path| path.starts_with(hidden)), "{hidden} is in {found:?}");
    }
}
