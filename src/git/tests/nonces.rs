//! Nonces as the real git gives them out, in both object formats.
//!
//! Never here: certificates.

use crate::git::fixture::Repo;

fn offered(repo: &Repo, directory: &str) -> String {
    let told = repo.git(&["receive-pack", "--stateless-rpc", "--http-backend-info-refs", directory]);
    let from = told.split_once("push-cert=").expect("a nonce is offered").1;
    from.split([' ', '\n', '\0']).next().expect("one").to_owned()
}

#[test]
fn a_nonce_is_known_by_the_repository_that_gave_it_and_by_no_other() {
    for format in ["sha1", "sha256"] {
        let (own, other, none) = (Repo::new(format), Repo::new(format), Repo::new(format));
        own.git(&["config", "receive.certNonceSeed", &"0123456789abcdef".repeat(4)]);
        other.git(&["config", "receive.certNonceSeed", "other"]);
        let path = own.path.to_str().expect("text");
        let reader = |repo: &Repo| repo.store().reader();
        for directory in [".", path, "../repo.git"] {
            let nonce = offered(&own, directory);
            let given = reader(&own).nonce_time(&nonce, directory.as_bytes()).expect("read").expect("known");
            assert!(nonce.starts_with(&format!("{}-", given.seconds())), "{nonce}");
            let known = |repo: &Repo, nonce: &str, directory: &str| {
                reader(repo).nonce_time(nonce, directory.as_bytes()).expect("read").is_some()
            };
            assert!(!known(&other, &nonce, directory) && !known(&none, &nonce, directory));
            assert!(!known(&own, &nonce, "/elsewhere.git") && !known(&own, &nonce, ""));
            let (seconds, digest) = nonce.split_once('-').expect("two parts");
            let later = format!("{}-{digest}", given.seconds() + 1);
            for forged in [
                &later,
                seconds,
                digest,
                "",
                "-",
                &format!("+{nonce}"),
                &format!("0{nonce}"),
                &nonce[..nonce.len() - 1],
            ] {
                assert!(!known(&own, forged, directory), "{forged}");
            }
        }
    }
}
