//! What a Git server's environment says of a pusher: the setting, a user's key, the variable's value, and sshd's file on a login.

use std::path::Path;
use std::sync::LazyLock;

use stoop::config::{Config, IdentitySource};
use stoop::domain::refusal::Code;
use stoop::identity::pusher::{Told, pusher};
use stoop::identity::ssh_keys::{KeyFingerprint, shown};

use super::input::Input;

/// Two users with keys, and one without.
const USERS: &str = "\
users:
- {name: ann, roles: [author], sshKeys: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFFGZi4NNeFFWsJLxQmYkFjkHDa/AGDt1pHNCn7Yg7Ye']}
- {name: bob, roles: [approver], sshKeys: ['SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU']}
- {name: eve, roles: [admin]}
";

static CONFIG: LazyLock<Config> = LazyLock::new(|| Config::parse(USERS, Path::new("stoop.yaml")).expect("valid"));

/// The input is a setting, a key as a configuration may hold it, and what the server says.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let setting = input.text().and_then(setting);
    if let Some(key) = input.text() {
        key_of_a_configuration(key);
    }
    let told = input.rest();
    for source in setting.into_iter().chain([IdentitySource::Sshd, IdentitySource::Gitolite]) {
        nothing_is_guessed(&source, told);
    }
}

/// Whatever is taken as a setting names a variable that no client sets, and reads as it is shown.
fn setting(text: &str) -> Option<IdentitySource> {
    let source = IdentitySource::parse(text).ok()?;
    assert_eq!(IdentitySource::parse(&source.to_string()).as_ref(), Ok(&source));
    let variable = source.variable();
    assert!(!variable.starts_with("HTTP_") && !variable.starts_with("GIT_"), "{variable}");
    assert!(variable.bytes().all(|byte| byte == b'_' || byte.is_ascii_uppercase() || byte.is_ascii_digit()));
    assert_eq!(variable.starts_with("SSH_"), source == IdentitySource::Sshd);
    Some(source)
}

fn key_of_a_configuration(text: &str) {
    let Ok(key) = KeyFingerprint::parse(text) else { return };
    assert_eq!(KeyFingerprint::parse(&key.to_string()), Ok(key));
}

fn nothing_is_guessed(source: &IdentitySource, told: &[u8]) {
    let sshd = *source == IdentitySource::Sshd;
    for (told, by_login) in [(Told::Nothing, false), (Told::Name(told), false), (Told::Login(told), true)] {
        match pusher(&CONFIG, source, told) {
            Ok(actor) => {
                assert_eq!(sshd, by_login, "a login is asked of sshd only, and sshd is asked for nothing else");
                let name = actor.name.as_str();
                match told {
                    Told::Nothing => panic!("nobody is somebody"),
                    Told::Name(bytes) => assert_eq!(name.as_bytes(), bytes),
                    Told::Login(bytes) => {
                        let keys = shown(bytes).expect("it names keys");
                        let owner = |key| CONFIG.user_of_key(key).map(|user| user.name.as_str());
                        assert!(!keys.is_empty() && keys.iter().all(|key| owner(key) == Some(name)));
                    }
                }
                assert!(!name.chars().any(char::is_control) && name.len() <= 253);
                assert_eq!(actor.roles, CONFIG.actor(&actor.name).roles);
            }
            Err(refusal) => {
                assert_eq!(refusal.code, Code::NoIdentity);
                assert!(!refusal.to_string().chars().any(char::is_control), "it is one line: {refusal}");
            }
        }
    }
}
