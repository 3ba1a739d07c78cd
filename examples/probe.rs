use std::sync::Arc;
use stoop::domain::{names::*, package::*, refs::*};
use stoop::index::{cache::Cache, catalog::Catalog, clock::Clock, guarded::*};
fn main() {
    let path = std::path::PathBuf::from(std::env::args().nth(1).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::open(dir.path().join("clock")).unwrap();
    let shared = Arc::new(Shared {
        catalog: Catalog::new(clock.start()),
        clock,
        cache: Cache::open(std::path::Path::new("/tmp/probe-cache")),
    });
    let key = Arc::new(RepositoryKey {
        namespace: Namespace::parse("default").unwrap(),
        name: RepositoryName::parse("repo").unwrap(),
        registration: Registration { branch: RefName::branch("main").unwrap(), directory: Directory::default() },
        deployment: false,
        url: "x.git".into(),
    });
    let t = std::time::Instant::now();
    let g = Guarded::open(&path, key, shared.clone()).unwrap();
    let view = g.refresh().unwrap();
    eprintln!("{:?} objects {}", t.elapsed(), view.objects.len());
    for o in shared.catalog.revisions(None).items {
        println!(
            "{} {} {} {} latest={} {} {:?}",
            o.name, o.revision, o.lifecycle, o.ref_name, o.latest, o.resource_version, o.publication
        );
    }
    shared.cache.flush();
}
