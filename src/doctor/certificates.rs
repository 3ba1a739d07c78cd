//! Certificates and the files that hold keys: valid for how long, private, and what the running API shows.
//!
//! Never here: making or renewing any; a key is looked at from outside only, by its file's mode.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::report::Finding;
use super::state::{held, listening, read};
use crate::identity::crypto;
use crate::index::clock;

/// Fewer days than these are worth a word: for the authority, since nobody renews it by itself; for the server, since the
/// daemon renews it when 30 are left.
const AUTHORITY_DAYS: i64 = 90;
const SERVER_DAYS: i64 = 29;
/// How long the API may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The files that hold keys.
const PRIVATE: [&str; 3] = ["pki/ca.key", "pki/server.pem", "kubeconfig"];

/// One certificate: days left (negative when it has expired), and the names it is valid for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    days: i64,
    names: Vec<String>,
}

/// What was found.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    authority: Option<Result<Certificate, String>>,
    server: Option<Result<Certificate, String>>,
    /// Files that hold keys, with their modes, where others than the owner may read them.
    exposed: Vec<(&'static str, u32)>,
    missing: Vec<&'static str>,
    /// What the running API answers to /readyz, over TLS that was checked; `None` when no daemon runs.
    api: Option<Result<String, String>>,
    running: bool,
}

/// Looks at the files, and asks the API where a daemon runs.
pub(super) fn look(state: &Path, running: bool) -> Facts {
    let pem = |name: &str| {
        read(&state.join("pki").join(name)).transpose().map(|text| text.map_err(|error| error.to_string()))
    };
    let authority = pem("ca.crt");
    let api = running.then(|| {
        let listening = listening(state).ok_or("listening.json does not say where it listens")?;
        let authority = authority.clone().unwrap_or_else(|| Err("pki/ca.crt is missing".to_owned()))?;
        ask(&listening.api, &authority)
    });
    let modes = PRIVATE.map(|name| (name, held(&state.join(name)).ok()));
    Facts {
        authority: authority.map(|text| text.and_then(|text| certificate(&text))),
        server: pem("server.pem").map(|text| text.and_then(|text| certificate(&text))),
        exposed: modes
            .iter()
            .filter_map(|(name, held)| Some((*name, held.as_ref()?.mode)))
            .filter(|(_, mode)| mode & 0o077 != 0)
            .collect(),
        missing: modes.iter().filter(|(_, held)| held.is_none()).map(|(name, _)| *name).collect(),
        api,
        running,
    }
}

fn certificate(pem: &str) -> Result<Certificate, String> {
    let der =
        CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| "it is no certificate in PEM form".to_owned())?;
    let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| "it is no certificate".to_owned())?;
    let left = parsed.validity().not_after.timestamp() - clock::now().seconds();
    let names = parsed.subject_alternative_name().ok().flatten();
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match *bytes {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(*a, *b, *c, *d).to_string()),
            bytes => <[u8; 16]>::try_from(bytes).ok().map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()),
        },
        _ => None,
    };
    let names = names.map(|names| names.value.general_names.iter().filter_map(name).collect()).unwrap_or_default();
    Ok(Certificate { days: left.div_euclid(86_400), names })
}

/// Asks `/readyz` over TLS; the certificate must be the authority's and valid for the address.
fn ask(url: &str, authority: &str) -> Result<String, String> {
    let address: SocketAddr = url
        .strip_prefix("https://")
        .and_then(|rest| rest.trim_end_matches('/').parse().ok())
        .ok_or_else(|| format!("listening.json names {url:?}, which is no address"))?;
    // An address that means all of the machine's is reached by loopback.
    let reached = match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from(([127, 0, 0, 1], v4.port())),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, v6.port())),
        other => other,
    };
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(authority.as_bytes()).map_err(|error| text(&error))?;
    roots.add(authority).map_err(|error| text(&error))?;
    let config = ClientConfig::builder_with_provider(Arc::new(crypto()))
        .with_safe_default_protocol_versions()
        .map_err(|error| text(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::IpAddress(reached.ip().into());
    let mut tls = ClientConnection::new(Arc::new(config), name).map_err(|error| text(&error))?;
    let mut socket = TcpStream::connect_timeout(&reached, PATIENCE).map_err(|error| format!("{reached}: {error}"))?;
    socket
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| socket.set_write_timeout(Some(PATIENCE)))
        .map_err(|error| text(&error))?;
    let mut stream = Stream::new(&mut tls, &mut socket);
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {reached}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(|error| text(&error))?;
    let mut head = [0; 64];
    let mut length = 0;
    while length < head.len() && !head[..length].contains(&b'\n') {
        match stream.read(&mut head[length..]).map_err(|error| text(&error))? {
            0 => break,
            count => length += count,
        }
    }
    let line = String::from_utf8_lossy(&head[..length]).into_owned();
    let status = line.split_whitespace().nth(1).unwrap_or_default();
    if status == "200" { Ok(reached.to_string()) } else { Err(format!("{reached} answers /readyz with {status:?}")) }
}

