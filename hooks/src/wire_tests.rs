//! Tests of the wire format: round trips, and that no broken input is taken or panics.
//!
//! Never here: sockets.

use super::*;

const ZERO: &str = "0000000000000000000000000000000000000000";
const ONE: &str = "1111111111111111111111111111111111111111";

fn request(hook: Hook) -> Request {
    let update = |old: &str, new: &str, name: &[u8]| Update { old: old.into(), new: new.into(), name: name.to_vec() };
    Request {
        hook,
        git_dir: "/srv/git/a b.git".into(),
        process: Some(Process { pid: 4711, start: 12_345_678_901 }),
        quarantine: Some("/srv/git/a b.git/objects/tmp_objdir-incoming-x".into()),
        object_directory: Some("/srv/git/a b.git/objects/tmp_objdir-incoming-x".into()),
        pusher: Some(Pusher::Name(b"alice \xff".to_vec())),
        certificate: Some(Certificate { blob: ONE.into(), directory: b"../a b.git \xff".to_vec() }),
        variables: Variable::new("GITEA_PUSHER_ID", "5").into_iter().collect(),
        options: vec![b"import".to_vec(), Vec::new(), b"message=two\nlines".to_vec()],
        updates: vec![
            update(ZERO, ONE, b"refs/heads/drafts/p/w"),
            update(ONE, ZERO, b"refs/tags/\xc3\xa4"),
            update(&"a".repeat(64), "ref:refs/heads/x", b"refs/heads/y"),
        ],
    }
}

fn hooks() -> Vec<Hook> {
    let mut hooks = vec![Hook::PreReceive, Hook::PostReceive];
    hooks.extend([true, false].map(|atomic| Hook::ProcReceive { atomic }));
    hooks.extend([State::Prepared, State::Committed, State::Aborted].map(Hook::ReferenceTransaction));
    hooks
}

fn reply() -> Reply {
    Reply {
        accept: true,
        lines: vec!["published p v3".into(), String::new(), "next: git fetch ä".into()],
        verdicts: vec![
            Verdict { name: b"refs/approve/p/w".to_vec(), refusal: None },
            Verdict { name: b"refs/approve/p/x".to_vec(), refusal: Some("not proposed: push it first".into()) },
            Verdict { name: b"refs/approve/p/y".to_vec(), refusal: Some(String::new()) },
        ],
    }
}

#[test]
fn every_request_comes_back_as_sent() {
    for hook in hooks() {
        let full = request(hook);
        let none = (None, None, None, None);
        let bare = Request { options: vec![], updates: vec![], variables: vec![], ..full.clone() };
        let (process, quarantine, object_directory, pusher) = none;
        let bare = Request { process, quarantine, object_directory, pusher, certificate: None, ..bare };
        let login = Request { pusher: Some(Pusher::Login(b"publickey a b\n".to_vec())), ..full.clone() };
        for request in [full, bare, login] {
            assert_eq!(Request::decode(&request.encode().expect("small")), Ok(request));
        }
    }
}

#[test]
fn every_reply_comes_back_as_sent() {
    for reply in [reply(), Reply::default()] {
        assert_eq!(Reply::decode(&reply.encode().expect("small")), Ok(reply));
    }
}

fn frame(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut frame = FrameWriter::new();
    for (key, value) in fields {
        frame.field(key, value);
    }
    frame.finish().expect("small")
}

#[test]
fn requests_with_wrong_fields_are_refused() {
    let good: [(&str, &[u8]); 2] = [("hook", b"pre-receive"), ("git-dir", b"/r")];
    assert!(Request::decode(&frame(&good)).is_ok());
    let long = vec![b'x'; MAX_OPTIONS + 1];
    let update = |line: &str| line.as_bytes().to_vec();
    let extra: Vec<(&str, Vec<u8>)> = vec![
        ("hook", b"pre-receive".to_vec()),
        ("git-dir", b"/r".to_vec()),
        ("state", b"prepared".to_vec()),
        ("atomic", b"yes".to_vec()),
        ("unknown", vec![]),
        ("process", b"1".to_vec()),
        ("process", b"+1 2".to_vec()),
        ("process", b"-1 2".to_vec()),
        ("process", b"99999999999 2".to_vec()),
        ("quarantine", b"relative".to_vec()),
        ("quarantine", b"/a\0b".to_vec()),
        ("identity", vec![]),
        ("identity", vec![b'x'; MAX_IDENTITY + 1]),
        ("login", vec![]),
        ("login", vec![b'x'; MAX_LOGIN + 1]),
        ("variable", b"A".to_vec()),
        ("variable", b"A=".to_vec()),
        ("variable", b"1=x".to_vec()),
        ("variable", b"A=x\ny".to_vec()),
        ("variable", [&b"A="[..], &vec![b'x'; 257]].concat()),
        ("option", long),
        ("update", update("")),
        ("update", update(&format!("{ZERO} {ONE}"))),
        ("update", update(&format!("{ZERO} {ONE} "))),
        ("update", update(&format!("{ZERO} {ONE} refs/a b"))),
        ("update", update(&format!("{ZERO} {ONE} refs/a\nb"))),
        ("update", update(&format!("{ZERO} {}A refs/a", &ONE[1..]))),
        ("update", update(&format!("{ZERO} ref: refs/a"))),
        ("update", update(&format!("{} {ONE} refs/a", &ZERO[1..]))),
    ];
    for (key, value) in extra {
        let mut fields = good.to_vec();
        fields.push((key, &value));
        assert_eq!(Request::decode(&frame(&fields)).map_err(|e| e.to_string().contains("field")), Err(true), "{key}");
    }
    for missing in [&[("hook", &b"pre-receive"[..])][..], &[("git-dir", &b"/r"[..])], &[("hook", b"update")], &[]] {
        assert!(Request::decode(&frame(missing)).is_err());
    }
}

#[test]
fn replies_with_wrong_fields_are_refused() {
    let cases: [&[(&str, &[u8])]; 8] = [
        &[],
        &[("accept", b"maybe")],
        &[("accept", b"yes"), ("accept", b"yes")],
        &[("accept", b"yes"), ("line", b"\xff")],
        &[("accept", b"yes"), ("ok", b"")],
        &[("accept", b"yes"), ("ok", b"two words")],
        &[("accept", b"yes"), ("ng", b"refs/a")],
        &[("accept", b"yes"), ("ng", b" reason")],
    ];
    for fields in cases {
        assert!(Reply::decode(&frame(fields)).is_err(), "{fields:?}");
    }
}

/// A small generator of pseudo-random numbers, so that every run tests the same.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

#[test]
fn a_damaged_message_is_refused_or_reads_as_another_valid_one() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let requests: Vec<_> = hooks().into_iter().map(|hook| request(hook).encode().expect("small")).collect();
    let reply = reply().encode().expect("small");
    for _ in 0..20_000 {
        let which = random.below(requests.len() + 1);
        let mut bytes = requests.get(which).unwrap_or(&reply).clone();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] = random.below(256) as u8,
                1 if bytes.len() > 1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"0123456789 \nend"[random.below(15)]),
                _ => bytes.truncate(at.max(1)),
            }
        }
        if let Ok(request) = Request::decode(&bytes) {
            assert_eq!(Request::decode(&request.encode().expect("small")), Ok(request));
        }
        if let Ok(reply) = Reply::decode(&bytes) {
            assert_eq!(Reply::decode(&reply.encode().expect("small")), Ok(reply));
        }
        let whole = Scanner::default().is_whole(&bytes);
        if Request::decode(&bytes).is_ok() {
            assert_eq!(whole, Ok(true));
        }
    }
}
