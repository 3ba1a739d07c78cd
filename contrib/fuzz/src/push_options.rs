//! Push options: whatever a client gives with `git push -o`, as the stub hands it on and the daemon takes it.

use stoop_hook::wire::{Hook, MAX_OPTIONS, Request};

/// Options are the lines of the input after the first byte, which says how often they come.
pub fn run(data: &[u8]) {
    let Some((times, lines)) = data.split_first() else { return };
    let once: Vec<Vec<u8>> = lines.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let options: Vec<Vec<u8>> = (0..=*times).flat_map(|_| once.clone()).take(6000).collect();
    let bytes: usize = options.iter().map(Vec::len).sum();
    let asked = Request {
        hook: Hook::PreReceive,
        git_dir: "/srv/git/a.git".into(),
        process: None,
        quarantine: None,
        object_directory: None,
        identity: None,
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
