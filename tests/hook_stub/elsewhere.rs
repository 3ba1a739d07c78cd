//! Repositories whose hooks git looks for elsewhere: where `core.hooksPath` says, and where GitLab does.
//!
//! Never here: a real GitLab.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use stoop::hooks::{Hook, Layout, STUB, install, looks_installed, uninstall};

use crate::world::{World, accept, snapshot};

fn script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a directory")).expect("made");
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("changed");
}

/// A directory of hooks that this repository shares with others, each of which writes down that it ran.
fn shared(world: &World) -> PathBuf {
    let shared = world.repository().with_file_name("shared");
    for name in ["pre-receive", "update", "post-receive"] {
        script(
            &shared.join(name),
            &format!("#!/bin/sh\necho \"{name} from $(dirname \"$0\")\" >>ran\ntest ! -e refuse\n"),
        );
    }
    script(&shared.join("commit-msg"), "#!/bin/sh\n");
    shared
}

#[test]
fn hooks_that_are_looked_for_elsewhere_run_first_and_stay_as_they_are() {
    let world = World::new();
    world.install(true);
    let shared = shared(&world);
    assert!(world.server(&["config", "core.hooksPath", shared.to_str().expect("text")]).ok);
    assert!(!looks_installed(world.repository(), Layout::Git, true), "the next rescan mends it");
    let others = snapshot(&shared);
    assert!(world.install(true).changed && !world.install(true).changed);
    assert!(looks_installed(world.repository(), Layout::Git, true));
    let path = world.server(&["config", "core.hooksPath"]).text;
    assert_eq!(Path::new(path.trim()), world.repository().join("hooks/stoop/path"));

    let daemon = world.daemon(|_| accept(&["asked"]));
    let push = world.push(&["HEAD:refs/heads/drafts/p/w"]);
    assert!(push.ok && push.text.contains("remote: asked"), "{}", push.text);
    assert!(daemon.take().iter().any(|request| request.hook == Hook::PreReceive && request.process.is_some()));
    let ran = fs::read_to_string(world.repository().join("ran")).expect("written");
    let through = world.repository().join("hooks/stoop/through");
    let wanted = ["pre-receive", "update", "post-receive"].map(|name| format!("{name} from {}\n", through.display()));
    assert_eq!(ran, wanted.concat());
    assert!(
        world.push(&["HEAD:refs/approve/p/w"]).text.contains("gave no answer for this ref"),
        "proc-receive is ours"
    );
    fs::write(world.repository().join("refuse"), "").expect("written");
    assert!(!world.push(&["HEAD:refs/heads/free"]).ok, "a refusal of the other hooks counts");
    fs::remove_file(world.repository().join("refuse")).expect("removed");
    drop(daemon);
    assert!(world.push(&["HEAD:refs/heads/drafts/p/x"]).text.contains("Stoop is not running"));
    assert!(
        world.server(&["update-ref", "refs/heads/proposed/p/x", &world.head()]).text.contains("Stoop is not running")
    );

    // What changes there is followed: a hook goes, a proc-receive comes, which cannot be shared.
    fs::remove_file(shared.join("update")).expect("removed");
    script(&shared.join("proc-receive"), "#!/bin/sh\nexit 1\n");
    assert!(!world.install(true).proc_receive);
    assert!(!world.repository().join("hooks/stoop/path/update").exists());
    assert_eq!(world.server(&["config", "--get-all", "receive.procReceiveRefs"]).text, "");
    fs::remove_file(shared.join("proc-receive")).expect("removed");
    script(&shared.join("update"), &String::from_utf8_lossy(&others[&shared.join("update")].2));
    assert!(world.install(true).proc_receive);

    assert_eq!(snapshot(&shared), others);
    assert!(uninstall(world.repository()).expect("uninstalled"));
    let path = world.server(&["config", "core.hooksPath"]).text;
    assert_eq!(Path::new(path.trim()), shared);
    assert!(!world.repository().join("hooks/stoop").exists());
    // The setting goes, and all is as in any other repository.
    world.install(true);
    assert!(world.server(&["config", "--unset-all", "core.hooksPath"]).ok);
    assert!(!looks_installed(world.repository(), Layout::Git, true));
    assert!(world.install(true).changed);
    assert!(world.repository().join("hooks/pre-receive").is_symlink());
    assert!(!through.is_symlink() && !world.repository().join("hooks/stoop/path").exists());
    assert_eq!(world.server(&["config", "core.hooksPath"]).text, "");
}

