//! Push options: whatever a client gives with `git push -o`, as git tells the stub, the stub hands it on and the daemon takes
//! it.

use stoop_hook::commands::Commands;
use stoop_hook::pkt_line::{self, Packet};
use stoop_hook::wire::{Hook, MAX_OPTIONS, Request, Update};

/// Options are the lines of the input after the first byte, which says how often they come.
pub fn run(data: &[u8]) {
    told(data);
    let Some((times, lines)) = data.split_first() else { return };
    let once: Vec<Vec<u8>> = lines.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let times = if *times < 250 { times % 8 } else { *times };
    let mut room = 2 * MAX_OPTIONS;
    let options = (0..=times).flat_map(|_| once.clone()).take_while(|option| {
        room = room.saturating_sub(option.len());
        room > 0
    });
    let options: Vec<Vec<u8>> = options.take(5000).collect();
    asked_by_git(&options);
    handed_on(options);
}

/// Whatever git might say, the stub reads it or gives up; and packets are read as they are written.
fn told(data: &[u8]) {
    let mut answer = Vec::new();
    if let Ok(commands) = Commands::read(&mut &*data, &mut answer) {
        assert!(commands.updates.len() * 80 < data.len() && commands.options.len() * 4 < data.len());
        assert!(answer.starts_with(b"00") && answer.ends_with(b"0000"));
    }
    let mut left = data;
    while let Ok(Packet::Line(line)) = pkt_line::read(&mut left) {
        let mut written = Vec::new();
        pkt_line::write(&mut written, &line).expect("memory");
        assert_eq!(pkt_line::read(&mut &*written).ok(), Some(Packet::Line(trimmed(&line))));
    }
}

/// A packet's line ends with one line feed or with none.
fn trimmed(line: &[u8]) -> Vec<u8> {
    line.strip_suffix(b"\n").unwrap_or(line).to_vec()
}

/// Options reach `proc-receive` as they are.
fn asked_by_git(options: &[Vec<u8>]) {
    let update = Update { old: "0".repeat(40), new: "1".repeat(40), name: b"refs/approve/a/w".to_vec() };
    let mut said = Vec::new();
    let mut write = |line: &[u8]| pkt_line::write(&mut said, line).expect("memory");
    write(b"version=1\0push-options atomic\n");
    said.extend(b"0000");
    let line = [update.old.as_bytes(), update.new.as_bytes(), &update.name].join(&b' ');
    pkt_line::write(&mut said, &line).expect("memory");
    said.extend(b"0000");
    options.iter().for_each(|option| pkt_line::write(&mut said, option).expect("memory"));
    said.extend(b"0000");
    let read = Commands::read(&mut &*said, &mut Vec::new()).expect("what git says is read");
    assert_eq!((read.atomic, read.updates.as_slice(), read.options.as_slice()), (true, &[update][..], options));
}

/// The daemon takes them as they are, or, where they are too many, refuses what the stub refuses as well.
fn handed_on(options: Vec<Vec<u8>>) {
    let bytes: usize = options.iter().map(Vec::len).sum();
    let asked = Request {
        hook: Hook::PreReceive,
        git_dir: "/srv/git/a.git".into(),
        process: None,
        quarantine: None,
        object_directory: None,
        pusher: None,
        certificate: None,
        variables: vec![],
        options,
        updates: Vec::new(),
    };
    let count = asked.options.len();
    let frame = asked.encode().expect("far below the limit of a frame");
    match Request::decode(&frame) {
        Ok(read) => {
            assert_eq!(read, asked, "options come back in order, byte for byte");
            assert!(bytes <= MAX_OPTIONS && count <= 4096);
        }
        Err(error) => {
            assert!(bytes > MAX_OPTIONS || count > 4096, "{error}");
            // The stub refuses such a push by itself, with a sentence of its own.
            assert!(bytes + count > MAX_OPTIONS || count > 4096);
        }
    }
}
