//! How the Git server of each repository says who pushes, and whether anybody can be known that way.
//!
//! Never here: the Git servers themselves.

use super::report::Finding;
use crate::config::{Config, IdentitySource, ServerConfig};

const CHECK: &str = "identity";

/// Judges the setting for the repository at this path below the root.
pub(super) fn judge(config: &Config, path: &str) -> Finding {
    let source = config.identity_of(path);
    if *source == IdentitySource::Sshd && config.users.iter().all(|user| user.ssh_keys.is_empty()) {
        return Finding::warn(
            CHECK,
            "sshd says which key a user has, and no user of the configuration has one: nobody can push",
            "write each user's public key under sshKeys",
        );
    }
    let text = match source {
        IdentitySource::Sshd => "who pushes is known by the key in sshd's file, which SSH_USER_AUTH names".to_owned(),
        IdentitySource::Variable(variable) => format!("who pushes is said in {}", variable.as_str()),
        server => format!("who pushes is said in {}, as {server} sets it", server.variable()),
    };
    Finding::ok(CHECK, text)
}

/// Judges the parts of the root that other servers have, by the repositories that are there.
pub(super) fn judge_servers<'n>(config: &Config, there: impl Iterator<Item = &'n str>) -> Vec<Finding> {
    let there: Vec<&str> = there.collect();
    let empty = config.servers.iter().filter(|server| !there.iter().any(|path| server.holds(path)));
    let warn = |server: &ServerConfig| {
        let text = format!("servers names {}, and no repository lies there", server.path);
        Finding::warn(CHECK, text, "correct the path, which is below the root, or take it out")
    };
    empty.map(warn).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::doctor::report::Level;

    #[test]
    fn every_repository_has_a_way_in_which_its_users_are_known() {
        let parse = |text: &str| Config::parse(text, Path::new("stoop.yaml")).expect("valid");
        let key = "  sshKeys: ['SHA256:rizV4MePWybiq2pAP1qk26qi5FlzmxmnZc5YLmfxQgA']\n";
        let servers = "servers:\n- {path: ssh, identity: sshd}\n- {path: forge, identity: gitea}\n";
        let users = "users:\n- name: ann\n  roles: [author]\n";
        let without = parse(&format!("{servers}{users}"));
        let with = parse(&format!("{servers}{users}{key}"));
        for (config, path, level, text) in [
            (&without, "ssh/a.git", Level::Warn, "nobody can push"),
            (&with, "ssh/a.git", Level::Ok, "SSH_USER_AUTH"),
            (&without, "forge/a.git", Level::Ok, "GITEA_PUSHER_NAME, as gitea"),
            (&without, "a.git", Level::Ok, "REMOTE_USER, as http-backend"),
            (&parse("identity: STOOP_USER\n"), "a.git", Level::Ok, "STOOP_USER"),
        ] {
            let finding = judge(config, path);
            assert!(finding.level == level && finding.text.contains(text), "{path}: {finding:?}");
        }
        let judged = judge_servers(&with, ["ssh.git", "forgery/a.git"].into_iter());
        assert!(judged.len() == 1 && judged[0].text.contains("names forge,"), "{judged:?}");
    }
}
