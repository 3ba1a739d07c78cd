//! Who comes in, at both doors: certificates, tokens, passwords, nobody; reloads of the configuration; what is kept private.
//!
//! Never here: what each role may do to a package (see the stories of the doors).

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use kube::config::AuthInfo;
use serde_json::{Value, json};

use crate::client::{REVISIONS, bare, client, nobody, send};
use crate::packages::Shelf;
use crate::support::{Answer, World, eventually, git_command, run};

/// A client that shows a bearer token, or a name with a password.
async fn showing(world: &World, auth: AuthInfo) -> kube::Client {
    let mut config = nobody(world).await;
    config.auth_info = auth;
    kube::Client::try_from(config).expect("a client")
}

fn token(text: &str) -> AuthInfo {
    serde_json::from_value(json!({"token": text})).expect("credentials")
}

fn password(user: &str, password: &str) -> AuthInfo {
    serde_json::from_value(json!({"username": user, "password": password})).expect("credentials")
}

async fn list(client: &kube::Client) -> (u16, String) {
    send(client, "GET", REVISIONS, &[], "").await
}

fn ls_remote(world: &World, login: &str) -> Answer {
    let url = world.ready().git.replacen("http://", &format!("http://{login}"), 1) + "/packages.git";
    run(git_command(world.path()).args(["ls-remote", &url]))
}

