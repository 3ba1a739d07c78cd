//! Many clients at once: 64 that push drafts of different packages to one repository over HTTP, and one that pushes 1,000
//! drafts in one push; against the same Git door in front of a repository without hooks.
//!
//! Never here: one client alone (see `pushes`).

use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use stoop::config::SharedConfig;
use stoop::githttp::{GitDoor, RepositoryPaths};
use stoop::identity::authenticate::Authenticator;
use stoop::listen::Listener;
use tokio_util::sync::CancellationToken;

use crate::commits::commits;
use crate::measure::Samples;
use crate::pushes::without_hooks;
use crate::report::{Aim, Row};
use crate::support::{World, git_command, run};
use crate::{Plan, progress};

const CLIENTS: usize = 64;
/// How many drafts each client pushes, one after the other.
const EACH: usize = 8;
/// How many drafts go in one push.
const MANY: usize = 1_000;

/// The one repository of a door.
struct Only(PathBuf);

impl RepositoryPaths for Only {
    fn resolve(&self, _: &str) -> Option<PathBuf> {
        Some(self.0.clone())
    }
}

/// The rows of this group.
pub(crate) fn rows(plan: &Plan) -> Vec<Row> {
    progress("a crowd: 64 clients over HTTP, and 1,000 drafts in one push");
    let world = World::with_repository();
    let plain = without_hooks(&world, "packages", "plain");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let end = CancellationToken::new();
    let door = runtime.block_on(door(&world, &plain, end.clone()));
    let urls = [world.url("amy", "packages"), format!("http://amy:stoop_amy@{door}/packages.git")];
    let base = run(git_command(&plain).args(["rev-parse", "main"])).ok().text().to_owned();

    let clones: Vec<PathBuf> = (0..CLIENTS).map(|number| clone(&world, &format!("client-{number}"))).collect();
    let each = plan.samples(EACH);
    let (mut whole, mut single) = ([Samples::default(), Samples::default()], [Samples::default(), Samples::default()]);
    for (at, url) in urls.iter().enumerate() {
        let (took, pushes) = crowd(&clones, url, &base, &format!("crowd{at}"), each);
        whole[at].add(took);
        pushes.into_iter().for_each(|time| single[at].add(time));
    }
    let mut many = [Samples::default(), Samples::default()];
    for round in 0..plan.samples(3) {
        let clone = clone(&world, &format!("many-{round}"));
        let packages: Vec<(String, String)> =
            (0..MANY).map(|number| (format!("many{round}/p{number}"), "one".to_owned())).collect();
        let made = commits(&clone, &base, &packages);
        let refspecs =
            made.iter().zip(&packages).map(|(id, (package, _))| format!("{id}:refs/heads/drafts/{package}/w"));
        let refspecs: Vec<String> = refspecs.collect();
        for (url, times) in urls.iter().zip(&mut many) {
            times.time(|| run(git_command(&clone).args(["push", "-q", url]).args(&refspecs)).ok());
        }
    }
    end.cancel();
    let [through, past] = &single;
    vec![
        // At least 0.8 times the throughput is at most 1.25 times the time.
        Row::time(format!("{CLIENTS} clients push {each} drafts each, all of it"), &whole[0])
            .against("the same door, no hooks", &whole[1])
            .aim(Aim::Ratio(1.25)),
        Row::time("one of those pushes", through).against("the same door, no hooks", past),
        Row::time("the slowest of 100 of them", &through.p99()).against("the middle one", through).aim(Aim::Ratio(3.0)),
        Row::time(format!("one push of {MANY} drafts"), &many[0]).against("the same door, no hooks", &many[1]),
    ]
}

/// The Git door without a daemon, to one repository.
async fn door(world: &World, repository: &Path, end: CancellationToken) -> std::net::SocketAddr {
    let config = Arc::new(SharedConfig::load(Some(world.config()), None).expect("the configuration is good"));
    let authenticator = Arc::new(Authenticator::new(config.clone()).expect("random numbers"));
    let door = GitDoor::new(Arc::new(Only(repository.to_owned())), authenticator, config);
    let listener = Listener::bind("127.0.0.1:0".parse().expect("an address"), None).await.expect("bound");
    let address = listener.address();
    tokio::spawn(listener.serve(door.router(), end));
    address
}

/// An empty clone that borrows the repository's objects.
fn clone(world: &World, name: &str) -> PathBuf {
    let clone = world.path().join(format!("{name}.git"));
    run(git_command(world.path()).args(["init", "-q", "--bare"]).arg(&clone)).ok();
    let alternates = format!("{}\n", world.bare("packages").join("objects").display());
    std::fs::write(clone.join("objects/info/alternates"), alternates).expect("the clone borrows its objects");
    clone
}

/// All clients push at once; how long all of it took, and each push.
fn crowd(clones: &[PathBuf], url: &str, base: &str, name: &str, each: usize) -> (Duration, Vec<Duration>) {
    let start = Barrier::new(clones.len() + 1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = clones
            .iter()
            .enumerate()
            .map(|(client, clone)| {
                let start = &start;
                scope.spawn(move || {
                    let package = |number| (format!("{name}/c{client}p{number}"), "one".to_owned());
                    let packages: Vec<(String, String)> = (0..each).map(package).collect();
                    let made = commits(clone, base, &packages);
                    start.wait();
                    let push = |(id, (package, _)): (&String, &(String, String))| {
                        let begun = Instant::now();
                        let refspec = format!("{id}:refs/heads/drafts/{package}/w");
                        run(git_command(clone).args(["push", "-q", url, &refspec])).ok();
                        begun.elapsed()
                    };
                    made.iter().zip(&packages).map(push).collect::<Vec<_>>()
                })
            })
            .collect();
        start.wait();
        let begun = Instant::now();
        let pushes: Vec<Duration> = threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect();
        (begun.elapsed(), pushes)
    })
}
