//! The files below `<repository>/hooks`: putting the stub under a hook's name, keeping the hook that was there, and putting
//! that back. Every step is one rename or link, so that a process killed between two leaves a state that a second run mends.
//!
//! Never here: deleting a hook that is not Stoop's, and the repository's configuration.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// What a hook's link says; it names the stub from within `hooks`.
const LINK: &str = "stoop/stub";
/// What the link says that lies among the scripts which a hook of another program runs.
const LINK_BESIDE: &str = "../stoop/stub";
/// What the link says that lies among GitLab's scripts.
const LINK_CUSTOM: &str = "../../hooks/stoop/stub";
/// What the link says that lies where git looks instead of another directory.
const LINK_PATH: &str = "../stub";
/// From `hooks`, the link to the directory that git would look into without Stoop.
pub(super) const THROUGH: &str = "stoop/through";
/// The hooks that another program's script may run for us: it is one that hands on to the scripts in `<hook>.d`, as Gitea's and
/// Forgejo's do. If it does not after all, nothing slips past: `reference-transaction`, which is always taken, lets nothing
/// through that `pre-receive` has not been asked about.
const DISPATCHED: [&str; 2] = ["pre-receive", "post-receive"];
/// The largest script that is looked into, in bytes.
const LARGEST_SCRIPT: u64 = 64 << 10;
/// From the place where hooks are kept back to `hooks`: what a relative link gains when it moves there.
const BACK: &str = "../..";
/// How names of unfinished files begin.
const UNFINISHED: &str = ".new-";

/// Where the Git server looks for a repository's hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Where git does: in `hooks`, or where `core.hooksPath` says.
    Git,
    /// Besides in the directories `custom_hooks/<hook>.d`, as GitLab does, which runs git with hooks of its own.
    Gitlab,
}

impl Layout {
    /// GitLab's where the server has `custom_hooks`, git's everywhere else.
    pub fn with_custom_hooks(there: bool) -> Self {
        if there { Self::Gitlab } else { Self::Git }
    }
}

/// The directories that installing works in.
#[derive(Debug, Clone)]
pub(super) struct HookFiles {
    hooks: PathBuf,
    layout: Layout,
    /// Whether git looks into `stoop/path` instead of another directory, which `stoop/through` leads to.
    instead: bool,
}

/// What is under a hook's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// Our link.
    Ours,
    /// A hook of somebody else.
    Other,
}

impl HookFiles {
    /// The directories of a repository, as it is now.
    pub(super) fn of(repository: &Path, layout: Layout) -> Self {
        let hooks = repository.join("hooks");
        let instead = fs::symlink_metadata(hooks.join(THROUGH)).is_ok();
        Self { hooks, layout, instead }
    }

    /// The same, for a repository where git is to look into `stoop/path`, or not.
    pub(super) fn with(self, instead: bool) -> Self {
        Self { instead, ..self }
    }

    /// Whether git looks into `stoop/path` instead of another directory.
    pub(super) fn leads_through(&self) -> bool {
        self.instead
    }

    /// `<repository>/hooks`
    pub(super) fn hooks(&self) -> &Path {
        &self.hooks
    }

    /// Stoop's own directory.
    pub(super) fn own(&self) -> PathBuf {
        self.hooks.join("stoop")
    }

    fn kept(&self, name: &str) -> PathBuf {
        self.own().join("kept").join(name)
    }

    /// The directory that git looks into instead of another.
    pub(super) fn path(&self) -> PathBuf {
        self.own().join("path")
    }

    /// The name of our link beside the other scripts in `<hook>.d`.
    fn beside(&self, name: &str) -> PathBuf {
        self.hooks.join(format!("{name}.d/stoop"))
    }

    /// The same among GitLab's scripts.
    fn custom(&self, name: &str) -> PathBuf {
        self.hooks.with_file_name("custom_hooks").join(format!("{name}.d/stoop"))
    }

    /// What is under this hook's name. A script of another program that runs ours is ours.
    pub(super) fn found(&self, name: &str) -> io::Result<Found> {
        let found = self.found_by_git(name)?;
        if found == Found::Ours && self.layout == Layout::Gitlab && DISPATCHED.contains(&name) {
            return what_is(&self.custom(name), LINK_CUSTOM);
        }
        Ok(found)
    }

    fn found_by_git(&self, name: &str) -> io::Result<Found> {
        if self.instead {
            return what_is(&self.path().join(name), LINK_PATH);
        }
        let path = self.hooks.join(name);
        match what_is(&path, LINK)? {
            Found::Other if self.hands_on(name, &path)? => {
                Ok(if what_is(&self.beside(name), LINK_BESIDE)? == Found::Ours { Found::Ours } else { Found::Other })
            }
            found => Ok(found),
        }
    }

