//! `git http-backend` behind nginx and fcgiwrap, over the world's root, with names and passwords that nginx checks.
//!
//! Never here: Stoop's own Git door.

use std::os::unix::process::CommandExt;
use std::process::Command;

use super::{Running, directory, myself, program, text};
use crate::support::{World, eventually, free_port, run};

/// The two servers.
pub struct Nginx {
    port: u16,
    _nginx: Running,
    _fcgiwrap: Running,
}

impl Nginx {
    /// Starts them. Each of these users has `pw-` and the name as password.
    pub fn start(world: &World, users: &[&str]) -> Self {
        let (dir, port) = (directory(world, "nginx"), free_port());
        let exec_path = run(Command::new("git").arg("--exec-path")).ok().text().to_owned();
        let socket = dir.join("fcgi.sock");
        let passwords: String = users.iter().map(|user| format!("{user}:{{PLAIN}}pw-{user}\n")).collect();
        std::fs::write(dir.join("users"), passwords).expect("written");
        let of_root = if myself() == "root" { "user root;" } else { "" };
        let at = text(&dir);
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("    {kind}_temp_path {at}/{kind};\n"))
            .concat();
        let config = format!(
            "{of_root}\ndaemon off;\nmaster_process off;\npid {at}/pid;\nevents {{}}\nhttp {{\n    access_log off;\n{temporary}\
             \x20   server {{\n        listen 127.0.0.1:{port};\n        location / {{\n            auth_basic git;\n\
             \x20           auth_basic_user_file {at}/users;\n            client_max_body_size 0;\n\
             \x20           fastcgi_pass unix:{at}/fcgi.sock;\n\
             \x20           fastcgi_param SCRIPT_FILENAME {exec_path}/git-http-backend;\n\
             \x20           fastcgi_param GIT_PROJECT_ROOT {root};\n            fastcgi_param GIT_HTTP_EXPORT_ALL 1;\n\
             \x20           fastcgi_param PATH_INFO $uri;\n            fastcgi_param QUERY_STRING $query_string;\n\
             \x20           fastcgi_param REQUEST_METHOD $request_method;\n\
             \x20           fastcgi_param CONTENT_TYPE $content_type;\n\
             \x20           fastcgi_param CONTENT_LENGTH $content_length;\n\
             \x20           fastcgi_param REMOTE_USER $remote_user;\n        }}\n    }}\n}}\n",
            root = text(&world.root()),
        );
        std::fs::write(dir.join("nginx.conf"), config).expect("written");
        let mut command = Command::new(program("fcgiwrap"));
        command.arg("-s").arg(format!("unix:{}", text(&socket))).process_group(0);
        let fcgiwrap = Running::start(command.env("HOME", &dir), dir.join("fcgiwrap.log"));
        eventually("fcgiwrap listens", || socket.exists().then_some(()));
        let mut command = Command::new(program("nginx"));
        command.arg("-p").arg(&dir).arg("-c").arg(dir.join("nginx.conf")).arg("-e").arg(dir.join("error.log"));
        let mut nginx = Running::start(&mut command, dir.join("nginx.log"));
        nginx.wait_for(port);
        Self { port, _nginx: nginx, _fcgiwrap: fcgiwrap }
    }

    /// The address of a repository for a user; the name is written as URLs want it.
    pub fn url(&self, user: &str, repository: &str) -> String {
        let login = if user.is_empty() { String::new() } else { format!("{user}:pw-{user}@") };
        format!("http://{login}127.0.0.1:{}/{repository}.git", self.port)
    }
}