#[test]
fn hooks_that_are_switched_off_for_all_are_on_for_the_guarded() {
    let world = World::new();
    assert!(world.server(&["config", "core.hooksPath", "/dev/null"]).ok);
    let before = snapshot(world.repository());
    world.install(true);
    let daemon = world.daemon(|_| accept(&["asked"]));
    let push = world.push(&["HEAD:refs/heads/drafts/p/w"]);
    assert!(push.ok && push.text.contains("remote: asked"), "{}", push.text);
    drop(daemon);
    assert!(uninstall(world.repository()).expect("uninstalled"));
    let config = world.repository().join("config");
    assert_eq!(snapshot(world.repository())[&config], before[&config]);
    // A path that is the repository's own is no other.
    assert!(world.server(&["config", "core.hooksPath", "hooks"]).ok);
    world.install(true);
    assert!(looks_installed(world.repository(), Layout::Git, true));
    assert!(world.repository().join("hooks/pre-receive").is_symlink());
}

#[test]
fn gitlab_finds_ours_among_its_custom_hooks() {
    let world = World::new();
    // Another script is there already.
    let other = world.repository().join("custom_hooks/pre-receive.d/lint");
    script(&other, "#!/bin/sh\n");
    let before = snapshot(world.repository());
    let guard = stoop::hooks::Guard { identity: Some("GL_USERNAME".into()), ..world.guard(true) };
    let install = || install(world.repository(), STUB, &guard, Layout::Gitlab).expect("installed");
    let first = install();
    assert!(first.changed && !first.proc_receive && !install().changed);
    assert_eq!(world.server(&["config", "--get-all", "receive.procReceiveRefs"]).text, "");
    let custom = |name: &str| world.repository().join(format!("custom_hooks/{name}.d/stoop"));
    assert!(looks_installed(world.repository(), Layout::Gitlab, false));
    fs::remove_file(custom("pre-receive")).expect("removed");
    assert!(!looks_installed(world.repository(), Layout::Gitlab, false) && install().changed);

    // As Gitaly runs it: not below git, with the user's name in its variables.
    let daemon = world.daemon(|_| accept(&["asked"]));
    let line = format!("{} {} refs/heads/drafts/p/w\n", "0".repeat(40), world.head());
    for name in ["pre-receive", "post-receive"] {
        let mut run = Command::new(custom(name));
        run.current_dir(world.repository()).env("GL_USERNAME", "ann").env("GL_PROTOCOL", "web").env("GL_ID", "user-5");
        run.env("GIT_DIR", world.repository()).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = run.spawn().expect("it runs");
        std::io::Write::write_all(&mut child.stdin.take().expect("piped"), line.as_bytes()).expect("read");
        let said = child.wait_with_output().expect("it ends");
        assert!(said.status.success() && said.stderr == b"asked\n", "{said:?}");
    }
    for request in daemon.take() {
        assert_eq!(request.pusher, Some(stoop::hooks::Pusher::Name(b"ann".to_vec())));
        assert_eq!((request.git_dir.as_path(), request.process), (world.repository(), None));
    }
    drop(daemon);

    // Another server takes the repository over, and gives it back.
    assert!(world.install(true).proc_receive);
    install();
    assert!(uninstall(world.repository()).expect("uninstalled"));
    assert_eq!(snapshot(world.repository()), before);
    fs::remove_dir_all(world.repository().join("custom_hooks")).expect("removed");
    symlink("nowhere", world.repository().join("custom_hooks")).expect("linked");
    assert!(stoop::hooks::install(world.repository(), STUB, &guard, Layout::Gitlab).is_err());
}
