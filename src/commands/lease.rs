//! Leases: between pre-receive's yes and git's ref update, the packages of a push belong to that push.
//!
//! A lease ends when its ref is seen moved, when the push's process is gone, or, where no process is known, when its time is
//! up.
//! Never here: Git; `settle` looks at the refs and tells the leases.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::decide::Decision;
use super::push::told::Told;
use crate::domain::by_package::ByPackage;
use crate::domain::ledger::Deed;
use crate::domain::names::PackagePath;
use crate::domain::oid::ObjectId;
use crate::domain::refs::RefName;
use crate::process::ProcessId;

/// How long a push may take from the verdict to the ref update when nobody can tell whether its process lives.
pub const LEASE_TIME: Duration = Duration::from_secs(60);

/// How long the outcome of a push is kept for its post-receive to fetch.
const OUTCOME_TIME: Duration = Duration::from_secs(120);

/// One ref update that git was told it may make.
#[derive(Debug, Clone)]
pub struct Lease {
    /// The push's process, where it is known.
    pub process: Option<ProcessId>,
    /// When it ends by itself.
    pub until: Instant,
    /// The ref.
    pub name: RefName,
    /// Its value after; `None` when the push deletes it.
    pub new: Option<ObjectId>,
    /// What it means.
    pub purpose: Purpose,
    /// How far it is.
    pub stage: LeaseStage,
}

/// What a leased update means.
#[derive(Debug, Clone)]
pub enum Purpose {
    /// A change of a package revision.
    Change(Box<Decision>, Deed),
    /// An administrator's import of a ref.
    Import(RefName, Deed),
    /// A move of the registered branch.
    Trunk(Box<Trunk>),
    /// Part of another change of the same push, such as the draft that goes away with its proposal.
    Part(PackagePath),
}

/// What a move of the registered branch means.
#[derive(Debug, Clone)]
pub struct Trunk {
    /// The changes of package revisions that it makes.
    pub decided: Vec<(Decision, Deed)>,
    /// The packages that it changes and that the repository's setting lets pass.
    pub passed: Vec<PackagePath>,
    /// Who moves it, when, to which commit.
    pub deed: Deed,
}

impl Trunk {
    /// What the ledger's log says of the packages that pass; nothing where none does.
    pub fn note(&self, branch: &RefName) -> Option<String> {
        let packages: Vec<&str> = self.passed.iter().map(PackagePath::as_str).collect();
        let Deed { commit, by, .. } = &self.deed;
        (!packages.is_empty()).then(|| format!("allow {branch} at {commit} by {by}: {}", packages.join(", ")))
    }
}

/// How far a lease is.
#[derive(Debug, Clone, PartialEq)]
pub enum LeaseStage {
    /// The ref is not seen moved yet.
    Waiting,
    /// It moved; what the transition needs besides is not done yet.
    Moved,
    /// The transition is complete, and this is what to tell the pusher.
    Done(Vec<Told>),
}

impl Lease {
    /// The packages it holds.
    fn packages(&self) -> impl Iterator<Item = &PackagePath> {
        let (one, trunk) = match &self.purpose {
            Purpose::Change(decision, _) => (Some(&decision.change.package), None),
            Purpose::Part(package) => (Some(package), None),
            Purpose::Trunk(trunk) => (None, Some(trunk)),
            Purpose::Import(..) => (None, None),
        };
        let decided = trunk.into_iter().flat_map(|trunk| &trunk.decided).map(|(decision, _)| &decision.change.package);
        one.into_iter().chain(decided).chain(trunk.into_iter().flat_map(|trunk| &trunk.passed))
    }

    /// How long ago it was given.
    fn age(&self, now: Instant) -> Duration {
        (now + LEASE_TIME).saturating_duration_since(self.until)
    }

    /// Whether it waits for a push that is over: its process is gone, or, where no process is known, its time is up.
    pub fn is_over(&self, now: Instant) -> bool {
        self.process.map_or(now >= self.until, ProcessId::is_gone)
    }
}

/// The packages that pushes held at one moment.
#[derive(Debug, Default)]
pub struct Held(ByPackage<()>);

impl Held {
    /// Whether the package is one of them, or overlaps one.
    pub fn overlaps(&self, package: &PackagePath) -> bool {
        self.0.overlapping(package).next().is_some()
    }
}

