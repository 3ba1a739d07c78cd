//! TLS connections to the API with any certificate, and bytes over them that no client library sends.
//!
//! Never here: what the answers should be.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::World;

/// A certificate with its key, PEM.
pub(crate) struct Certificate {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// An open connection.
pub(crate) type Connection = StreamOwned<ClientConnection, TcpStream>;

/// The authority of a world, as somebody would hold it who has its key.
pub(crate) fn authority(world: &World) -> Issuer<'static, KeyPair> {
    let key = std::fs::read_to_string(world.state().join("pki/ca.key")).expect("the authority's key");
    issuer("stoop-ca", KeyPair::from_pem(&key).expect("a key"))
}

/// An authority of that name with that key.
pub(crate) fn issuer(name: &str, key: KeyPair) -> Issuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(name, None);
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    Issuer::new(params, key)
}

fn named(name: &str, organisation: Option<&str>) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, name);
    organisation.into_iter().for_each(|organisation| named.push(DnType::OrganizationName, organisation));
    named
}

/// What a client's certificate says, valid from one year to another.
pub(crate) fn client(user: &str, group: Option<&str>, years: (i32, i32)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(user, group);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
    params
}

/// Signs it.
pub(crate) fn signed(params: &CertificateParams, by: &Issuer<'static, KeyPair>) -> Certificate {
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, by).expect("signed").pem();
    Certificate { certificate, key: key.serialize_pem() }
}

/// Connects to the API; `protocols` are offered by ALPN. The handshake is done with the first bytes.
pub(crate) fn connect(world: &World, certificate: Option<&Certificate>, protocols: &[&[u8]]) -> Connection {
    let authority = std::fs::read(world.state().join("pki/ca.crt")).expect("the authority");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&authority).expect("a certificate")).expect("taken");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS");
    let config = config.with_root_certificates(roots);
    let mut config = match certificate {
        None => config.with_no_client_auth(),
        Some(Certificate { certificate, key }) => {
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate")];
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
            config.with_client_auth_cert(chain, key).expect("they belong together")
        }
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let address = world.ready().api.strip_prefix("https://").expect("TLS");
    let socket = TcpStream::connect(address).expect("a connection");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a deadline");
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("a session"), socket)
}

/// Sends bytes and returns what came back until the end, with the error that ended it, if any.
pub(crate) fn exchange(mut connection: Connection, bytes: &[u8]) -> (String, Option<std::io::Error>) {
    let mut answer = Vec::new();
    let sent = connection.write_all(bytes).and_then(|()| connection.flush());
    let error = sent.and_then(|()| connection.read_to_end(&mut answer)).err();
    (String::from_utf8_lossy(&answer).into_owned(), error)
}
