//! gitolite behind a real sshd. Its repositories are the world's root.
//!
//! Never here: the rules, which tests write.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::sshd::Sshd;
use super::{directory, public_key, repoint, ssh, text};
use crate::support::{Workdir, World, git_command, run};

/// A gitolite with the key of `ada` as its administrator's.
pub struct Gitolite {
    home: PathBuf,
    sshd: Sshd,
}

impl Gitolite {
    /// Sets it up over the world's root, and starts sshd.
    pub fn start(world: &World) -> Self {
        let home = directory(world, "gitolite");
        std::os::unix::fs::symlink(world.root(), home.join("repositories")).expect("a link");
        let key = home.join("ada.pub");
        std::fs::write(&key, public_key(world, "ada") + "\n").expect("written");
        let mut setup = Command::new("gitolite");
        run(setup.args(["setup", "-pk", text(&key)]).env("HOME", &home).env("GIT_CONFIG_NOSYSTEM", "1")).ok();
        let sshd = Sshd::start(world, &home, &home.join(".ssh/authorized_keys"), "");
        Self { home, sshd }
    }

    /// gitolite's own directory.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// A clone through gitolite.
    pub fn clone(&self, world: &World, user: &str, repository: &str) -> Workdir {
        let dir = directory(world, "clones").join(format!("{user}-{repository}"));
        let mut clone = git_command(world.path());
        let url = self.sshd.url(repository);
        run(clone.env("GIT_SSH_COMMAND", ssh(world, user)).args(["clone", "-q", &url]).arg(&dir)).ok();
        let clone = Workdir::of(dir, user);
        repoint(&clone, &url, Some(&ssh(world, user)));
        clone
    }

    /// The administrator's push: rules, and the keys of users.
    pub fn configure(&self, world: &World, rules: &str, users: &[&str]) {
        let admin = self.clone(world, "ada", "gitolite-admin");
        admin.write("conf/gitolite.conf", rules);
        for user in users {
            admin.write(&format!("keydir/{user}.pub"), &(public_key(world, user) + "\n"));
        }
        admin.commit("rules");
        admin.push("HEAD").ok();
    }
}