/// Judges what was found.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let Some(authority) = &facts.authority else {
        return vec![Finding::skip("certificates", "there are none yet", "the daemon makes them when it starts")];
    };
    let mut findings = vec![match authority {
        Err(error) => Finding::fail(
            "certificates",
            format!("pki/ca.crt, the authority, cannot be used: {error}"),
            "restore it from a backup; a new authority means new kubeconfigs for everyone",
        ),
        Ok(Certificate { days, .. }) if *days < 0 => Finding::fail(
            "certificates",
            "the authority has expired, so nobody trusts the API",
            "move STATE/pki away and restart: a new one is made; then issue every kubeconfig anew",
        ),
        Ok(Certificate { days, .. }) if *days < AUTHORITY_DAYS => Finding::warn(
            "certificates",
            format!("the authority is valid for {days} days only"),
            "plan its exchange: move STATE/pki away, restart, and issue every kubeconfig anew",
        ),
        Ok(Certificate { days, .. }) => Finding::ok("certificates", format!("the authority is valid for {days} days")),
    }];
    findings.push(judge_server(facts));
    for (name, mode) in &facts.exposed {
        let text = format!("{name} holds a key and has mode {mode:o}");
        findings.push(Finding::fail("keys", text, format!("chmod 0600 STATE/{name}, and think of who has read it")));
    }
    if !facts.missing.is_empty() {
        let text = format!("{} is missing", facts.missing.join(", "));
        findings.push(Finding::warn(
            "keys",
            text,
            "restore it from a backup, or restart the daemon, which makes what it can",
        ));
    } else if facts.exposed.is_empty() {
        findings.push(Finding::ok("keys", "only their owner can read them"));
    }
    findings.extend(facts.api.as_ref().map(|api| match api {
        Ok(address) => Finding::ok("api", format!("{address} answers, its certificate is right, and it is ready")),
        Err(error) => Finding::fail("api", format!("it does not answer as it should: {error}"), "see the daemon's log"),
    }));
    findings
}

fn judge_server(facts: &Facts) -> Finding {
    let renews = "restart the daemon: it makes a new one";
    match &facts.server {
        None | Some(Err(_)) if !facts.running => {
            Finding::ok("certificates", "the server's is made when the daemon starts")
        }
        None => Finding::fail("certificates", "pki/server.pem is missing", renews),
        Some(Err(error)) => Finding::fail("certificates", format!("pki/server.pem cannot be used: {error}"), renews),
        Some(Ok(server)) if !facts.running && server.days < SERVER_DAYS => {
            Finding::ok("certificates", "the server's is renewed when the daemon starts")
        }
        Some(Ok(server)) if server.days < 0 => Finding::fail("certificates", "the server's has expired", renews),
        Some(Ok(server)) if server.days < SERVER_DAYS => Finding::warn(
            "certificates",
            format!("the server's is valid for {} days only, and was not renewed", server.days),
            format!("see the daemon's log for why, then {renews}"),
        ),
        Some(Ok(server)) => {
            let names = server.names.join(", ");
            Finding::ok("certificates", format!("the server's is valid for {} days, as {names}", server.days))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Level::{self, Fail, Ok as Good, Warn};
    use crate::identity::authority::Authority;
    use crate::identity::server_certificate::ServerCertificate;

    fn odd(facts: &Facts) -> Vec<(&'static str, Level)> {
        let odd = judge(facts).into_iter().filter(|finding| finding.level != Good);
        odd.map(|finding| (finding.check, finding.level)).collect()
    }

    #[test]
    fn real_certificates_are_read() {
        let state = tempfile::tempdir().expect("a directory");
        assert_eq!(judge(&look(state.path(), false))[0].level, Level::Skip);
        let authority = Arc::new(Authority::open(&state.path().join("pki")).expect("made"));
        ServerCertificate::open(authority, &["git.example.com".to_owned()]).expect("made");
        let facts = look(state.path(), false);
        let server = facts.server.clone().expect("there").expect("readable");
        assert!((88..=90).contains(&server.days), "{server:?}");
        assert_eq!(server.names, ["localhost", "127.0.0.1", "::1", "git.example.com"]);
        assert_eq!(odd(&facts), [("keys", Warn)], "the kubeconfig is missing");
    }

    #[test]
    fn validity_modes_and_the_answer_are_judged() {
        let certificate = |days| Some(Ok(Certificate { days, names: vec!["localhost".to_owned()] }));
        let facts = |authority, server, running| Facts {
            authority: certificate(authority),
            server: certificate(server),
            exposed: Vec::new(),
            missing: Vec::new(),
            api: None,
            running,
        };
        let good = || facts(3000, 80, true);
        let grid: [(Facts, &[(&str, Level)]); 11] = [
            (good(), &[]),
            (facts(80, 80, true), &[("certificates", Warn)]),
            (facts(-1, 80, true), &[("certificates", Fail)]),
            (facts(3000, 20, true), &[("certificates", Warn)]),
            (facts(3000, -1, true), &[("certificates", Fail)]),
            (facts(3000, -1, false), &[]),
            (Facts { server: None, ..good() }, &[("certificates", Fail)]),
            (Facts { authority: Some(Err("soup".to_owned())), ..good() }, &[("certificates", Fail)]),
            (Facts { exposed: vec![("kubeconfig", 0o644)], ..good() }, &[("keys", Fail)]),
            (Facts { api: Some(Ok("127.0.0.1:1".to_owned())), ..good() }, &[]),
            (Facts { api: Some(Err("refused".to_owned())), ..good() }, &[("api", Fail)]),
        ];
        for (facts, want) in grid {
            assert_eq!(odd(&facts), want, "{facts:?}");
        }
    }
}