    /// The file with which others are told what this hook is told: what git runs under this name, or what is kept where
    /// that is our link. It may run ours among others.
    pub(super) fn of_others(&self, name: &str) -> io::Result<Option<PathBuf>> {
        if self.instead {
            return Ok(Some(self.hooks.join(THROUGH).join(name)));
        }
        let path = self.hooks.join(name);
        Ok(match what_is(&path, LINK)? {
            Found::Nothing => None,
            Found::Ours => Some(self.kept(name)),
            Found::Other => Some(path),
        })
    }

    /// Whether there is a link of ours for this hook, at any place that others look into.
    pub(super) fn is_ours(&self, name: &str) -> bool {
        let places =
            [(self.hooks.join(name), LINK), (self.beside(name), LINK_BESIDE), (self.custom(name), LINK_CUSTOM)];
        places.iter().any(|(path, link)| what_is(path, link).is_ok_and(|found| found == Found::Ours))
    }

    /// Whether the script at `path` runs every script in `<hook>.d`.
    fn hands_on(&self, name: &str, path: &Path) -> io::Result<bool> {
        if !DISPATCHED.contains(&name) || !self.hooks.join(format!("{name}.d")).is_dir() {
            return Ok(false);
        }
        // A link that leads nowhere is none.
        let Ok(metadata) = fs::metadata(path) else { return Ok(false) };
        if !metadata.is_file() || metadata.mode() & 0o111 == 0 || metadata.len() > LARGEST_SCRIPT {
            return Ok(false);
        }
        let script = fs::read(path)?;
        Ok(script.starts_with(b"#!") && script.windows(4).any(|bytes| bytes == b".d/*"))
    }

    /// Whether an earlier hook of this name is kept.
    pub(super) fn is_kept(&self, name: &str) -> bool {
        fs::symlink_metadata(self.kept(name)).is_ok()
    }

    /// Puts the stub under a hook's name, and keeps what was there; where that runs the scripts in `<hook>.d`, puts the stub
    /// among them instead. Gives whether anything changed.
    pub(super) fn take_over(&self, name: &str) -> io::Result<bool> {
        if self.found(name)? == Found::Ours {
            return Ok(false);
        }
        if self.layout == Layout::Gitlab && DISPATCHED.contains(&name) {
            let custom = self.custom(name);
            fs::create_dir_all(custom.parent().unwrap_or(&self.hooks))?;
            self.link(Path::new(LINK_CUSTOM), &custom)?;
        }
        let hook = self.hooks.join(name);
        match self.found_by_git(name)? {
            Found::Ours => return Ok(true),
            _ if self.instead => {
                self.link(Path::new(LINK_PATH), &self.path().join(name))?;
                return Ok(true);
            }
            Found::Other if self.hands_on(name, &hook)? => {
                self.link(Path::new(LINK_BESIDE), &self.beside(name))?;
                // Where we were before that program came with its script, it may be kept; it runs by itself now.
                self.put_back(name)?;
                return Ok(true);
            }
            Found::Other => self.keep(name)?,
            Found::Nothing => {}
        }
        self.link(Path::new(LINK), &hook)?;
        Ok(true)
    }

    /// Makes `kept/<name>` the hook that is now under this name. An older one that differs is moved aside, never dropped.
    fn keep(&self, name: &str) -> io::Result<()> {
        let (hook, kept) = (self.hooks.join(name), self.kept(name));
        fs::create_dir_all(self.own().join("kept"))?;
        let target = relative_target(&hook)?;
        if fs::symlink_metadata(&kept).is_ok() {
            let same = match &target {
                Some(target) => fs::read_link(&kept).is_ok_and(|link| link == Path::new(BACK).join(target)),
                None => same_file(&hook, &kept)?,
            };
            if same {
                return Ok(());
            }
            fs::rename(&kept, self.aside(name))?;
        }
        match target {
            Some(target) => self.link(&Path::new(BACK).join(target), &kept),
            // Where there are no hard links, the name is free for a moment; a second run finds the hook kept.
            None => fs::hard_link(&hook, &kept).or_else(|_| fs::rename(&hook, &kept)),
        }
    }

    fn aside(&self, name: &str) -> PathBuf {
        let mut number = 1_u64;
        loop {
            let path = self.kept(&format!("{name}.{number}"));
            if fs::symlink_metadata(&path).is_err() {
                return path;
            }
            number += 1;
        }
    }

