//! Patterns for repositories and packages: `*` is any text without a slash, `**` any number of whole segments.
//!
//! Never here: what is matched against them.

/// A pattern. `net/**` covers `net`, `net/router` and all below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(String);

/// The longest pattern, in bytes.
const LONGEST: usize = 1024;

impl Glob {
    /// Takes a pattern.
    ///
    /// # Errors
    /// The sentence says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() || text.len() > LONGEST {
            return Err("a pattern has 1 to 1,024 bytes");
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || "?[]{}!\\".contains(c)) {
            return Err("only * and ** are special in a pattern; it holds none of ? [ ] { } ! \\ and no space");
        }
        for segment in text.split('/') {
            match segment {
                "" => return Err("a pattern has no empty segment and no slash at its ends"),
                "**" => {}
                _ if segment.contains("**") => return Err("** stands alone between slashes, as in net/**"),
                _ => {}
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it has more than one segment.
    pub fn has_slash(&self) -> bool {
        self.0.contains('/')
    }

    /// Whether it covers a path. Takes time in proportion to both lengths, whatever the pattern.
    pub fn matches(&self, path: &str) -> bool {
        let path: Vec<&str> = path.split('/').collect();
        // `covered[i]`: the pattern so far covers the first `i` segments of the path.
        let mut covered = vec![false; path.len() + 1];
        covered[0] = true;
        for pattern in self.0.split('/') {
            let before = covered.clone();
            if pattern == "**" {
                (1..covered.len()).for_each(|at| covered[at] |= covered[at - 1]);
            } else {
                covered[0] = false;
                (1..covered.len()).for_each(|at| covered[at] = before[at - 1] && segment(pattern, path[at - 1]));
            }
        }
        covered[path.len()]
    }
}

/// Whether one segment's pattern covers one segment: the last `*` seen takes more each time the rest does not fit.
fn segment(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((at, taken)) = star {
            (p, t, star) = (at + 1, taken + 1, Some((at, taken + 1)));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_in_its_segment_and_two_do_not() {
        for (pattern, yes, no) in [
            ("**", &["a", "a/b/c"][..], &[][..]),
            ("*", &["a"], &["a/b"]),
            ("net/**", &["net", "net/a", "net/a/b"], &["network", "a/net", "nett/a"]),
            ("**/router", &["router", "a/router", "a/b/router"], &["a/router/b", "xrouter"]),
            ("net/**/v*", &["net/v", "net/a/v1", "net/a/b/v2"], &["net", "net/a/x", "v1"]),
            ("*-prod", &["a-prod", "-prod"], &["a-prod-b", "x/a-prod"]),
            ("a*b*c", &["abc", "aXbYc", "abbbc"], &["ab", "acb", "abcd"]),
            ("a.b", &["a.b"], &["axb"]),
        ] {
            let glob = Glob::parse(pattern).expect(pattern);
            yes.iter().for_each(|path| assert!(glob.matches(path), "{pattern} covers {path}"));
            no.iter().for_each(|path| assert!(!glob.matches(path), "{pattern} does not cover {path}"));
        }
        for bad in ["", "/", "a/", "/a", "a//b", "a**", "***", "a?b", "[a]", "{a,b}", "!a", "a b", "a\\b"] {
            assert!(Glob::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn no_pattern_takes_long() {
        let pattern = "**/*a*a*a*a*a*b/".repeat(60);
        let pattern = Glob::parse(pattern[..900].trim_end_matches(['/', '*'])).expect("good");
        assert!(!pattern.matches(&"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/".repeat(30)[..960]));
    }
}
