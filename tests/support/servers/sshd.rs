//! A real sshd for the user that runs the test, on a port of loopback.
//!
//! Never here: who has which key.

use std::path::Path;
use std::process::Command;

use super::{Running, directory, myself, program, public_key, text};
use crate::support::{World, free_port};

/// The server.
pub struct Sshd {
    port: u16,
    _running: Running,
}

impl Sshd {
    /// Starts it with these lines in `authorized_keys` and these settings besides its own. Sessions have `home` as `HOME`.
    pub fn start(world: &World, home: &Path, authorized_keys: &Path, settings: &str) -> Self {
        let (dir, port) = (directory(world, "sshd"), free_port());
        public_key(world, "host");
        let host = world.path().join("keys/host");
        let config = dir.join("sshd_config");
        let lines = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nPidFile none\nAuthorizedKeysFile {}\nUsePAM no\nStrictModes no\n\
             AuthenticationMethods publickey\nPermitRootLogin prohibit-password\nSetEnv HOME={} GIT_CONFIG_NOSYSTEM=1\n{settings}\n",
            text(&host),
            text(authorized_keys),
            text(home),
        );
        std::fs::write(&config, lines).expect("written");
        if myself() == "root" {
            // Where a system's own sshd starts, the system makes it.
            std::fs::create_dir_all("/run/sshd").expect("the directory that sshd shuts itself into");
        }
        let mut command = Command::new(program("sshd"));
        let mut running = Running::start(command.args(["-D", "-e", "-f"]).arg(&config), dir.join("log"));
        running.wait_for(port);
        Self { port, _running: running }
    }

    /// The address of a repository, by its path on the server or by what a forced command makes of it.
    pub fn url(&self, path: &str) -> String {
        format!("ssh://{}@127.0.0.1:{}/{}", myself(), self.port, path.trim_start_matches('/'))
    }

    /// The port and the user, as `ssh` takes them.
    pub fn target(&self) -> [String; 3] {
        ["-p".to_owned(), self.port.to_string(), format!("{}@127.0.0.1", myself())]
    }
}