    /// Puts back the hook that was kept, or takes our link away. A foreign hook that has come since stays. Gives whether
    /// anything changed.
    pub(super) fn give_back(&self, name: &str) -> io::Result<bool> {
        let beside = self.beside(name);
        let among = what_is(&beside, LINK_BESIDE)? == Found::Ours;
        if among {
            fs::remove_file(&beside)?;
        }
        let custom = self.leave_custom(name)?;
        Ok(self.put_back(name)? || among || custom)
    }

    /// Takes our link away from among GitLab's scripts, with the directories that are empty then. Gives whether it was there.
    pub(super) fn leave_custom(&self, name: &str) -> io::Result<bool> {
        let custom = self.custom(name);
        if what_is(&custom, LINK_CUSTOM)? != Found::Ours {
            return Ok(false);
        }
        fs::remove_file(&custom)?;
        for directory in custom.ancestors().skip(1).take(2) {
            match fs::remove_dir(directory) {
                Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => return Err(error),
                Err(_) => break,
                Ok(()) => {}
            }
        }
        Ok(true)
    }

    fn put_back(&self, name: &str) -> io::Result<bool> {
        let (hook, kept) = (self.hooks.join(name), self.kept(name));
        let found = what_is(&hook, LINK)?;
        if !self.is_kept(name) {
            return match found {
                Found::Ours => fs::remove_file(&hook).map(|()| true),
                Found::Nothing | Found::Other => Ok(false),
            };
        }
        let target = relative_target(&kept)?;
        if found == Found::Other {
            // A run that was stopped between putting back and removing, or the hook was installed anew.
            let same = match &target {
                Some(target) => fs::read_link(&hook).is_ok_and(|link| target.strip_prefix(BACK) == Ok(&link)),
                None => same_file(&hook, &kept)?,
            };
            return if same { fs::remove_file(&kept).map(|()| true) } else { Ok(false) };
        }
        match target {
            Some(target) => {
                self.link(target.strip_prefix(BACK).unwrap_or(&target), &hook)?;
                fs::remove_file(&kept)?;
            }
            None => fs::rename(&kept, &hook)?,
        }
        Ok(true)
    }

    /// Makes a link, in one step where something has that name already.
    pub(super) fn link(&self, target: &Path, at: &Path) -> io::Result<()> {
        let unfinished = self.own().join(format!("{UNFINISHED}link"));
        if fs::symlink_metadata(&unfinished).is_ok() {
            fs::remove_file(&unfinished)?;
        }
        symlink(target, &unfinished)?;
        fs::rename(&unfinished, at)
    }

    /// Removes what an earlier run left unfinished.
    pub(super) fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.own())? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// What is at `path`, where our link would say `link`.
fn what_is(path: &Path, link: &str) -> io::Result<Found> {
    match fs::symlink_metadata(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Found::Nothing)
        }
        Err(error) => Err(error),
        Ok(metadata) if metadata.is_symlink() && fs::read_link(path)? == Path::new(link) => Ok(Found::Ours),
        Ok(_) => Ok(Found::Other),
    }
}

/// The target of a link that is relative; such a link means something else in another directory.
fn relative_target(path: &Path) -> io::Result<Option<PathBuf>> {
    if !fs::symlink_metadata(path)?.is_symlink() {
        return Ok(None);
    }
    Ok(Some(fs::read_link(path)?).filter(|target| target.is_relative()))
}

fn same_file(one: &Path, other: &Path) -> io::Result<bool> {
    let (a, b) = (fs::symlink_metadata(one)?, fs::symlink_metadata(other)?);
    if a.is_symlink() || b.is_symlink() {
        return Ok(a.is_symlink() && b.is_symlink() && fs::read_link(one)? == fs::read_link(other)?);
    }
    let identical = (a.dev(), a.ino()) == (b.dev(), b.ino());
    let alike = a.is_file() && b.is_file() && a.mode() == b.mode() && a.len() == b.len();
    Ok(identical || (alike && fs::read(one)? == fs::read(other)?))
}

/// Replaces a file in one step, unless it holds these bytes with this mode already. Gives whether it was written.
pub(super) fn write_file(path: &Path, bytes: &[u8], mode: u32) -> io::Result<bool> {
    let right_mode = fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.mode() & 0o7777 == mode);
    if right_mode && fs::read(path).is_ok_and(|found| found == bytes) {
        return Ok(false);
    }
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()?;
    Ok(true)
}
