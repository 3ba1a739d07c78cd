//! Makes the text of strangers fit for a line that a terminal shows: nothing in it moves the cursor, hides or reorders text.
//!
//! Names, values and paths come from whoever pushed; somebody else reads them, and git prints a hook's lines as they are.
//! Never here: what a text means.

/// The text as one line of at most `most` characters. What a terminal would not simply show is written as an escape; what is
/// cut off is an ellipsis.
pub fn line(text: &str, most: usize) -> String {
    let mut out = String::with_capacity(text.len().min(most * 4));
    put(&mut out, text.chars(), most, |_| false);
    out
}

/// A text in quotes, `most` characters of it, from `start` on. Quotes and backslashes in it are escaped.
pub fn quoted(text: &str, start: usize, most: usize) -> String {
    let mut out = String::from("\"");
    if start > 0 {
        out.push('…');
    }
    put(&mut out, text.chars().skip(start), most, |c| matches!(c, '"' | '\\'));
    out.push('"');
    out
}

fn put(out: &mut String, mut chars: impl Iterator<Item = char>, most: usize, escaped: impl Fn(char) -> bool) {
    let mut left = most;
    while let Some(c) = chars.next() {
        let width = if is_plain(c) && !escaped(c) { 1 } else { c.escape_debug().len() };
        if width > left || (width == left && chars.by_ref().next().is_some()) {
            out.push('…');
            return;
        }
        left -= width;
        match is_plain(c) && !escaped(c) {
            true => out.push(c),
            false => out.extend(c.escape_debug()),
        }
    }
}

/// Whether a terminal simply shows it. A combining mark is shown on what is before it; format characters, which reorder or
/// hide text, and all controls are not plain.
fn is_plain(c: char) -> bool {
    if c.is_ascii() {
        return matches!(c, ' '..='~');
    }
    let mut buffer = [b'a'; 5];
    let length = c.encode_utf8(&mut buffer[1..]).len();
    // After another character only what is not printable is escaped.
    std::str::from_utf8(&buffer[..=length]).is_ok_and(|pair| pair.escape_debug().count() == 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_moves_hides_or_reorders_is_escaped() {
        for (text, want) in [
            ("plain: ä, 日本, a\u{301}, 'q'", "plain: ä, 日本, a\u{301}, 'q'"),
            ("\u{1b}[2J\u{9b}1A", "\\u{1b}[2J\\u{9b}1A"),
            ("a\nb\r\tc\0d\u{7f}", "a\\nb\\r\\tc\\0d\\u{7f}"),
            ("\u{202e}evil\u{2066}", "\\u{202e}evil\\u{2066}"),
            ("zero\u{200b}width\u{feff}\u{ad}", "zero\\u{200b}width\\u{feff}\\u{ad}"),
            ("line\u{2028}end", "line\\u{2028}end"),
        ] {
            assert_eq!(line(text, 1000), want);
        }
        assert_eq!(quoted("a \"b\" \\c", 0, 100), r#""a \"b\" \\c""#);
        assert_eq!(quoted("0123456789", 5, 3), "\"…56…\"");
        assert_eq!((line("abc", 3), line("abcd", 3)), ("abc".to_owned(), "ab…".to_owned()));
    }

    proptest! {
        #[test]
        fn a_line_is_short_and_plain(text in ".{0,200}", most in 1_usize..100) {
            for shown in [line(&text, most), quoted(&text, 0, most)] {
                prop_assert!(shown.chars().count() <= most + 3);
                let turns = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
                let bad = shown.chars().any(|c| c.is_control() || turns(c));
                prop_assert!(!bad, "{:?}", shown);
            }
        }
    }
}
