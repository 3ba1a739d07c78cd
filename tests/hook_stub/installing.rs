//! Installing and uninstalling the hooks: what was there before is kept, runs, and comes back byte for byte, also when a run
//! was stopped half-way.
//!
//! Never here: what the hooks decide.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use stoop::hooks::{InstallError, Layout, STUB, install, uninstall, write_guard};

use crate::world::{World, accept, snapshot};

/// A repository with hooks of many kinds and a config that others have written.
fn furnished() -> World {
    let world = World::new();
    let hooks = world.repository().join("hooks");
    world.hook("pre-receive", "#!/bin/sh\nexit 0");
    fs::set_permissions(hooks.join("pre-receive"), PermissionsExt::from_mode(0o755)).expect("changed");
    fs::create_dir(hooks.join("pre-receive.d")).expect("made");
    world.hook("pre-receive.d/own", "#!/bin/sh\nexit 0");
    symlink("pre-receive.d/own", hooks.join("post-receive")).expect("linked");
    fs::write(hooks.join("reference-transaction"), "not executable\n").expect("written");
    fs::set_permissions(hooks.join("reference-transaction"), PermissionsExt::from_mode(0o640)).expect("changed");
    world
}

fn config(world: &World) -> String {
    fs::read_to_string(world.repository().join("config")).expect("readable")
}

fn values(world: &World, key: &str) -> String {
    world.server(&["config", "--get-all", key]).text
}

#[test]
fn uninstalling_leaves_no_trace() {
    let bare_directory = World::new();
    fs::remove_dir_all(bare_directory.repository().join("hooks")).expect("removed");
    let configured = furnished();
    let odd = "# by hand\n[receive]\n\tadvertisePushOptions = false ; off\n\tprocReceiveRefs = refs/for\n[core]\n  x=1";
    fs::write(configured.repository().join("config"), config(&configured) + odd).expect("written");
    for world in [World::new(), furnished(), bare_directory, configured] {
        let before = snapshot(world.repository());
        let first = install(world.repository(), STUB, &world.guard(true), Layout::Git).expect("installed");
        assert!(first.changed && first.proc_receive);
        let installed = snapshot(world.repository());
        assert_ne!(installed, before);
        assert_eq!(world.server(&["config", "--type=bool", "--get", "receive.advertisePushOptions"]).text, "true\n");
        assert!(values(&world, "receive.procReceiveRefs").ends_with("refs/approve\nrefs/reject\n"));

        let second = install(world.repository(), STUB, &world.guard(true), Layout::Git).expect("installed");
        assert_eq!((second.changed, &second.kept), (false, &first.kept));
        assert_eq!(snapshot(world.repository()), installed);

        assert!(uninstall(world.repository()).expect("uninstalled"));
        assert_eq!(snapshot(world.repository()), before);
        assert!(!uninstall(world.repository()).expect("nothing to do"));
        assert_eq!(snapshot(world.repository()), before);
    }
}

#[test]
fn a_config_that_was_edited_since_loses_only_what_was_added() {
    let world = World::new();
    world.install(true);
    for (key, value) in [("receive.denyDeletes", "true"), ("receive.procReceiveRefs", "refs/for"), ("user.name", "x y")]
    {
        assert!(world.server(&["config", "--add", key, value]).ok);
    }
    assert!(!world.install(true).changed, "an edited config that says all that is needed is left alone");
    assert!(world.server(&["config", "--unset", "receive.procReceiveRefs", "refs/reject"]).ok);
    assert!(world.install(true).changed);
    assert_eq!(values(&world, "receive.procReceiveRefs").lines().count(), 3);
    assert!(world.server(&["config", "receive.maxInputSize", "1000"]).ok);
    assert!(uninstall(world.repository()).expect("uninstalled"));
    assert_eq!(values(&world, "receive.procReceiveRefs"), "refs/for\n");
    assert_eq!(values(&world, "receive.denyDeletes"), "true\n");
    assert_eq!(values(&world, "receive.maxInputSize"), "1000\n");
    assert_eq!(values(&world, "user.name"), "x y\n");
    assert_eq!(values(&world, "receive.advertisePushOptions"), "");
}

