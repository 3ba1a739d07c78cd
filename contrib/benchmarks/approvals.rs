//! Proposing and approving in repositories of different sizes, by turns: through the API and by a push.
//!
//! Each repository has a twin without hooks that gets the same pushes, because git's own part grows with the number of refs:
//! it tells the client all of them before every push. Never here: which repositories (see the groups that use this).

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use crate::client::Client;
use crate::fill::{self, data, files};
use crate::measure::Samples;
use crate::pushes::{catch_up, push, without_hooks};
use crate::report::{Aim, Row};
use crate::support::{World, git_command, run};

/// Approvals before the ones that count.
const WARM_UP: usize = 2;
/// One round of so many approves the first revision of a new package too.
const NEW_EVERY: usize = 3;

/// A repository that a daemon guards, its twin without hooks, and a client's clone, which borrows the objects and is always up to date.
pub(crate) struct Site<'a> {
    client: &'a Client,
    name: String,
    served: PathBuf,
    twin: PathBuf,
    clone: PathBuf,
    packages: usize,
    /// What was measured.
    pub(crate) times: Times,
}

/// What was measured in one repository; samples of the same place in two lists were taken right after each other.
#[derive(Debug, Default)]
pub(crate) struct Times {
    pub(crate) propose: Samples,
    pub(crate) propose_without: Samples,
    pub(crate) by_api: Samples,
    pub(crate) new_by_api: Samples,
    pub(crate) by_push: Samples,
    pub(crate) by_push_without: Samples,
}

impl<'a> Site<'a> {
    /// A site for a repository of a world, filled by `fill` with so many packages.
    pub(crate) fn new(world: &World, client: &'a Client, name: &str, packages: usize) -> Self {
        let served = world.bare(name);
        let clone = world.path().join(format!("{name}-clone.git"));
        run(git_command(world.path()).args(["init", "-q", "--bare"]).arg(&clone)).ok();
        let alternates = format!("{}\n", served.join("objects").display());
        std::fs::write(clone.join("objects/info/alternates"), alternates).expect("the clone borrows its objects");
        let twin = without_hooks(world, name, &format!("{name}-twin"));
        Self { client, name: name.to_owned(), served, twin, clone, packages, times: Times::default() }
    }

    /// A commit on the newest head of the branch that changes one package, in the client's clone; nothing of this is measured.
    fn commit(&self, package: &str, content: &str) -> String {
        let base = run(git_command(&self.served).args(["rev-parse", "refs/heads/main"])).ok();
        let mut import = git_command(&self.clone);
        let import = import.args(["fast-import", "--quiet", "--force"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut import = import.spawn().expect("git starts");
        let now = jiff::Timestamp::now().as_second();
        let text = format!(
            "commit refs/heads/work\nmark :1\ncommitter amy <amy@example.com> {now} +0000\n{}from {}\n{}\nget-mark :1\n",
            data(content),
            base.text(),
            files(package, content)
        );
        import.stdin.take().expect("piped").write_all(text.as_bytes()).expect("git reads");
        let output = import.wait_with_output().expect("git ends");
        assert!(output.status.success(), "git fast-import failed");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Pushes one refspec to the served repository and to the twin; which is first changes with the round.
    fn push(&self, round: usize, refspec: &str, stoop: &mut Samples, without: &mut Samples) {
        let served = |times: &mut Samples| times.time(|| push(&self.clone, &self.served, refspec));
        if round.is_multiple_of(2) {
            served(stoop);
        }
        without.time(|| push(&self.clone, &self.twin, refspec));
        if !round.is_multiple_of(2) {
            served(stoop);
        }
    }

    fn propose(&self, round: usize, package: &str, workspace: &str, times: &mut Times) -> String {
        let commit = self.commit(package, workspace);
        let refspec = format!("{commit}:refs/heads/proposed/{package}/{workspace}");
        self.push(round, &refspec, &mut times.propose, &mut times.propose_without);
        commit
    }

    fn approve_by_api(&self, package: &str, workspace: &str, times: &mut Samples) {
        let name = format!("{}.{}.{workspace}", self.name, package.replace('/', "."));
        times.time(|| self.client.approve(&name));
        catch_up(&self.twin, &self.served);
    }

    fn round(&mut self, round: usize) {
        let mut times = std::mem::take(&mut self.times);
        let package = fill::package(2 * round % self.packages);
        let workspace = format!("api-{round}");
        self.propose(round, &package, &workspace, &mut times);
        self.approve_by_api(&package, &workspace, &mut times.by_api);

        let package = fill::package((2 * round + 1) % self.packages);
        let workspace = format!("push-{round}");
        let commit = self.propose(round, &package, &workspace, &mut times);
        let refspec = format!("{commit}:refs/approve/{package}/{workspace}");
        self.push(round, &refspec, &mut times.by_push, &mut times.by_push_without);
        catch_up(&self.twin, &self.served);

        if round.is_multiple_of(NEW_EVERY) {
            let package = format!("new/pkg-{round}");
            self.propose(round, &package, "first", &mut times);
            self.approve_by_api(&package, "first", &mut times.new_by_api);
        }
        self.times = times;
    }
}

/// Proposes and approves in all sites by turns.
pub(crate) fn measure(sites: &mut [Site<'_>], rounds: usize) {
    for round in 0..WARM_UP + rounds {
        if round == WARM_UP {
            sites.iter_mut().for_each(|site| site.times = Times::default());
        }
        let first = round % sites.len();
        sites.rotate_left(first);
        sites.iter_mut().for_each(|site| site.round(round));
        sites.rotate_right(first);
    }
}

/// The rows that compare two sites. `judged` says whether the aims are for them.
pub(crate) fn compare(few: (&str, &Times), many: (&str, &Times), judged: bool) -> Vec<Row> {
    let ((few_name, few), (many_name, many)) = (few, many);
    let row = |what: &str, pick: fn(&Times) -> &Samples, aims: &[Aim]| {
        let row = Row::time(format!("{what}, {many_name}"), pick(many)).against(few_name, pick(few));
        if judged { aims.iter().fold(row, |row, aim| row.aim(*aim)) } else { row }
    };
    let fast = [Aim::Ratio(1.2), Aim::Under(50.0)];
    let added = |times: &Times| times.by_push.more_than(&times.by_push_without);
    let added_to_propose = |times: &Times| times.propose.more_than(&times.propose_without);
    let more = Row::time(format!("what Stoop adds to it, {many_name}"), &added(many)).against(few_name, &added(few));
    let mut rows = vec![
        row("approve by the API", |times| &times.by_api, &fast),
        row("approve the first revision of a new package by the API", |times| &times.new_by_api, &fast),
        row("approve by a push", |times| &times.by_push, &[]),
        row("the same push without hooks", |times| &times.by_push_without, &[]),
        if judged { more.aim(Aim::Ratio(1.2)) } else { more },
        row("propose by a push", |times| &times.propose, &[]),
        row("the same push without hooks", |times| &times.propose_without, &[]),
        Row::time(format!("what Stoop adds to it, {many_name}"), &added_to_propose(many))
            .against(few_name, &added_to_propose(few)),
    ];
    if judged {
        let alone = |what: &str, times: &Samples| Row::time(format!("{what}, {few_name}"), times).aim(Aim::Under(50.0));
        rows.insert(0, alone("approve by the API", &few.by_api));
        rows.insert(3, alone("approve by a push", &few.by_push));
    }
    rows
}
