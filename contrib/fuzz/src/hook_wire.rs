//! The hook socket: bytes that anyone on the socket may send, read by the daemon as a request and by the stub as a reply.

use stoop_hook::wire::{
    Certificate, Fields, Hook, MAX_IDENTITY, MAX_LOGIN, MAX_OPTIONS, Process, Pusher, Reply, Request, Scanner, State,
    Update, Variable, Verdict, WireError, read_frame,
};

use super::input::Input;

/// Reads the bytes as both, and writes both anew from values that the bytes describe.
pub fn run(data: &[u8]) {
    request(data);
    reply(data);
    scanner(data);
    let made = make_request(data);
    let bytes = made.encode().expect("a small request fits");
    assert_eq!(Request::decode(&bytes), Ok(made), "a request that the stub can make is read as it was");
    let made = make_reply(data);
    let bytes = made.encode().expect("a small reply fits");
    assert_eq!(Reply::decode(&bytes), Ok(made), "a reply that the daemon can make is read as it was");
}

fn request(data: &[u8]) {
    let Ok(request) = Request::decode(data) else { return };
    let written = request.encode().expect("what was read can be written");
    assert!(written.len() <= data.len(), "the same fields take no more bytes");
    assert_eq!(Request::decode(&written).as_ref(), Ok(&request));
    assert!(request.git_dir.is_absolute());
    for path in [&request.quarantine, &request.object_directory].into_iter().flatten() {
        assert!(path.is_absolute());
    }
    let fits = |pusher| match pusher {
        Pusher::Name(name) => (1..=MAX_IDENTITY).contains(&name.len()),
        Pusher::Login(file) => (1..=MAX_LOGIN).contains(&file.len()),
    };
    assert!(request.pusher.is_none_or(fits));
    assert!(request.options.iter().map(Vec::len).sum::<usize>() <= MAX_OPTIONS);
    for update in &request.updates {
        assert!(!update.name.is_empty() && !update.name.iter().any(|byte| *byte <= b' ' || *byte == 0x7f));
        let line = [update.old.as_bytes(), update.new.as_bytes(), &update.name].join(&b' ');
        assert_eq!(Update::parse(&line).as_ref(), Some(update));
    }
}

fn reply(data: &[u8]) {
    let Ok(reply) = Reply::decode(data) else { return };
    let written = reply.encode().expect("what was read can be written");
    assert_eq!(written.len(), data.len(), "the same fields take the same bytes");
    assert_eq!(Reply::decode(&written).as_ref(), Ok(&reply));
    assert!(reply.verdicts.iter().all(|verdict| !verdict.name.is_empty() && !verdict.name.contains(&b' ')));
}

/// However the bytes arrive, the scanner says the same of them, and the same as the reader of fields.
fn scanner(data: &[u8]) {
    let at_once = Scanner::default().is_whole(data);
    let step = 1 + data.first().map_or(0, |byte| usize::from(*byte) % 40);
    let mut scanner = Scanner::default();
    let mut by_steps = Ok(false);
    for end in (0..data.len()).step_by(step).chain([data.len()]) {
        by_steps = scanner.is_whole(&data[..end]);
        match &by_steps {
            Ok(false) => {}
            // Bytes after the end: seen only once they are there.
            Ok(true) if end < data.len() => {
                assert_eq!(at_once, Err(WireError::Trailing));
                by_steps = at_once.clone();
                break;
            }
            _ => break,
        }
    }
    assert_eq!(by_steps.is_ok(), at_once.is_ok(), "by steps of {step}: {by_steps:?}, at once: {at_once:?}");
    assert_eq!(by_steps.unwrap_or(false), at_once.clone().unwrap_or(false));
    let fields = Fields::of(data).and_then(|fields| fields.collect::<Result<Vec<_>, _>>());
    match (&fields, &at_once) {
        (Ok(_), at_once) => assert_eq!(*at_once, Ok(true)),
        (Err(error), Ok(true)) => assert_eq!(*error, WireError::Value("end".to_owned())),
        (Err(WireError::Truncated), at_once) => assert_eq!(*at_once, Ok(false)),
        (Err(_), at_once) => assert!(at_once.is_err(), "{at_once:?}"),
    }
    match read_frame(data) {
        Ok(frame) => assert!(at_once == Ok(true) && frame == data),
        Err(_) => assert_ne!(at_once, Ok(true)),
    }
}

