//! `git http-backend` behind nginx with names and passwords: who the web server let in is who pushes.
//!
//! Never here: Stoop's own Git door.

use crate::servers::nginx::Nginx;
use crate::servers::repoint;
use crate::steps::{P, lifecycle};
use crate::support::{Workdir, World, run};

#[test]
fn whom_the_web_server_lets_in_is_who_pushes() {
    let mut world = World::without_daemon();
    world.configure("identity: http-backend\n");
    world.create_repository("packages");
    world.start_daemon();
    world.wait_for_repository("packages");
    let long = "x".repeat(300);
    let nginx = Nginx::start(&world, &["ann", "bob", "eve", "a <b>", &long]);
    let clone = |user: &str| {
        let clone = world.clone("rea", "packages");
        repoint(&clone, &nginx.url(user, "packages"), None);
        clone
    };
    let ann = clone("ann");
    let commit = ann.package(P, "one");
    ann.draft(P, "w1").ok();
    ann.propose(P, "w1").ok();
    assert_eq!(lifecycle(&world, "w1"), "Proposed");

    let before = world.refs("packages");
    let approve = format!("{commit}:refs/approve/{P}/w1");
    ann.approve(&commit, P, "w1").refused("ann may not approve");
    // Headers by which a client would name another user.
    for header in ["REMOTE_USER", "Remote-User", "X-Remote-User", "HTTP_REMOTE_USER", "GL-USER", "X-Forwarded-User"] {
        let mut command = ann.git_command();
        command.args(["-c", &format!("http.extraHeader={header}: bob"), "push", "origin", &approve]);
        run(&mut command).refused("ann may not approve");
    }
    let as_user = |clone: &Workdir, login: &str| {
        let url = nginx.url("", "packages").replacen("http://", &format!("http://{login}"), 1);
        run(clone.git_command().args(["push", &url, &approve]))
    };
    as_user(&ann, "").refused("could not read Username");
    as_user(&ann, "bob:wrong@").refused("Authentication failed");
    // A name of two lines (`ann`, `bob`, with ann's password) is nobody's, and what is no user's name is nobody either.
    let mut two_lines = ann.git_command();
    let header = "http.extraHeader=Authorization: Basic YW5uCmJvYjpwdy1hbm4=";
    run(two_lines.args(["-c", header, "push", &nginx.url("", "packages"), &approve]))
        .refused("could not read Username");
    as_user(&ann, "a%20%3Cb%3E:pw-a%20%3Cb%3E@").refused("the user name in REMOTE_USER is not usable");
    as_user(&ann, &format!("{long}:pw-{long}@")).refused("the user name in REMOTE_USER is not usable");
    as_user(&ann, "eve:pw-eve@").refused("eve may not approve");
    assert_eq!(world.refs("packages"), before);

    let bob = clone("bob");
    assert!(bob.approve(&commit, P, "w1").ok().stderr.contains("published as v1"));
    assert_eq!(lifecycle(&world, "w1"), "Published");
    let several = ["push", "origin", "HEAD:refs/heads/one", "HEAD:refs/heads/two"];
    clone("eve").git(&several).ok();
}
