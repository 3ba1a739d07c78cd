//! People who sign: SSH and OpenPGP keys of their own, made by the real programs, and a world that knows their keys.
//!
//! Never here: what becomes of their pushes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use crate::support::{Answer, Workdir, World, run};

/// The approver who signs with SSH, and the admin who signs with OpenPGP. Tokens are names with `stoop_` before them.
pub(crate) const SID: &str = "sid";
pub(crate) const PGP: &str = "peg";

/// The keys of one world, in a directory of their own.
pub(crate) struct Signers {
    home: PathBuf,
}

impl Signers {
    /// Makes an SSH key for sid and a stranger, and an OpenPGP key for peg.
    pub(crate) fn new(world: &World) -> Self {
        let home = world.path().join("signers");
        std::fs::create_dir(&home).expect("made");
        std::os::unix::fs::chown(&home, None, None).expect("ours");
        std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("private");
        let signers = Self { home };
        for name in [SID, "stranger"] {
            signers.program("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", name], b"").ok();
        }
        let make = ["--batch", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback", "--quick-generate-key"];
        signers.program("gpg", &[&make[..], &["Peg <peg@example.com>", "ed25519", "sign", "never"]].concat(), b"").ok();
        signers
    }

    /// A program whose home is the keys' directory, run with input.
    pub(crate) fn program(&self, program: &str, args: &[&str], input: &[u8]) -> Answer {
        let file = self.home.join("input");
        std::fs::write(&file, input).expect("written");
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(&self.home)
            .env("HOME", &self.home)
            .env("GNUPGHOME", &self.home)
            .env("LC_ALL", "C");
        run(command.stdin(Stdio::from(std::fs::File::open(file).expect("there"))))
    }

    /// The text of a file in the keys' directory.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.home.join(name)).expect("readable")
    }

    /// A path in the keys' directory.
    pub(crate) fn path(&self, name: &str) -> String {
        self.home.join(name).to_str().expect("text").to_owned()
    }

    /// The armored public keys of peg.
    pub(crate) fn openpgp(&self) -> String {
        self.program("gpg", &["--armor", "--export"], b"").ok().stdout
    }

    /// Configures the usual users, and sid and peg with these keys.
    pub(crate) fn configure(&self, world: &World, ssh: &str, openpgp: &str, rest: &str) {
        let mut users = String::new();
        for (user, role, key) in [(SID, "approver", ssh), (PGP, "admin", openpgp)] {
            let hash = hex(&Sha256::digest(format!("stoop_{user}")));
            let key = key.trim_end().replace('\n', "\n    ");
            let _ = write!(
                users,
                "- name: {user}\n  roles: [{role}]\n  tokens: ['sha256:{hash}']\n  signingKeys:\n  - |\n    {key}\n"
            );
        }
        world.configure(&(users + rest));
    }

    /// A clone of a user's that signs with the SSH key of that name.
    pub(crate) fn clone_with_ssh(&self, world: &World, user: &str, key: &str) -> Workdir {
        let clone = world.clone(user, "packages");
        for (name, value) in [("gpg.format", "ssh"), ("user.signingKey", &*self.path(&format!("{key}.pub")))] {
            clone.git(&["config", name, value]).ok();
        }
        clone
    }

    /// `git push --signed` in a clone, to an address.
    pub(crate) fn push(&self, clone: &Workdir, to: impl AsRef<std::ffi::OsStr>, refspecs: &[&str]) -> Answer {
        let mut command = clone.git_command();
        command.env("GNUPGHOME", &self.home).args(["push", "--signed"]).arg(to);
        run(command.args(refspecs))
    }
}

impl Drop for Signers {
    fn drop(&mut self) {
        // The agent that gpg started.
        let _ = Command::new("gpgconf").args(["--kill", "all"]).env("GNUPGHOME", &self.home).status();
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A world with the repository `packages`, whose daemon knows the keys.
pub(crate) fn world() -> (World, Signers) {
    world_with("", |_| ())
}

/// The same, with more in the configuration, after `prepare` has written what that names.
pub(crate) fn world_with(rest: &str, prepare: impl FnOnce(&World)) -> (World, Signers) {
    let mut world = World::without_daemon();
    prepare(&world);
    let signers = Signers::new(&world);
    signers.configure(&world, &signers.read("sid.pub"), &signers.openpgp(), rest);
    world.create_repository("packages");
    world.start_daemon();
    world.wait_for_repository("packages");
    (world, signers)
}

/// The ids in the ledger's files beside the entries, such as `certificates`.
pub(crate) fn kept(repository: &Path, directory: &str) -> Vec<String> {
    let mut command = crate::support::git_command(repository);
    let answer =
        run(command.args(["ls-tree", "-r", "--format=%(objectname)", "refs/stoop/ledger", &format!("{directory}/")]));
    answer.ok().stdout.lines().map(str::to_owned).collect()
}
