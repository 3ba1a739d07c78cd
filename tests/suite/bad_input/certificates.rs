//! Certificates that are not good, or not anymore.
//!
//! Never here: tokens and passwords (see `access`).

use rcgen::KeyPair;

use super::steady::Steady;
use super::tls::{Certificate, authority, client, connect, exchange, issuer, signed};
use crate::client::REVISIONS;
use crate::support::World;

fn ask(world: &World, certificate: Option<&Certificate>) -> (String, Option<std::io::Error>) {
    let request = format!("GET {REVISIONS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    exchange(connect(world, certificate, &[b"http/1.1"]), request.as_bytes())
}

#[test]
fn only_a_certificate_that_is_valid_today_and_ours_says_who_somebody_is() {
    let world = World::with_repository();
    let steady = Steady::now(&world);
    let ours = authority(&world);
    let year = (2020, 4000);
    let good = signed(&client("rea", None, year), &ours);
    assert!(ask(&world, Some(&good)).0.starts_with("HTTP/1.1 200"), "{:?}", ask(&world, Some(&good)));

    let foreign = issuer("stoop-ca", KeyPair::generate().expect("a key"));
    let own_key = KeyPair::generate().expect("a key");
    let own = client("ada", None, year).self_signed(&own_key).expect("signed").pem();
    let mut server = client("ada", None, year);
    server.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let refused = [
        ("expired", signed(&client("ada", None, (2001, 2002)), &ours)),
        ("not valid yet", signed(&client("ada", None, (3000, 3001)), &ours)),
        ("of another authority of our name", signed(&client("ada", None, year), &foreign)),
        ("signed by itself", Certificate { certificate: own, key: own_key.serialize_pem() }),
        ("for a server", signed(&server, &ours)),
    ];
    for (what, certificate) in refused {
        let (answer, error) = ask(&world, Some(&certificate));
        let told = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(answer.is_empty() && told.contains("alert"), "{what}: {answer} {told}");
    }
    // A valid one of somebody who is nobody here, and of a group that is only the authority's to give.
    let (answer, _) = ask(&world, Some(&signed(&client("mallory", None, year), &ours)));
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("mallory"), "{answer}");
    let (answer, _) = ask(&world, None);
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let log = world.log();
    assert!(!log.contains("panicked"), "{log}");
    steady.check();
}
