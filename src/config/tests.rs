//! What a configuration file may say, and what each mistake is answered with.

use std::path::Path;

use super::*;

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$PLvKNAtFUJeCWpfXfVnBgTIXqiJ/0VyhkTvwH0B7yDs";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("stoop.yaml"))
}

fn refusal(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

#[test]
fn a_whole_file_is_read() {
    let token = "a".repeat(64);
    let text = format!(
        "identity: GL_USERNAME\nanonymousRead: true\nrescanSeconds: 5\nusers:\n- name: ann\n  roles: [author, reader]\n  password: {HASH}\n  tokens: ['sha256:{token}']\nrepositories:\n- path: team/packages.git\n  name: packages\n  namespace: prod\n  branch: main\n  directory: /pkgs/\n  deployment: true\n  trunk: publish\n- path: other\n  managed: false\n"
    );
    let config = parse(&text).expect("valid");
    assert_eq!(config.identity.variable(), "GL_USERNAME");
    assert!(config.anonymous_read);
    assert_eq!(config.rescan, Duration::from_secs(5));
    let ann = UserName::parse("ann").expect("valid");
    assert_eq!(config.actor(&ann).roles, [Role::Author, Role::Reader].into_iter().collect());
    assert!(config.actor(&UserName::parse("bob").expect("valid")).roles.is_empty());
    let path = |text| RepositoryPath::parse(text).expect("valid");
    let packages = config.repository(&path("team/packages")).expect("configured");
    assert_eq!(packages.directory.as_str(), "pkgs");
    assert_eq!(packages.branch.as_ref().map(RefName::as_str), Some("refs/heads/main"));
    assert!(packages.managed && packages.deployment);
    assert_eq!(packages.trunk, Trunk::Publish);
    assert_eq!(config.repository(&path("other")).expect("configured").trunk, Trunk::Refuse);
    assert!(!config.repository(&path("other.git")).expect("configured").managed);
}

#[test]
fn nothing_said_means_the_defaults() {
    for text in ["", "# only a remark\n", "{}", "---\n", "users:\nrepositories:\n", "null"] {
        assert_eq!(parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}")), Config::default(), "{text:?}");
    }
    assert_eq!(Config::load(None).expect("defaults"), Config::default());
}

#[test]
fn every_mistake_names_its_line_and_what_to_write() {
    let grid: &[(&str, &str)] = &[
        ("identty: X\n", "stoop.yaml:1:1: unknown key `identty`, expected one of `identity`"),
        ("identity: HTTP_X_USER\n", "stoop.yaml:1:11: identity \"HTTP_X_USER\": variables that begin with HTTP_"),
        (
            "identity: gitollite\n",
            "stoop.yaml:1:11: identity \"gitollite\": write gitolite, gitea, gitlab, http-backend",
        ),
        ("identity: SSH_USER_AUTH\n", "stoop.yaml:1:11: identity \"SSH_USER_AUTH\": this variable names a file"),
        ("servers:\n- path: a\n", "stoop.yaml:2:3: servers[0]: missing key `identity`"),
        ("servers:\n- path: /a\n  identity: gitea\n", "stoop.yaml:2:9: repository path \"/a\" is invalid"),
        ("servers:\n- path: a\n  identity: HTTP_X\n", "stoop.yaml:3:13: identity \"HTTP_X\": variables that begin"),
        (
            "servers:\n- {path: a, identity: gitea}\n- {path: a.git, identity: sshd}\n",
            "stoop.yaml:3:10: server path \"a\" is there twice",
        ),
        (
            "users:\n- name: a\n  roles: [reader]\n  sshKeys: [ssh-ed25519 AAAA]\n",
            "stoop.yaml:4:13: an SSH key of user \"a\": write the line of a .pub file",
        ),
        ("announceAs: {name: a}\n", "stoop.yaml:1:13: announceAs: missing key `id`"),
        ("announceAs: {name: a, id: 0}\n", "stoop.yaml:1:27: id is the number of the account in the forge"),
        ("announceAs: {name: '', id: 1}\n", "stoop.yaml:1:20: user name \"\" is invalid"),
        ("announceAs:\n  name: a\n  id: 1\n  email: ''\n", "stoop.yaml:4:10: \"\" is no address"),
        ("anonymousRead: yes\n", "stoop.yaml:1:16: anonymousRead: invalid type: string \"yes\", expected a boolean"),
        ("rescanSeconds: 0\n", "stoop.yaml:1:16: rescanSeconds is 0; write a number from 1 to 86400"),
        ("rescanSeconds: 86401\n", "stoop.yaml:1:16: rescanSeconds is 86401"),
        ("rescanSeconds: -1\n", "stoop.yaml:1:16: rescanSeconds is -1; write"),
        ("rescanSeconds: 1\nusers: []\nrescanSeconds: 2\n", "stoop.yaml:3:1: the key \"rescanSeconds\" is there twice"),
        (
            "users:\n- name: a\n  roles: [boss]\n",
            "stoop.yaml:3:11: users[0].roles[0]: unknown variant `boss`, expected",
        ),
        ("users:\n- name: a\n  roles: []\n", "stoop.yaml:3:10: user \"a\" has no role; give at least one"),
        ("users:\n- name: a\n", "stoop.yaml:2:3: users[0]: missing key `roles`"),
        ("users:\n- roles: [reader]\n  name: 'a<b'\n", "stoop.yaml:3:9: user name \"a<b\" is invalid"),
        (
            "users:\n- {name: a, roles: [reader]}\n- {name: b, roles: [reader]}\n- {name: a, roles: [admin]}\n",
            "stoop.yaml:4:10: user \"a\" is there twice",
        ),
        ("users:\n- name: a\n  roles: [reader]\n  pasword: x\n", "stoop.yaml:4:3: users[0]: unknown key `pasword`"),
        ("repositories:\n- path: ../x\n", "stoop.yaml:2:9: repository path \"../x\" is invalid"),
        ("repositories:\n- path: /x\n", "stoop.yaml:2:9: repository path \"/x\" is invalid: write it relative"),
        (
            "repositories:\n- path: x\n- path: x.git\n",
            "stoop.yaml:3:9: repository \"x\" is there twice ('.git' does not count), on the directories \"/\" and \"/\"",
        ),
        (
            "repositories:\n- {path: x, name: a, directory: p/q}\n- {path: x, name: b, directory: p}\n",
            "stoop.yaml:3:10: repository \"x\" is there twice ('.git' does not count), on the directories \"/p/q\" and \"/p\", which share packages",
        ),
        (
            "repositories:\n- {path: x, name: a, directory: p}\n- {path: x, directory: q}\n",
            "stoop.yaml:3:10: repository \"x\" is there twice ('.git' does not count), so each of its entries needs a name",
        ),
        (
            "repositories:\n- {path: x, name: a, directory: p}\n- {path: x, name: b, directory: q, branch: y}\n",
            "stoop.yaml:3:10: repository \"x\" is there twice ('.git' does not count), with different branches",
        ),
        (
            "repositories:\n- {path: x, name: a, directory: p}\n- {path: x, name: b, directory: q, trunk: allow}\n",
            "stoop.yaml:3:10: repository \"x\" is there twice ('.git' does not count), with different settings `trunk`",
        ),
        (
            "repositories:\n- {path: x, name: a, directory: p}\n- {path: x, name: b, directory: q, managed: false}\n",
            "stoop.yaml:3:10: repository \"x\" is there twice ('.git' does not count), once with managed: false",
        ),
        (
            "repositories:\n- path: x\n  name: n\n- path: y\n  name: n\n",
            "stoop.yaml:5:9: the name \"n\" in namespace \"default\" already belongs to repository \"x\"",
        ),
        ("repositories:\n- path: x\n  name: Big\n", "stoop.yaml:3:9: repository name \"Big\" is invalid"),
        ("repositories:\n- path: x\n  namespace: a.b\n", "stoop.yaml:3:14: namespace \"a.b\" is invalid"),
        ("repositories:\n- path: x\n  branch: refs/heads/main\n", "stoop.yaml:3:11: branch \"refs/heads/main\": write"),
        ("repositories:\n- path: x\n  branch: a..b\n", "stoop.yaml:3:11: branch \"a..b\" is no name"),
        ("repositories:\n- path: x\n  directory: a/../b\n", "stoop.yaml:3:14: package path"),
        ("repositories:\n- path: x\n  managed: 1\n", "stoop.yaml:3:12: repositories[0].managed: invalid type"),
        ("users: {\n", "stoop.yaml:2:1: "),
        ("- a\n", "stoop.yaml:1:1: invalid type: sequence"),
        ("a: 1\n---\nb: 2\n", "stoop.yaml: deserializing from YAML containing more than one document"),
        ("users: *nobody\n", "stoop.yaml:1:8: unknown anchor"),
    ];
    for (text, want) in grid {
        let got = refusal(text);
        assert!(got.starts_with(want), "{text}\n got: {got}\nwant: {want}");
    }
}

#[test]
fn the_most_special_part_of_the_root_says_how_users_are_known() {
    let text = "identity: gitolite\nservers:\n- {path: forge, identity: gitea}\n- {path: forge/own, identity: STOOP_USER}\n\
                - {path: ssh.git, identity: sshd}\n";
    let config = parse(text).expect("valid");
    for (path, wanted) in [
        ("a.git", "GL_USER"),
        ("forgery/a.git", "GL_USER"),
        ("forge/a.git", "GITEA_PUSHER_NAME"),
        ("forge.git", "GITEA_PUSHER_NAME"),
        ("forge/own/a", "STOOP_USER"),
        ("ssh.git", "SSH_USER_AUTH"),
        ("ssh", "SSH_USER_AUTH"),
    ] {
        assert_eq!(config.identity_of(path).variable(), wanted, "{path}");
    }
}

#[test]
fn an_ssh_key_is_one_users() {
    let key = "SHA256:rizV4MePWybiq2pAP1qk26qi5FlzmxmnZc5YLmfxQgA";
    let user = |name: &str, key: &str| format!("- name: {name}\n  roles: [reader]\n  sshKeys: ['{key}']\n");
    let config = parse(&format!("users:\n{}", user("ann", key))).expect("valid");
    let key_of = |text: &str| KeyFingerprint::parse(text).expect("a fingerprint");
    assert_eq!(config.user_of_key(&key_of(key)).map(|user| user.name.as_str()), Some("ann"));
    assert!(config.user_of_key(&key_of(&key.replace('Q', "q"))).is_none());
    let twice = refusal(&format!("users:\n{}{}", user("ann", key), user("bob", key)));
    assert!(twice.contains("is already one of user \"ann\""), "{twice}");
}

#[test]
fn a_name_may_be_used_again_in_another_namespace() {
    let text = "repositories:\n- {path: x, name: n}\n- {path: y, name: n, namespace: other}\n";
    assert!(parse(text).is_ok());
}

#[test]
fn secrets_are_named_by_their_owner_and_never_shown() {
    let token = format!("sha256:{}", "b".repeat(64));
    let user = |name: &str, more: &str| format!("- name: {name}\n  roles: [reader]\n  {more}\n");
    let grid = [
        (format!("users:\n{}", user("a", "password: hunter2hunter2")), "stoop.yaml:4:13: the password of user \"a\""),
        (format!("users:\n{}", user("a", "password: 1234567890")), "stoop.yaml:4:13: the password of user \"a\""),
        (format!("users:\n{}", user("'a:b'", &format!("password: {HASH}"))), "stoop.yaml:4:13: user \"a:b\" cannot"),
        (format!("users:\n{}", user("a", "tokens: [stoop_hunter2]")), "stoop.yaml:4:12: a token of user \"a\""),
        (
            format!("users:\n{}", user("a", "tokens: stoop_hunter2")),
            "stoop.yaml:4:11: users[0].tokens: the wrong kind of value, expected a sequence",
        ),
        (
            "users: [hunter2]\n".to_owned(),
            "stoop.yaml:1:9: users[0]: the wrong kind of value, expected a mapping with name",
        ),
        (
            format!(
                "users:\n{}{}",
                user("a", &format!("tokens: ['{token}']")),
                user("b", &format!("tokens: ['{token}']"))
            ),
            "stoop.yaml:7:12: this token of user \"b\" is already one of user \"a\"",
        ),
    ];
    for (text, want) in &grid {
        let got = refusal(text);
        assert!(got.starts_with(want), "{text}\n got: {got}\nwant: {want}");
        for secret in ["hunter2", "1234567890", "bbbb", "argon2id$"] {
            assert!(!got.contains(secret), "{got}");
        }
    }
    let text = format!("users:\n{}", user("a", &format!("password: {HASH}\n  tokens: ['{token}']")));
    let shown = format!("{:?}", parse(&text).expect("valid"));
    assert!(!shown.contains("bbbb") && !shown.contains("argon2id$"), "{shown}");
}

#[test]
fn aliases_that_grow_without_end_are_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let inner = format!("*a{}", level - 1);
        text += &format!("a{level}: &a{level} [{}]\n", vec![inner; 9].join(", "));
    }
    assert!(parse(&text).is_err());
    assert!(parse(&"[".repeat(100_000)).is_err());
}

#[test]
fn a_file_is_limited_and_a_broken_one_keeps_the_old_rules() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("stoop.yaml");
    assert!(Config::load(Some(&file)).expect_err("missing").to_string().contains("stoop.yaml: cannot be read"));
    std::fs::write(&file, "#\n".repeat(3 * 1024 * 1024)).expect("written");
    assert!(Config::load(Some(&file)).expect_err("large").to_string().contains("larger than 4 MiB"));
    std::fs::write(&file, b"# ok\nidentity: \xff\n").expect("written");
    assert!(Config::load(Some(&file)).expect_err("bytes").to_string().contains(":2:1: this line is not UTF-8"));

    std::fs::write(&file, "rescanSeconds: 7\n").expect("written");
    let shared = SharedConfig::load(Some(file.clone()), None).expect("valid");
    std::fs::write(&file, "rescanSeconds: seven\n").expect("written");
    assert!(shared.reload().is_err());
    assert_eq!(shared.current().rescan, Duration::from_secs(7));
    std::fs::write(&file, "rescanSeconds: 8\n").expect("written");
    shared.reload().expect("valid");
    assert_eq!(shared.current().rescan, Duration::from_secs(8));
}
