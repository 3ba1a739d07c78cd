//! One daemon over 200 repositories of ten package revisions each, beside a daemon over one such repository.
//!
//! Never here: large repositories.

use crate::approvals::{Site, compare, measure};
use crate::client::{Client, JSON, REVISIONS, TABLE};
use crate::measure::Samples;
use crate::report::Row;
use crate::support::World;
use crate::{Plan, fill, progress};

const REPOSITORIES: usize = 200;

/// The rows of this group.
pub(crate) fn rows(plan: &Plan) -> Vec<Row> {
    progress("200 repositories: making them");
    let (mut one, mut many) = (World::without_daemon(), World::without_daemon());
    fill::repository(&one.bare("r0"), 2, 5);
    (0..REPOSITORIES).for_each(|number| {
        fill::copy(&one.bare("r0"), &many.bare(&format!("r{number}")));
    });
    progress("200 repositories: starting");
    let (mut first, mut warm_one, mut warm_many) = (Samples::default(), Samples::default(), Samples::default());
    first.time(|| many.start_daemon());
    one.start_daemon();
    for _ in 0..plan.samples(5) {
        many.stop_daemon("TERM");
        one.stop_daemon("TERM");
        warm_many.time(|| many.start_daemon());
        warm_one.time(|| one.start_daemon());
    }
    let mut rows = vec![
        Row::time("the very first start over 200 repositories, hooks and keys", &first),
        Row::time("start with a cache, 200 repositories", &warm_many).against("1 repository", &warm_one),
    ];
    let (client_one, client_many) = (Client::new(&one, "amy"), Client::new(&many, "amy"));
    for (name, accept) in [("a Table", TABLE), ("JSON", JSON)] {
        let mut times = Samples::default();
        client_many.get(REVISIONS, accept);
        for _ in 0..plan.samples(10) {
            times.time(|| client_many.get(REVISIONS, accept));
        }
        rows.push(Row::time(format!("list 2,000 of 200 repositories as {name}"), &times));
    }
    progress("200 repositories: approving");
    let mut sites = [Site::new(&one, &client_one, "r0", 2), Site::new(&many, &client_many, "r100", 2)];
    measure(&mut sites, plan.samples(30));
    rows.extend(compare(("1 repository", &sites[0].times), ("200 repositories", &sites[1].times), false));
    rows
}