#[test]
fn a_proc_receive_of_somebody_else_is_left_alone() {
    let world = World::new();
    world.hook("proc-receive", "#!/bin/sh\nexit 1");
    let before = snapshot(world.repository());
    assert!(!world.install(true).proc_receive);
    assert_eq!(values(&world, "receive.procReceiveRefs"), "");
    let text = fs::read_to_string(world.repository().join("hooks/proc-receive")).expect("there");
    assert_eq!(text, "#!/bin/sh\nexit 1");
    let daemon = world.daemon(|_| accept(&[]));
    assert!(world.push(&["HEAD:refs/approve/p/w"]).ok, "it arrives as an ordinary creation");
    assert!(world.has("refs/approve/p/w") && !daemon.asked().is_empty());
    assert!(world.server(&["update-ref", "-d", "refs/approve/p/w"]).ok);
    drop(daemon);
    // It may become free, or be taken, later.
    fs::rename(world.repository().join("hooks/proc-receive"), world.repository().join("aside")).expect("moved");
    assert!(world.install(true).proc_receive);
    assert_eq!(values(&world, "receive.procReceiveRefs"), "refs/approve\nrefs/reject\n");
    fs::rename(world.repository().join("aside"), world.repository().join("hooks/proc-receive")).expect("moved");
    assert!(!world.install(true).proc_receive);
    assert_eq!(values(&world, "receive.procReceiveRefs"), "");
    assert!(uninstall(world.repository()).expect("uninstalled"));
    let hooks = |all: std::collections::BTreeMap<std::path::PathBuf, (String, u32, Vec<u8>)>| {
        all.into_iter().filter(|(path, _)| !path.starts_with(world.repository().join("objects"))).collect::<Vec<_>>()
    };
    let refs = |found: &(std::path::PathBuf, (String, u32, Vec<u8>))| {
        let directory = world.repository().join("refs");
        found.0.starts_with(&directory) && found.0 != directory
    };
    let now = hooks(snapshot(world.repository())).into_iter().filter(|found| !refs(found)).collect::<Vec<_>>();
    assert_eq!(now, hooks(before).into_iter().filter(|found| !refs(found)).collect::<Vec<_>>());
}

#[test]
fn a_hook_installed_over_ours_is_kept_and_an_older_kept_one_is_not_lost() {
    let world = furnished();
    world.install(true);
    let hook = world.repository().join("hooks/pre-receive");
    let replace = |text: &str| {
        fs::remove_file(&hook).expect("removed");
        world.hook("pre-receive", text);
    };
    // The same one again, as a forge does when it "resyncs" its hooks.
    replace("#!/bin/sh\nexit 0");
    assert!(world.install(true).changed);
    assert!(!world.repository().join("hooks/stoop/kept/pre-receive.1").exists());
    // Another one.
    replace("#!/bin/sh\nexit 7");
    assert_eq!(world.install(true).kept, ["pre-receive", "post-receive", "reference-transaction"]);
    assert!(!world.push(&["HEAD:refs/heads/free"]).ok);
    assert!(uninstall(world.repository()).expect("uninstalled"));
    assert_eq!(fs::read_to_string(&hook).expect("there"), "#!/bin/sh\nexit 7");
    let older = world.repository().join("hooks/stoop/kept/pre-receive.1");
    assert_eq!(fs::read_to_string(older).expect("never lost"), "#!/bin/sh\nexit 0");
}

/// Copies a tree with its links and modes.
fn copy(from: &Path, to: &Path) {
    let done = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp runs");
    assert!(done.success());
}

