//! The named steps of a transition, and, in debug builds, dying at one of them.
//!
//! A test that wants to know what a crash leaves behind names a step in the file that `STOOP_DIE_AT` points to; the daemon
//! kills itself, or the git it runs, the next time it gets there. A release build has none of this.
//! Never here: what the steps do.

/// A step of a transition: what has just been done when it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The change was decided; nothing is written.
    Decided,
    /// The objects it needs are written and synced: the commits of the branch and of the ledger.
    Objects,
    /// git holds the locks of all refs that are to be moved.
    Locks,
    /// Stoop's refs have moved: the intent into the ledger, and for a change by API all others after it.
    Refs,
    /// A push has its leases, and its yes is about to be sent.
    Leased,
    /// git has told that it moved the refs of a push.
    Moved,
    /// What a push's own refs imply is done too.
    Completed,
    /// The watchers know.
    Announced,
    /// The deeds and the versions are in the ledger.
    Recorded,
    /// The server's other hooks have heard of what Stoop moved.
    Told,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Self; 10] = [
        Self::Decided,
        Self::Objects,
        Self::Locks,
        Self::Refs,
        Self::Leased,
        Self::Moved,
        Self::Completed,
        Self::Announced,
        Self::Recorded,
        Self::Told,
    ];

    /// The step's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decided => "decided",
            Self::Objects => "objects",
            Self::Locks => "locks",
            Self::Refs => "refs",
            Self::Leased => "leased",
            Self::Moved => "moved",
            Self::Completed => "completed",
            Self::Announced => "announced",
            Self::Recorded => "recorded",
            Self::Told => "told",
        }
    }

    /// Notes that the step is reached. `child` is the process of the git that is at work.
    #[cfg(not(debug_assertions))]
    #[inline]
    pub fn reached(self, _child: Option<u32>) {}

    /// Notes that the step is reached. `child` is the process of the git that is at work.
    ///
    /// The file holds `STEP COUNT WHO`: the step's name, how many times it is to be reached, and `daemon` or `git`.
    #[cfg(debug_assertions)]
    pub fn reached(self, child: Option<u32>) {
        let Some(file) = std::env::var_os("STOOP_DIE_AT") else { return };
        let Ok(text) = std::fs::read_to_string(&file) else { return };
        let words: Vec<&str> = text.split_whitespace().collect();
        let [step, count, who] = words[..] else { return };
        if step != self.as_str() {
            return;
        }
        let left = count.parse::<u32>().unwrap_or(1).saturating_sub(1);
        if left > 0 {
            let _ = std::fs::write(&file, format!("{step} {left} {who}"));
            return;
        }
        // Whoever takes the file away decides: a test that did not see it happen in time takes it back.
        if std::fs::remove_file(&file).is_err() {
            return;
        }
        tracing::warn!(step, who, "dying here, as the test wants");
        let victim = if who == "git" { child } else { Some(std::process::id()) };
        let Some(pid) = victim.and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw) else {
            return;
        };
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        if who != "git" {
            loop {
                std::thread::park();
            }
        }
    }
}
