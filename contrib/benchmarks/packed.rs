//! What Stoop adds to a push where few or very many refs are packed: it must not grow with them.
//!
//! The refs are branches that nobody manages; each repository has a twin without hooks that gets the same pushes, because git
//! tells every client all refs before it pushes. Never here: many packages (see `ten_thousand`).

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::commits::commits;
use crate::measure::Samples;
use crate::pushes::{push, without_hooks};
use crate::report::{Aim, Row};
use crate::support::{World, git_command, run};
use crate::{Plan, progress};

/// How many refs are packed.
const SIZES: [usize; 3] = [100, 20_000, 200_000];
/// How many of each push are measured, and how many are made before.
const ROUNDS: usize = 24;
const WARM_UP: usize = 2;
/// The pushes of one round, in their order.
const KINDS: [(&str, &str); 3] =
    [("save a draft", "refs/heads/drafts"), ("propose", "refs/heads/proposed"), ("approve", "refs/approve")];

/// A repository, its twin, a clone that borrows its objects, and what was measured: by kind, through Stoop and without.
struct Site {
    served: PathBuf,
    twin: PathBuf,
    clone: PathBuf,
    base: String,
    times: [[Samples; 2]; 3],
}

/// The rows of this group.
pub(crate) fn rows(plan: &Plan) -> Vec<Row> {
    progress("packed refs: 100, 20,000 and 200,000");
    let mut world = World::without_daemon();
    let sites = SIZES.map(|refs| site(&world, refs));
    world.start_daemon_with(&[]);
    SIZES.iter().for_each(|refs| world.wait_for_repository(&format!("p{refs}")));
    let mut sites = sites;
    for round in 0..WARM_UP + plan.samples(ROUNDS) {
        for site in &mut sites {
            if round == WARM_UP {
                site.times = Default::default();
            }
            site.round(round);
        }
    }
    let mut rows = Vec::new();
    for (kind, (name, _)) in KINDS.iter().enumerate() {
        let added = |site: &Site| site.times[kind][0].more_than(&site.times[kind][1]);
        for (site, refs) in sites.iter().zip(SIZES) {
            let [stoop, without] = &site.times[kind];
            rows.push(
                Row::time(format!("push: {name}, {refs} packed refs"), stoop)
                    .against("the same push, no hooks", without),
            );
        }
        for (site, refs) in sites.iter().zip(SIZES).skip(1) {
            let row = Row::time(format!("what Stoop adds to it, {refs} packed refs"), &added(site));
            rows.push(row.against(format!("{} packed refs", SIZES[0]), &added(&sites[0])).aim(Aim::Ratio(1.2)));
        }
    }
    rows
}

fn site(world: &World, refs: usize) -> Site {
    let name = format!("p{refs}");
    world.create_repository(&name);
    let served = world.bare(&name);
    let base = run(git_command(&served).args(["rev-parse", "main"])).ok().text().to_owned();
    let mut packed = String::from("# pack-refs with: peeled fully-peeled sorted \n");
    for number in 0..refs {
        let _ = writeln!(packed, "{base} refs/heads/other/{number:06}");
    }
    std::fs::write(served.join("packed-refs"), packed).expect("the refs are packed");
    let clone = world.path().join(format!("{name}-clone.git"));
    run(git_command(world.path()).args(["init", "-q", "--bare"]).arg(&clone)).ok();
    let alternates = format!("{}\n", served.join("objects").display());
    std::fs::write(clone.join("objects/info/alternates"), alternates).expect("the clone borrows its objects");
    let twin = without_hooks(world, &name, &format!("{name}-twin"));
    Site { served, twin, clone, base, times: Default::default() }
}

impl Site {
    fn round(&mut self, round: usize) {
        let package = format!("bench/p{round}");
        let commit = commits(&self.clone, &self.base, &[(package.clone(), "one".to_owned())]).remove(0);
        for ((_, prefix), [stoop, without]) in KINDS.iter().zip(&mut self.times) {
            let refspec = format!("{commit}:{prefix}/{package}/w");
            if round.is_multiple_of(2) {
                stoop.time(|| push(&self.clone, &self.served, &refspec));
            }
            without.time(|| push(&self.clone, &self.twin, &refspec));
            if !round.is_multiple_of(2) {
                stoop.time(|| push(&self.clone, &self.served, &refspec));
            }
        }
    }
}
