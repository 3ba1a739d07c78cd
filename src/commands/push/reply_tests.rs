//! Tests of the words of the reply to a refused push. What is told of an accepted one is tested in `told`.

use super::*;
use crate::domain::refusal::Code;

fn refs(count: usize, refusal: impl Fn(usize) -> Option<Refusal>) -> Vec<(RefName, Option<Refusal>)> {
    let name = |at: usize| RefName::parse(&format!("refs/heads/drafts/net/router/w{at}")).expect("valid");
    (0..count).map(|at| (name(at), refusal(at))).collect()
}

#[test]
fn a_refusal_of_thousands_of_refs_stays_readable() {
    let other = |at: usize| Some(Refusal::new(Code::BadName, format!("bad {at}")).next("rename"));
    let lines = refused(&refs(5000, |at| if at == 9 { None } else { other(at) }), true);
    assert_eq!(lines.len(), 24);
    assert_eq!(
        lines[22..],
        [
            "  and 4992 more refs that were refused: 4992 bad-name",
            "  1 other ref of this push would have been accepted"
        ]
    );
    let same = refused(&refs(5000, |_| Some(Refusal::new(Code::Busy, "no").next("wait"))), true);
    assert_eq!(same[1..], ["  refs/heads/drafts/net/router/w0 and 4999 other refs [busy]", "    no", "    wait"]);
}

#[test]
fn without_hints_only_the_reason_is_told() {
    let refs = refs(1, |_| Some(Refusal::new(Code::Busy, "it is busy").next("wait")));
    assert_eq!(refused(&refs, false)[1..], ["  refs/heads/drafts/net/router/w0 [busy]", "    it is busy"]);
}

#[test]
fn no_refusal_moves_the_cursor_or_fills_the_screen() {
    let evil = format!("\u{1b}[2J\n\u{202e}{}", "x".repeat(100_000));
    let refusal = Refusal::new(Code::BadName, evil.clone()).next(evil);
    for lines in [refused(&refs(1, |_| Some(refusal.clone())), true), refused_whole(&refusal, true)] {
        assert_eq!(lines.len(), 4);
        for line in lines.iter().chain([&reason(&refusal)]) {
            assert!(line.chars().count() <= 600 && !line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{line}");
        }
    }
}