/// The leases of one repository, and how the pushes under way are made up.
#[derive(Debug, Default)]
pub struct Leases {
    leases: Vec<Lease>,
    /// Pushes that hold both refs for proc-receive and others: by process, with the end of their time.
    mixed: Vec<(ProcessId, Instant)>,
    /// How long the leases lasted that ended since somebody asked.
    lasted: Vec<Duration>,
}

impl Leases {
    /// Whether a change of `package` must wait: another push that is not over holds it, or one that overlaps it. `own` is
    /// the process of the push that asks: its own leases do not stand in its way.
    pub fn holds(&self, package: &PackagePath, own: Option<ProcessId>) -> bool {
        let now = Instant::now();
        self.waiting_for(package).any(|lease| (own.is_none() || lease.process != own) && !lease.is_over(now))
    }

    /// The same for whoever asks of many packages.
    pub fn held(&self, own: Option<ProcessId>) -> Held {
        let is_over = self.over();
        self.waiting(|lease| (own.is_some() && lease.process == own) || is_over(lease))
    }

    /// The same for whoever completes changes, by what [`Leases::over`] said before the refs were read.
    pub fn waiting(&self, is_over: impl Fn(&Lease) -> bool) -> Held {
        let mut held = Held::default();
        let waiting = self.leases.iter().filter(|lease| lease.stage == LeaseStage::Waiting && !is_over(lease));
        waiting.flat_map(Lease::packages).for_each(|package| *held.0.entry(package) = ());
        held
    }

    fn waiting_for(&self, package: &PackagePath) -> impl Iterator<Item = &Lease> {
        let waiting = self.leases.iter().filter(|lease| lease.stage == LeaseStage::Waiting);
        waiting.filter(|lease| lease.packages().any(|held| held.overlaps(package)))
    }

    /// The changes, by process and package, of which git is still to move a part. Until then the change is not complete: to
    /// finish it for the push would take that ref away under git's hands.
    fn parts_to_come(&self, is_over: impl Fn(&Lease) -> bool) -> HashSet<(Option<ProcessId>, &PackagePath)> {
        let part = |lease: &&Lease| matches!(lease.purpose, Purpose::Part(_)) && lease.stage == LeaseStage::Waiting;
        let parts = self.leases.iter().filter(part).filter(|lease| !is_over(lease));
        parts.flat_map(|lease| lease.packages().map(|package| (lease.process, package))).collect()
    }

    /// Says of each lease what [`Lease::is_over`] says, and asks only once for each process: one push may hold thousands.
    ///
    /// Whoever concludes from it that a ref never moved must read the refs after this: a process may move one and end while
    /// they are read.
    pub fn over(&self) -> impl Fn(&Lease) -> bool + use<> {
        let (now, mut gone) = (Instant::now(), HashMap::new());
        for process in self.leases.iter().filter_map(|lease| lease.process) {
            gone.entry(process).or_insert_with(|| process.is_gone());
        }
        move |lease| lease.process.map_or(now >= lease.until, |process| gone.get(&process).copied().unwrap_or_default())
    }

    /// Takes note of the waiting leases whose ref is at its new value, by `moved`, and whose change is whole. Leases of
    /// pushes that are over, by what [`Leases::over`] said before the refs were read, and moved nothing are dropped.
    pub fn note_moved(&mut self, moved: impl Fn(&Lease) -> bool, is_over: impl Fn(&Lease) -> bool) {
        let now = Instant::now();
        for part in self.leases.iter_mut().filter(|lease| matches!(lease.purpose, Purpose::Part(_))) {
            if part.stage == LeaseStage::Waiting && moved(part) {
                part.stage = LeaseStage::Done(Vec::new());
            }
        }
        let to_come = self.parts_to_come(&is_over);
        let is_whole = |lease: &Lease| !lease.packages().any(|package| to_come.contains(&(lease.process, package)));
        let whole: Vec<bool> = self
            .leases
            .iter()
            .map(|lease| lease.stage == LeaseStage::Waiting && moved(lease) && is_whole(lease))
            .collect();
        for (lease, _) in self.leases.iter_mut().zip(whole).filter(|(_, whole)| *whole) {
            lease.stage = LeaseStage::Moved;
            self.lasted.push(lease.age(now));
        }
        self.leases.retain(|lease| {
            let kept = lease.stage != LeaseStage::Waiting || moved(lease) || !is_over(lease);
            self.lasted.extend((!kept).then(|| lease.age(now)));
            kept
        });
    }

