//! Who pushes, as the Git server says it to the hook: the value of a variable, or the file that sshd wrote about the login.
//!
//! Never here: what the guard file does not name, and making a user of it; the daemon does.

use std::env;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::guard::Guard;
use crate::wire::{MAX_IDENTITY, MAX_LOGIN, Pusher};

/// The variable in which sshd names the file that it wrote about the login.
const LOGIN: &str = "SSH_USER_AUTH";
/// How the path of such a file begins, whatever sshd's configuration.
const LOGIN_FILES: &str = "/tmp/sshauth.";

/// What is said about the pusher; `None` when nothing is, or not as that server says it.
pub(crate) fn pusher(guard: &Guard) -> Option<Pusher> {
    let variable = guard.identity.as_deref()?;
    let value = env::var_os(variable)?.into_vec();
    if variable != LOGIN {
        return (1..=MAX_IDENTITY).contains(&value.len()).then_some(Pusher::Name(value));
    }
    let path = String::from_utf8(value).ok()?;
    let ending = path.strip_prefix(LOGIN_FILES)?;
    let plain = !ending.is_empty() && ending.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain.then(|| login(Path::new(&path)))?.map(Pusher::Login)
}

/// Reads a login's file: a plain file that only this user can have written, since sshd writes it as the user who logs in.
fn login(path: &Path) -> Option<Vec<u8>> {
    let own = fs::metadata("/proc/self").ok()?.uid();
    let before = fs::symlink_metadata(path).ok()?;
    if !before.is_file() || before.uid() != own || before.mode() & 0o077 != 0 || before.len() > MAX_LOGIN as u64 {
        return None;
    }
    let file = File::open(path).ok()?;
    let found = file.metadata().ok()?;
    // Another file took its place in between, a link to one perhaps.
    if (found.dev(), found.ino()) != (before.dev(), before.ino()) {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(MAX_LOGIN as u64 + 1).read_to_end(&mut bytes).ok()?;
    (1..=MAX_LOGIN).contains(&bytes.len()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn only_a_private_plain_file_of_the_own_user_is_a_login() {
        let directory = env::temp_dir().join(format!("stoop-hook-login-{}", std::process::id()));
        fs::create_dir(&directory).expect("made");
        let make = |name: &str, content: &[u8], mode: u32| -> PathBuf {
            let path = directory.join(name);
            fs::write(&path, content).expect("written");
            fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("changed");
            path
        };
        let good = make("good", b"publickey x y\n", 0o600);
        symlink(&good, directory.join("link")).expect("linked");
        assert_eq!(login(&good).as_deref(), Some(&b"publickey x y\n"[..]));
        let refused = [
            directory.join("link"),
            directory.join("missing"),
            directory.clone(),
            make("open", b"publickey x y\n", 0o604),
            make("large", &vec![b'x'; MAX_LOGIN + 1], 0o600),
            make("empty", b"", 0o600),
            PathBuf::from("/dev/zero"),
        ];
        for path in refused {
            assert_eq!(login(&path), None, "{}", path.display());
        }
        fs::remove_dir_all(directory).expect("removed");
    }
}