#[test]
fn a_run_that_was_stopped_half_way_is_completed_by_the_next() {
    let world = furnished();
    let repository = world.repository();
    let before = snapshot(repository);
    world.install(true);
    let after = snapshot(repository);
    // Every state between "as before" and "installed", as far as each single step goes: a path is either as it was or as it
    // will be, and what is kept is there before its hook is taken.
    let own = repository.join("hooks/stoop");
    let steps: Vec<Box<dyn Fn()>> = vec![
        Box::new(|| restore_config(repository, &before)),
        Box::new(|| restore_config_and_record(repository, &before)),
        Box::new(|| put_back(repository, "pre-receive", true)),
        Box::new(|| put_back(repository, "pre-receive", false)),
        Box::new(|| put_back(repository, "post-receive", true)),
        Box::new(|| put_back(repository, "post-receive", false)),
        Box::new(|| fs::remove_file(repository.join("hooks/reference-transaction")).expect("removed")),
        Box::new(|| fs::remove_file(own.join("stub")).expect("removed")),
        Box::new(|| fs::remove_file(own.join("guard")).expect("removed")),
        Box::new(|| fs::write(own.join(".new-abc"), "half").expect("written")),
        Box::new(|| symlink("stoop/stub", own.join(".new-link")).expect("linked")),
    ];
    let aside = repository.with_file_name("aside.git");
    copy(repository, &aside);
    for (index, step) in steps.iter().enumerate() {
        for again in [true, false] {
            fs::remove_dir_all(repository).expect("removed");
            copy(&aside, repository);
            step();
            if again {
                world.install(true);
                assert_eq!(snapshot(repository), after, "install after step {index}");
            }
            uninstall(repository).expect("uninstalled");
            assert_eq!(snapshot(repository), before, "uninstall after step {index}, again: {again}");
        }
    }
}

type Snapshot = std::collections::BTreeMap<std::path::PathBuf, (String, u32, Vec<u8>)>;

fn restore_config(repository: &Path, before: &Snapshot) {
    let path = repository.join("config");
    fs::write(&path, &before[&path].2).expect("written");
}

fn restore_config_and_record(repository: &Path, before: &Snapshot) {
    restore_config(repository, before);
    fs::remove_file(repository.join("hooks/stoop/settings")).expect("removed");
}

/// Makes a hook what it was: `copied` leaves it kept as well, as between keeping and taking over.
fn put_back(repository: &Path, name: &str, copied: bool) {
    let (hook, kept) = (repository.join("hooks").join(name), repository.join("hooks/stoop/kept").join(name));
    fs::remove_file(&hook).expect("removed");
    match fs::read_link(&kept) {
        Ok(target) => symlink(target.strip_prefix("../..").expect("rewritten"), &hook).expect("linked"),
        Err(_) => fs::hard_link(&kept, &hook).expect("linked"),
    }
    if !copied {
        fs::remove_file(&kept).expect("removed");
    }
}

#[test]
fn what_cannot_be_guarded_is_an_error_that_says_why() {
    let world = World::new();
    let install = |path: &Path| install(path, STUB, &world.guard(true), Layout::Git);
    let nowhere = world.repository().join("objects");
    assert!(matches!(install(&nowhere), Err(InstallError::NotARepository(path)) if path == nowhere));

    fs::write(world.repository().join("config.lock"), "").expect("written");
    assert!(matches!(install(world.repository()), Err(InstallError::Locked(_))));
    fs::remove_file(world.repository().join("config.lock")).expect("removed");
    assert!(install(world.repository()).expect("installed").changed);
    fs::write(world.repository().join("hooks/stoop/settings"), "nonsense").expect("written");
    assert!(matches!(uninstall(world.repository()), Err(InstallError::Record(_))));
}

#[test]
fn a_guard_is_written_only_when_it_says_something_new() {
    let world = World::guarded();
    assert!(!write_guard(world.repository(), &world.guard(true)).expect("written"));
    assert!(write_guard(world.repository(), &world.guard(false)).expect("written"));
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    let guard = world.repository().join("hooks/stoop/guard");
    assert_eq!(mode(&guard), 0o640);
    fs::set_permissions(world.repository(), PermissionsExt::from_mode(0o700)).expect("changed");
    assert!(write_guard(world.repository(), &world.guard(false)).expect("written"));
    assert_eq!(mode(&guard), 0o600);
}