    /// The packages of which a push's refs have moved and the rest is being done.
    pub fn moved(&self) -> HashSet<PackagePath> {
        let moved = self.leases.iter().filter(|lease| lease.stage == LeaseStage::Moved);
        moved.flat_map(Lease::packages).cloned().collect()
    }

    /// Whether every update that a push was allowed has its outcome.
    pub fn is_told(&self, process: Option<ProcessId>, names: &[RefName]) -> bool {
        let names: HashSet<&RefName> = names.iter().collect();
        let of_push = |lease: &&Lease| (lease.process == process || process.is_none()) && names.contains(&lease.name);
        self.leases.iter().filter(of_push).all(|lease| matches!(lease.stage, LeaseStage::Done(_)))
    }

    /// How long the leases lasted that ended since this was asked last.
    pub fn take_lasted(&mut self) -> Vec<Duration> {
        std::mem::take(&mut self.lasted)
    }

    /// Adds the leases of a push.
    pub fn add(&mut self, leases: Vec<Lease>) {
        let now = Instant::now();
        self.leases.retain(|lease| match lease.stage {
            LeaseStage::Waiting | LeaseStage::Moved => true,
            LeaseStage::Done(_) => now < lease.until + OUTCOME_TIME,
        });
        self.leases.extend(leases);
    }

    /// Whether an update of a ref was allowed to a push: `process` is its, where both know one.
    pub fn allows(&self, process: Option<ProcessId>, name: &RefName, new: Option<ObjectId>) -> bool {
        self.leases.iter().any(|lease| {
            lease.name == *name
                && lease.new == new
                && lease.stage == LeaseStage::Waiting
                && (lease.process.is_none() || process.is_none() || lease.process == process)
        })
    }

    /// Whether any lease still waits.
    pub fn any_waiting(&self) -> bool {
        self.leases.iter().any(|lease| lease.stage == LeaseStage::Waiting)
    }

