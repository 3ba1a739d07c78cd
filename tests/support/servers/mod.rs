//! Real Git servers on loopback, started by the tests for their own user: sshd, gitolite behind it, and `git http-backend` behind
//! nginx. Everything they need lies in the world's directory.
//!
//! Never here: assertions about Stoop, and the system's own configuration.

use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::{Workdir, World, eventually, run};

pub mod gitolite;
pub mod nginx;
pub mod sshd;

/// A server that runs until this value goes.
struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts a server that stays in the foreground. What it says goes into `log`.
    fn start(command: &mut Command, log: PathBuf) -> Self {
        let said = File::create(&log).expect("a log");
        let also = said.try_clone().expect("a log");
        let child = command.stdin(Stdio::null()).stdout(said).stderr(also).spawn();
        let child = child.unwrap_or_else(|error| {
            panic!("{command:?} cannot be started: {error}; contrib/test installs what the tests need")
        });
        Self { child, log }
    }

    /// Waits until it takes connections.
    fn wait_for(&mut self, port: u16) {
        eventually("the server listens", || {
            if let Some(ended) = self.child.try_wait().expect("it can be asked for") {
                panic!("the server ended with {ended}\n{}", self.said());
            }
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.said());
        }
    }
}

/// A program that may lie where only administrators look for one.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    let found = places.map(|place| place.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not there; contrib/test installs what the tests need"))
}

/// A directory of the world, made where it is missing.
fn directory(world: &World, name: &str) -> PathBuf {
    let path = world.path().join(name);
    std::fs::create_dir_all(&path).expect("a directory");
    path
}

/// The line of a user's public SSH key; the key is made when it is asked for first.
pub fn public_key(world: &World, user: &str) -> String {
    let key = key_of(world, user);
    if !key.exists() {
        let mut command = Command::new("ssh-keygen");
        run(command.args(["-q", "-t", "ed25519", "-N", "", "-C", user, "-f"]).arg(&key)).ok();
    }
    std::fs::read_to_string(key.with_extension("pub")).expect("a public key").trim().to_owned()
}

fn key_of(world: &World, user: &str) -> PathBuf {
    directory(world, "keys").join(user)
}

/// The `ssh` that shows a user's key and nothing of whoever runs the test.
pub fn ssh(world: &World, user: &str) -> String {
    public_key(world, user);
    format!(
        "ssh -F none -i {} -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
         -o LogLevel=ERROR",
        key_of(world, user).display()
    )
}

/// The user that runs the test.
fn myself() -> String {
    run(Command::new("id").arg("-un")).ok().text().to_owned()
}

/// Has a clone push to another address, with another `ssh` if it is one of SSH.
pub fn repoint(clone: &Workdir, url: &str, ssh: Option<&str>) {
    clone.git(&["remote", "set-url", "origin", url]).ok();
    if let Some(ssh) = ssh {
        clone.git(&["config", "core.sshCommand", ssh]).ok();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}
