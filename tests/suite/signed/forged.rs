//! Certificates that do not hold for their push: each is refused by its reason, and changes nothing.
//!
//! They are made by hand and given to `git receive-pack` itself, as a web server runs it: no git client would send them.
//! Never here: signatures that hold (see `pushes`).

use std::io::Write as _;
use std::process::Stdio;

use super::signers::{PGP, SID, Signers, kept, world};
use crate::steps::{P, lifecycle, settled_ledger};
use crate::support::{Answer, World, eventually, git_command, run};

pub(crate) const ZERO: &str = "0000000000000000000000000000000000000000";

/// `git receive-pack`, as `git http-backend` runs it for a user.
pub(crate) fn receive_pack(world: &World, user: &str, args: &[&str], input: &[u8]) -> Answer {
    let mut command = git_command(&world.bare("packages"));
    command.env("REMOTE_USER", user).args(["receive-pack", "--stateless-rpc"]).args(args).arg(".");
    let file = world.path().join("request");
    std::fs::File::create(&file).and_then(|mut file| file.write_all(input)).expect("written");
    run(command.stdin(Stdio::from(std::fs::File::open(file).expect("there"))))
}

/// A nonce that a repository gives out.
fn nonce(world: &World, repository: &str) -> String {
    let mut command = git_command(&world.bare(repository));
    let told = run(command.args(["receive-pack", "--stateless-rpc", "--http-backend-info-refs", "."])).ok().stdout;
    let from = told.split_once("push-cert=").expect("a nonce is offered").1;
    from.split([' ', '\n']).next().expect("one").to_owned()
}

/// What a certificate says.
struct Said<'a> {
    nonce: String,
    pushee: &'a str,
    updates: String,
}

impl Said<'_> {
    fn payload(&self) -> String {
        let Self { nonce, pushee, updates } = self;
        format!("certificate version 0.1\npusher x 1 +0000\npushee {pushee}\nnonce {nonce}\n\n{updates}")
    }

    /// Signed with an SSH key.
    fn signed(&self, signers: &Signers, key: &str) -> String {
        let payload = self.payload();
        let sign = ["-q", "-Y", "sign", "-n", "git", "-f", &signers.path(key)];
        format!("{payload}{}", signers.program("ssh-keygen", &sign, payload.as_bytes()).ok().stdout)
    }
}

/// Pushes with a certificate; what it names must be there already.
pub(crate) fn push(world: &World, user: &str, certificate: &str) -> Answer {
    let mut request = Vec::new();
    let mut packet = |line: &[u8]| {
        request.extend(format!("{:04x}", line.len() + 4).into_bytes());
        request.extend(line);
    };
    packet(b"push-cert\0report-status agent=git/x");
    certificate.split_inclusive('\n').for_each(|line| packet(line.as_bytes()));
    packet(b"push-cert-end\n");
    request.extend(b"0000");
    let empty_pack =
        b"PACK\0\0\0\x02\0\0\0\0\x02\x9d\x08\x82\x3b\xd8\xa8\xea\xb5\x10\xad\x6a\xc7\x5c\x82\x3c\xfd\x3e\xd3\x1e";
    request.extend(empty_pack);
    receive_pack(world, user, &[], &request)
}

/// Calls the hook by hand, below a process that is named like git's, with a certificate and updates that it does not name.
fn by_hand(world: &World, user: &str, certificate: &str, updates: &str) -> Answer {
    let (repository, file) = (world.bare("packages"), world.path().join("by-hand"));
    std::fs::write(&file, certificate).expect("written");
    let blob = world.on_disk("packages", &["hash-object", "-w", file.to_str().expect("text")]).ok();
    std::fs::write(&file, updates).expect("written");
    let mut shell = std::process::Command::new("bash");
    shell.args(["-c", "exec -a git-receive-pack bash -c 'hooks/pre-receive; exit $?' ."]).current_dir(&repository);
    shell
        .env("GIT_DIR", ".")
        .env("REMOTE_USER", user)
        .env("GIT_PUSH_CERT", blob.text())
        .env("GIT_PUSH_CERT_STATUS", "G");
    run(shell.stdin(Stdio::from(std::fs::File::open(file).expect("there"))))
}

#[track_caller]
fn refused(world: &World, user: &str, certificate: &str, why: &str) {
    let before = world.refs("packages");
    let answer = push(world, user, certificate);
    assert!(answer.stderr.contains("[bad-certificate]") && answer.stderr.contains(why), "{why}\n{}", answer.stderr);
    assert_eq!(world.refs("packages"), before);
}

