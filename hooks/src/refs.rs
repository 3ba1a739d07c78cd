//! Reads what refs say on disk (files backend): loose files first, then `packed-refs`.
//!
//! Never here: writing, and other ref backends (a ref that is not found here is simply unknown).

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The values of those names that are found, as hexadecimal ids; a symbolic ref counts as not found.
pub(crate) fn values<'a>(repository: &Path, names: impl Iterator<Item = &'a [u8]>) -> HashMap<&'a [u8], String> {
    let mut found = HashMap::new();
    let mut rest = HashSet::new();
    for name in names {
        match loose(repository, name) {
            Some(value) => drop(found.insert(name, value)),
            None => drop(rest.insert(name)),
        }
    }
    if !rest.is_empty() {
        packed(repository, rest, &mut found);
    }
    found
}

fn loose(repository: &Path, name: &[u8]) -> Option<String> {
    let mut text = String::new();
    let path = repository.join(std::ffi::OsStr::from_bytes(name));
    File::open(path).ok()?.take(4096).read_to_string(&mut text).ok()?;
    Some(text.trim_end().to_owned())
}

fn packed<'a>(repository: &Path, mut wanted: HashSet<&'a [u8]>, found: &mut HashMap<&'a [u8], String>) {
    let Ok(file) = File::open(repository.join("packed-refs")) else { return };
    let mut file = BufReader::with_capacity(64 << 10, file);
    let mut line = Vec::new();
    while !wanted.is_empty() {
        line.clear();
        match (&mut file).take(64 << 10).read_until(b'\n', &mut line) {
            Ok(count) if count > 0 => {}
            _ => return,
        }
        let Some(space) = line.iter().position(|byte| *byte == b' ') else { continue };
        let name = line[space + 1..].trim_ascii_end();
        if let (Some(name), Ok(value)) = (wanted.take(name), std::str::from_utf8(&line[..space])) {
            found.insert(name, value.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loose_refs_win_over_packed_ones() {
        let one = "1111111111111111111111111111111111111111";
        let two = "2222222222222222222222222222222222222222";
        let directory = std::env::temp_dir().join(format!("stoop-refs-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("refs/heads")).expect("writable");
        std::fs::write(directory.join("refs/heads/a"), format!("{one}\n")).expect("writable");
        let packed = format!(
            "# pack-refs with: peeled fully-peeled sorted \n{two} refs/heads/a\n{two} refs/tags/p/v1\n^{one}\n"
        );
        std::fs::write(directory.join("packed-refs"), packed).expect("writable");
        let names: [&[u8]; 3] = [b"refs/heads/a", b"refs/tags/p/v1", b"refs/tags/p/v2"];
        let found = values(&directory, names.into_iter());
        std::fs::remove_dir_all(&directory).expect("removable");
        assert_eq!(found.get(names[0]).map(String::as_str), Some(one));
        assert_eq!(found.get(names[1]).map(String::as_str), Some(two));
        assert_eq!(found.get(names[2]), None);
    }
}