/// Adds a user with a password to the configuration, as an administrator does.
fn configure_with_password(world: &World, more: &str) {
    let mut hash = Command::new(env!("CARGO_BIN_EXE_stoop"));
    let mut hash =
        hash.args(["config", "password"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
    std::io::Write::write_all(&mut hash.stdin.take().expect("piped"), b"correct horse battery\n").expect("written");
    let line = String::from_utf8(hash.wait_with_output().expect("ends").stdout).expect("text");
    world.configure(&format!("- name: pat\n  roles: [author]\n  {}\n{more}", line.trim()));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_in_is_known_at_both_doors_and_no_other() {
    let mut world = World::without_daemon();
    configure_with_password(&world, "");
    world.create_repository("packages");
    world.start_daemon();
    world.wait_for_repository("packages");
    for auth in [token("stoop_rea"), password("pat", "correct horse battery"), password("rea", "stoop_rea")] {
        assert_eq!(list(&showing(&world, auth).await).await.0, 200);
    }
    assert_eq!(list(&client(&world, "rea").await).await.0, 200, "a client certificate");
    let wrong = [
        AuthInfo::default(),
        token("stoop_nobody"),
        token("correct horse battery"),
        password("pat", "wrong horse"),
        password("pat", "stoop_rea"),
        password("nobody", "correct horse battery"),
    ];
    for auth in wrong {
        let (code, body) = list(&showing(&world, auth).await).await;
        let status: Value = serde_json::from_str(&body).expect("a Status");
        assert_eq!((code, &status["reason"], &status["code"]), (401, &json!("Unauthorized"), &json!(401)), "{status}");
    }
    for login in ["rea:stoop_rea@", "pat:correct%20horse%20battery@"] {
        ls_remote(&world, login).ok();
    }
    for login in ["", "rea:stoop_ann@", "rea:wrong@", "pat:wrong@", "nobody:x@", "rea@"] {
        let answer = ls_remote(&world, login);
        assert!(answer.code != 0 && answer.stdout.is_empty(), "{login}: {}", answer.stdout);
    }
    // Probes tell nothing and need nobody; all else needs a user.
    let anyone = showing(&world, AuthInfo::default()).await;
    for (path, code) in [
        ("/healthz", 200),
        ("/livez", 200),
        ("/readyz", 200),
        ("/version", 200),
        ("/metrics", 401),
        ("/apis", 401),
        ("/openapi/v2", 401),
        ("/nope", 401),
    ] {
        assert_eq!(send(&anyone, "GET", path, &[], "").await.0, code, "{path}");
    }
    // Headers by which proxies name users are a client's own words here.
    let claims =
        ["X-Remote-User", "X-Forwarded-User", "REMOTE_USER", "Remote-User", "X-Remote-Group", "Impersonate-User"];
    for header in claims {
        assert_eq!(send(&anyone, "GET", REVISIONS, &[(header, "ada")], "").await.0, 401, "{header}");
        let request = format!(
            "GET /packages.git/info/refs?service=git-receive-pack HTTP/1.1\r\nHost: x\r\n{header}: ada\r\nConnection: close\r\n\r\n"
        );
        assert!(bare(&world.ready().git, &request).starts_with("HTTP/1.1 401"), "{header}");
    }
    let log = world.log();
    for secret in ["correct horse", "stoop_rea", "stoop_ann", "stoop_nobody", "wrong horse"] {
        assert!(!log.contains(secret), "the log holds {secret}");
    }
}

#[test]
fn a_reader_reads_and_pushes_nothing() {
    let shelf = Shelf::new();
    let rea = shelf.world.clone("rea", "packages");
    let before = shelf.world.refs("packages");
    rea.package("web", "one");
    rea.draft("web", "w1").refused("403");
    rea.push("HEAD:refs/heads/unmanaged").refused("403");
    assert_eq!(shelf.world.refs("packages"), before);
    // A pusher's claim to be somebody else does nothing.
    let ann = &shelf.ann;
    let commit = ann.package("web", "one");
    ann.propose("web", "w1").ok();
    let mut command = ann.git_command();
    command
        .env("REMOTE_USER", "ada")
        .env("GIT_COMMITTER_NAME", "ada")
        .args(["-c", "http.extraHeader=X-Remote-User: ada"]);
    run(command.args(["push", "origin", &format!("{commit}:refs/approve/web/w1")])).refused("ann may not approve");
}

#[test]
fn anonymous_reading_is_off_unless_asked_for_and_never_writes() {
    let world = World::with_repository();
    ls_remote(&world, "").refused("terminal prompts disabled");
    world.configure("anonymousRead: true\n");
    world.signal("HUP");
    eventually("anonymous reading is on", || (ls_remote(&world, "").code == 0).then_some(()));
    let door = world.ready().git.clone();
    let push = "GET /packages.git/info/refs?service=git-receive-pack HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(bare(&door, push).starts_with("HTTP/1.1 401"));
    // Wrong credentials (rea:wrong) are an error, never anonymous.
    let wrong = "GET /packages.git/info/refs?service=git-upload-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Basic cmVhOndyb25n\r\nConnection: close\r\n\r\n";
    assert!(bare(&door, wrong).starts_with("HTTP/1.1 401"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_effect_whole_or_not_at_all() {
    let world = World::with_repository();
    let ann = client(&world, "ann").await;
    let by_token = showing(&world, token("stoop_ann")).await;
    assert_eq!((list(&ann).await.0, list(&by_token).await.0), (200, 200));
    let good = std::fs::read_to_string(world.config()).expect("the configuration");
    // A broken file changes nothing, and the log says where it is broken.
    std::fs::write(world.config(), good.replace("name: ann", "name: zoe") + "surprise: 1\n").expect("written");
    world.signal("HUP");
    let lines = good.lines().count() + 1;
    eventually("the log tells of it", || {
        let log = world.log();
        (log.contains("unknown key `surprise`") && log.contains(&format!("config.yaml:{lines}:1"))).then_some(())
    });
    assert_eq!((list(&ann).await.0, list(&by_token).await.0), (200, 200), "the old rules stay");
    // A user who is taken out is out at once: token, certificate and Git.
    std::fs::write(world.config(), good.replace("name: ann", "name: zoe").replace("stoop_ann", "")).expect("written");
    world.signal("HUP");
    eventually("the certificate is not taken any more", || {
        let code = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(list(&ann)).0);
        (code == 401).then_some(())
    });
    ls_remote(&world, "ann:stoop_ann@").refused("");
    let (code, body) = list(&ann).await;
    assert!(code == 401 && body.contains("\\\"ann\\\""), "{body}");
    std::fs::write(world.config(), &good).expect("written");
    world.signal("HUP");
    eventually("ann is back", || (ls_remote(&world, "ann:stoop_ann@").code == 0).then_some(()));
}

#[test]
fn a_configuration_that_cannot_be_meant_names_its_line() {
    let world = World::without_daemon();
    let file = world.config();
    let path = file.to_str().expect("text");
    world.stoop(&["config", "check", path]).ok();
    for (text, place) in [
        ("users:\n- name: ann\n  roles: [author]\n  colour: red\n", ":4:3: "),
        ("users:\n- name: ann\n  roles: [owner]\n", ":3:"),
        ("users:\n- name: ann\n  roles: [author]\n- name: ann\n  roles: [author]\n", ":4:"),
        ("users:\n- name: ann\n  roles: [author]\n  tokens: [secret-in-clear]\n", ":4:"),
        ("rescanSeconds: 0\n", ":1:"),
        ("repositories:\n- path: ../x\n", ":2:"),
        ("repositories:\n- path: a\n  name: x\n- path: b\n  name: x\n", ":5:"),
        ("users: {\n", ":"),
    ] {
        std::fs::write(&file, text).expect("written");
        let answer = world.stoop(&["config", "check", path]).refused(&format!("config.yaml{place}"));
        assert!(!answer.stderr.contains("secret-in-clear"), "{}", answer.stderr);
        let root = world.root();
        let serve = ["serve", "--root", root.to_str().expect("text"), "--config", path, "--api", "127.0.0.1:0"];
        world.stoop(&serve).refused(&format!("config.yaml{place}"));
    }
}

#[test]
fn what_is_private_is_private_on_the_disk_and_on_the_wire() {
    let world = World::with_repository();
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&world.ready().kubeconfig), 0o600);
    assert_eq!(mode(&world.state()), 0o700);
    assert_eq!(mode(world.ready().socket.parent().expect("a directory")), 0o700);
    let keys: Vec<_> =
        std::fs::read_dir(world.state().join("pki")).expect("there").map(|entry| entry.expect("read").path()).collect();
    assert!(!keys.is_empty());
    let secret = |path: &Path| std::fs::read_to_string(path).is_ok_and(|text| text.contains("PRIVATE KEY"));
    keys.iter().filter(|path| secret(path)).for_each(|path| assert_eq!(mode(path), 0o600, "{}", path.display()));
    let api = &world.ready().api;
    let plain = api.replacen("https://", "http://", 1);
    let answer = bare(&plain, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(!answer.contains("200"), "the API answers without TLS: {answer}");
    assert!(api.starts_with("https://"));
}

#[test]
fn the_git_door_leads_to_repositories_only() {
    let world = World::with_repository();
    std::fs::write(world.root().join("secret"), "top secret").expect("written");
    let door = &world.ready().git;
    // rea:stoop_rea
    let ask = |method: &str, path: &str| {
        let head = "Host: x\r\nAuthorization: Basic cmVhOnN0b29wX3JlYQ==\r\nConnection: close\r\n\r\n";
        bare(door, &format!("{method} {path} HTTP/1.1\r\n{head}"))
    };
    let fine = ask("GET", "/packages.git/info/refs?service=git-upload-pack");
    assert!(fine.starts_with("HTTP/1.1 200"), "{fine}");
    let root = world.root();
    let root = root.file_name().and_then(|name| name.to_str()).expect("text");
    let (out_and_in, encoded) =
        (format!("/../{root}/secret"), format!("/%2e%2e/{root}/packages.git/info/refs?service=git-upload-pack"));
    for path in [
        "/packages.git/../secret",
        &out_and_in,
        &encoded,
        "/packages.git/%2e%2e/packages.git/info/refs?service=git-upload-pack",
        "//packages.git/../../etc/passwd",
        "/.stoop/kubeconfig",
        "/.stoop/info/refs?service=git-upload-pack",
        "/packages.git/config",
        "/packages.git/HEAD",
        "/packages.git/objects/info/packs",
        "/packages.git/objects/pack",
        "/packages.git/info/refs",
        "/packages.git/info/refs?service=git-upload-archive",
        "/nope.git/info/refs?service=git-upload-pack",
        "/packages.git/hooks/info/refs?service=git-upload-pack",
        "/",
    ] {
        let answer = ask("GET", path);
        let code: u16 = answer.split_whitespace().nth(1).and_then(|code| code.parse().ok()).expect("a code");
        assert!((400..500).contains(&code), "{path}: {answer}");
        assert!(!answer.contains("top secret") && !answer.contains("root:") && !answer.contains("[core]"), "{path}");
    }
    assert!(
        ask("GET", "/packages.git/info/refs").contains("dumb HTTP protocol"),
        "the dumb protocol is refused with a word"
    );
}