fn id(byte: u8) -> String {
    match byte % 5 {
        0 => "0".repeat(40),
        1 => "0".repeat(64),
        2 => "ref:refs/heads/main".to_owned(),
        _ => format!("{byte:02x}").repeat(20),
    }
}

/// Bytes without those that no ref name can hold.
fn name(line: &[u8]) -> Vec<u8> {
    let name: Vec<u8> = line.iter().copied().filter(|byte| *byte > b' ' && *byte != 0x7f).collect();
    if name.is_empty() { b"x".to_vec() } else { name }
}

fn make_request(data: &[u8]) -> Request {
    let mut input = Input::new(data);
    let hook = input.pick(&[
        Hook::PreReceive,
        Hook::PostReceive,
        Hook::ProcReceive { atomic: true },
        Hook::ProcReceive { atomic: false },
        Hook::ReferenceTransaction(State::Prepared),
        Hook::ReferenceTransaction(State::Committed),
        Hook::ReferenceTransaction(State::Aborted),
    ]);
    let given = input.byte();
    let path = |input: &mut Input<'_>, bit: u8| {
        let line: Vec<u8> = input.line().iter().copied().filter(|byte| *byte != 0).take(4000).collect();
        (given & bit != 0).then(|| {
            use std::os::unix::ffi::OsStringExt;
            std::ffi::OsString::from_vec([b"/".to_vec(), line].concat()).into()
        })
    };
    let git_dir = path(&mut input, 0).unwrap_or_else(|| "/srv/git/a.git".into());
    let (quarantine, object_directory) = (path(&mut input, 1), path(&mut input, 2));
    let said = Some(input.line().to_vec()).filter(|said| (1..=MAX_IDENTITY).contains(&said.len()));
    let by_login = |said: &Vec<u8>| said.starts_with(b"publickey ");
    let pusher = said.map(|said| if by_login(&said) { Pusher::Login(said) } else { Pusher::Name(said) });
    let process = (given & 4 != 0).then(|| Process { pid: u32::from(given) << 20, start: u64::MAX - u64::from(given) });
    let certificate = (given & 8 != 0).then(|| {
        let directory = input.line().iter().copied().filter(|byte| *byte != 0).take(4000).collect();
        Certificate { blob: format!("{:02x}", given | 1).repeat(20), directory }
    });
    let (mut options, mut updates) = (Vec::new(), Vec::new());
    while !input.is_empty() && options.len() + updates.len() < 200 {
        let kind = input.byte();
        if kind & 1 == 0 {
            options.push(input.line().to_vec());
        } else {
            updates.push(Update { old: id(kind), new: id(kind / 2), name: name(input.line()) });
        }
    }
    if options.iter().map(Vec::len).sum::<usize>() > MAX_OPTIONS {
        options.clear();
    }
    let variables = Variable::new("GITEA_PUSHER_ID", &format!("{given}")).into_iter().collect();
    Request { hook, git_dir, process, quarantine, object_directory, pusher, certificate, variables, options, updates }
}

fn make_reply(data: &[u8]) -> Reply {
    let mut input = Input::new(data);
    let mut reply = Reply { accept: input.byte() & 1 == 0, ..Reply::default() };
    while !input.is_empty() {
        let kind = input.byte();
        let line = input.line();
        let text = String::from_utf8_lossy(line).into_owned();
        match kind % 3 {
            0 => reply.lines.push(text.replace('\t', "\n")),
            1 => reply.verdicts.push(Verdict { name: name(line), refusal: None }),
            _ => reply.verdicts.push(Verdict { name: name(line), refusal: Some(text) }),
        }
    }
    reply
}