    /// Every lease, to be looked at and moved on.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Lease> {
        self.leases.iter_mut()
    }

    /// Drops the waiting leases for which `over` says yes.
    pub fn drop_waiting(&mut self, mut over: impl FnMut(&Lease) -> bool) {
        self.leases.retain(|lease| lease.stage != LeaseStage::Waiting || !over(lease));
    }

    /// Takes the outcomes of a push's refs, in the order in which the push named them: the first `most`, and how many there
    /// are besides.
    pub fn take_outcomes(&mut self, process: Option<ProcessId>, names: &[RefName], most: usize) -> (Vec<Told>, usize) {
        let wanted: HashSet<&RefName> = names.iter().collect();
        let mut told: HashMap<RefName, Vec<Told>> = HashMap::new();
        self.leases.retain_mut(|lease| match &mut lease.stage {
            LeaseStage::Done(outcomes) if lease.process == process || process.is_none() => {
                // Of several outcomes of one ref the oldest is taken first.
                match wanted.contains(&lease.name) && !told.contains_key(&lease.name) {
                    true => told.insert(lease.name.clone(), std::mem::take(outcomes)).is_some(),
                    false => true,
                }
            }
            _ => true,
        });
        let mut told: Vec<Told> = names.iter().filter_map(|name| told.remove(name)).flatten().collect();
        let more = told.len().saturating_sub(most);
        told.truncate(most);
        (told, more)
    }

    /// Notes that a push mixes refs for proc-receive with others.
    pub fn note_mixed(&mut self, process: ProcessId) {
        let now = Instant::now();
        self.mixed.retain(|(_, until)| now < *until);
        self.mixed.push((process, now + LEASE_TIME));
    }

    /// Whether a push mixes refs for proc-receive with others.
    pub fn is_mixed(&self, process: Option<ProcessId>) -> bool {
        self.mixed.iter().any(|(noted, _)| Some(*noted) == process)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, process: Option<ProcessId>) -> Lease {
        Lease {
            process,
            until: Instant::now() + LEASE_TIME,
            name: RefName::parse(name).expect("valid"),
            new: None,
            purpose: Purpose::Part(PackagePath::parse("net/router").expect("valid")),
            stage: LeaseStage::Waiting,
        }
    }

    fn living() -> ProcessId {
        ProcessId::of(std::process::id()).expect("we run")
    }

    fn note_moved(leases: &mut Leases, moved: impl Fn(&Lease) -> bool) {
        let is_over = leases.over();
        leases.note_moved(moved, is_over);
    }

    #[test]
    fn a_push_that_ends_while_the_refs_are_read_may_have_moved_them() {
        let package = PackagePath::parse("net/router").expect("valid");
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().expect("it runs");
        let mut leases = Leases::default();
        leases.add(vec![part("refs/heads/drafts/net/router/w1", ProcessId::of(child.id()))]);
        let is_over = leases.over();
        child.kill().and_then(|()| child.wait()).expect("it ends");
        leases.note_moved(|_| false, &is_over);
        assert!(
            leases.any_waiting() && leases.waiting(&is_over).overlaps(&package),
            "its refs are looked at once more"
        );
        note_moved(&mut leases, |_| false);
        assert!(!leases.any_waiting() && !leases.waiting(leases.over()).overlaps(&package));
    }

    #[test]
    fn a_push_waits_for_its_own_parts_and_for_nobody_else_s() {
        let own = part("refs/heads/drafts/net/router/w1", Some(living()));
        let mut leases = Leases::default();
        leases.add(vec![own.clone()]);
        let comes = |leases: &Leases, lease: &Lease| {
            let to_come = leases.parts_to_come(leases.over());
            lease.packages().any(|package| to_come.contains(&(lease.process, package)))
        };
        assert!(comes(&leases, &own));
        let gone = ProcessId { pid: u32::MAX - 1, start: 1 };
        assert!(!comes(&leases, &part("refs/heads/x", Some(gone))));
        note_moved(&mut leases, |_| false);
        assert!(leases.any_waiting());
        note_moved(&mut leases, |_| true);
        assert!(!leases.any_waiting() && !comes(&leases, &own));
    }

    #[test]
    fn a_lease_stands_in_others_way_while_its_push_lives() {
        let package = PackagePath::parse("net/router").expect("valid");
        let (own, gone) = (living(), ProcessId { pid: u32::MAX - 1, start: 1 });
        let mut leases = Leases::default();
        leases.add(vec![part("refs/heads/drafts/net/router/w1", Some(gone))]);
        assert!(!leases.holds(&package, None), "its process is gone");
        note_moved(&mut leases, |_| false);
        assert!(!leases.any_waiting(), "and so is the lease");
        leases.add(vec![part("refs/heads/drafts/net/router/w1", Some(own))]);
        assert!(leases.holds(&package, None) && leases.holds(&PackagePath::parse("net").expect("valid"), Some(gone)));
        assert!(!leases.holds(&package, Some(own)) && !leases.holds(&PackagePath::parse("x").expect("valid"), None));
    }

    #[test]
    fn whoever_asks_of_many_packages_hears_what_is_said_of_each() {
        let (own, gone) = (living(), ProcessId { pid: u32::MAX - 1, start: 1 });
        let path = |text: &str| PackagePath::parse(text).expect("valid");
        let lease = |package: &str, process, stage| {
            let purpose = Purpose::Part(path(package));
            Lease { purpose, stage, ..part(&format!("refs/heads/drafts/{package}/w1"), process) }
        };
        let mut leases = Leases::default();
        leases.add(vec![
            lease("net/router", Some(own), LeaseStage::Waiting),
            lease("net/switch", Some(gone), LeaseStage::Waiting),
            lease("web", None, LeaseStage::Waiting),
            lease("web/shop", Some(own), LeaseStage::Waiting),
            lease("db", Some(own), LeaseStage::Moved),
        ]);
        for process in [None, Some(own), Some(gone)] {
            let held = leases.held(process);
            for package in ["net", "net/router", "net/router/x", "net/switch", "net-x", "web", "web/shop/x", "db", "z"]
            {
                let package = path(package);
                assert_eq!(held.overlaps(&package), leases.holds(&package, process), "{package} {process:?}");
            }
        }
        assert_eq!(leases.moved(), HashSet::from([path("db")]));
    }
}