#[test]
fn a_certificate_holds_for_one_push_of_one_user_to_one_repository_and_for_once() {
    let (world, signers) = world();
    world.create_repository("others");
    let ann = world.clone("ann", "packages");
    let commit = ann.package(P, "one");
    ann.propose(P, "w1").ok();
    settled_ledger(&world);
    let approve = format!("{ZERO} {commit} refs/approve/{P}/w1\n");
    let said = |nonce: String, pushee| Said { nonce, pushee, updates: approve.clone() };
    let sound = |nonce: String| said(nonce, "https://git.example.com/packages.git");
    let fresh = || nonce(&world, "packages");

    refused(&world, SID, &sound(nonce(&world, "others")).signed(&signers, SID), "did not give out");
    refused(&world, SID, &sound(String::from("1795530068-00")).signed(&signers, SID), "did not give out");
    refused(&world, SID, &said(fresh(), "https://git.example.com/others.git").signed(&signers, SID), "is for");
    refused(&world, SID, &sound(fresh()).signed(&signers, "stranger"), "signed with another key");
    // Another user who has a key of his own cannot use what sid signed.
    let of_sid = sound(fresh()).signed(&signers, SID);
    refused(&world, PGP, &of_sid, "not signed by peg");
    let altered = of_sid.replace("pusher x", "pusher y");
    refused(&world, SID, &altered, "does not hold");
    refused(&world, SID, &format!("certificate version 0.2\n{of_sid}"), "cannot be read");
    // Git takes the updates from the certificate itself. A hook that is called by hand names others.
    let before = world.refs("packages");
    let reject = approve.replace("approve", "reject");
    let told = by_hand(&world, SID, &sound(fresh()).signed(&signers, SID), &reject);
    assert!(told.code != 0 && told.stderr.contains("names other ref updates"), "{}", told.stderr);
    assert_eq!(world.refs("packages"), before);
    let many: String = (0..12_000).map(|at| format!("{ZERO} {commit} refs/heads/many/{at:040}\n")).collect();
    let large = Said { updates: format!("{approve}{many}"), ..sound(fresh()) };
    refused(&world, SID, &large.signed(&signers, SID), "is larger than 1024 KiB");
    assert_eq!(lifecycle(&world, "w1"), "Proposed");

    // The same thing as git itself would send it is taken, once.
    let sound = sound(fresh()).signed(&signers, SID);
    let told = push(&world, SID, &sound);
    assert!(told.stderr.contains("signed by sid") && told.stderr.contains("published as v1"), "{}", told.stderr);
    settled_ledger(&world);
    refused(&world, SID, &sound, "was used by an earlier push");
    assert_eq!(kept(&world.bare("packages"), "certificates").len(), 1);
}

#[test]
fn keys_that_ended_sign_nothing_any_more() {
    let (world, signers) = world();
    let ann = world.clone("ann", "packages");
    let commit = ann.package(P, "one");
    ann.propose(P, "w1").ok();
    let (ssh, openpgp) = (signers.read("sid.pub"), signers.openpgp());
    let sid = signers.clone_with_ssh(&world, SID, SID);
    let peg = world.clone(PGP, "packages");
    peg.git(&["config", "user.signingKey", "peg@example.com"]).ok();
    let approve = [&*format!("{commit}:refs/approve/{P}/w1")];
    for clone in [&sid, &peg] {
        clone.git(&["fetch", "-q", "origin", &commit]).ok();
    }
    let reload = |ssh: &str, openpgp: &str| {
        let times = world.log().matches("configuration").count();
        signers.configure(&world, ssh, openpgp, "");
        world.signal("HUP");
        eventually("the configuration is read again", || {
            (world.log().matches("configuration").count() > times).then_some(())
        });
    };
    let before = world.refs("packages");
    reload(&format!("valid-before=\"20260101\" {ssh}"), &openpgp);
    signers.push(&sid, "origin", &approve).refused("[bad-certificate]").refused("has expired");
    let fingerprint = signers.program("gpg", &["--with-colons", "--list-keys"], b"").ok().stdout;
    let fingerprint =
        fingerprint.lines().find_map(|line| line.strip_prefix("fpr:")).expect("one").trim_matches(':').to_owned();
    let revocation = signers.read(&format!("openpgp-revocs.d/{fingerprint}.rev")).replace(":-----BEGIN", "-----BEGIN");
    let revoke = |revocation: &str| {
        // In a key ring of its own: gpg signs with no revoked key.
        let ring = signers.path("ring.kbx");
        let ring = ["--batch", "--quiet", "--no-default-keyring", "--keyring", &ring];
        signers.program("gpg", &[&ring[..], &["--import"]].concat(), openpgp.as_bytes()).ok();
        signers.program("gpg", &[&ring[..], &["--import"]].concat(), revocation.as_bytes()).ok();
        signers.program("gpg", &[&ring[..], &["--armor", "--export"]].concat(), b"").ok().stdout
    };
    reload(&ssh, &revoke(&revocation));
    signers.push(&peg, "origin", &approve).refused("[bad-certificate]").refused("is revoked");
    assert_eq!(world.refs("packages"), before);
    signers.push(&sid, "origin", &approve).ok();
}
