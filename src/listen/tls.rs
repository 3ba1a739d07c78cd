//! The TLS side of a listener: our certificate, and client certificates of our authority, which are optional.
//!
//! Never here: making certificates (see `identity`).

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::identity::authority::Authority;
use crate::identity::crypto;
use crate::identity::server_certificate::ServerCertificate;

/// Whether a listener on this address must speak TLS: everything but loopback, since passwords and tokens pass there.
pub fn needs_tls(address: SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}

/// TLS 1.2 and 1.3 with HTTP/2 and HTTP/1. A client certificate is verified against our authority when one is shown; the
/// server's certificate may be exchanged while connections run.
///
/// # Errors
/// rustls does not take the authority's certificate.
pub fn tls_config(
    authority: &Authority,
    certificate: Arc<ServerCertificate>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(crypto());
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone())?;
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_goes_without() {
        for (address, want) in [
            ("127.0.0.1:80", false),
            ("127.8.9.1:80", false),
            ("[::1]:80", false),
            ("[::ffff:127.0.0.1]:80", false),
            ("0.0.0.0:80", true),
            ("[::]:80", true),
            ("10.0.0.1:80", true),
            ("[::ffff:10.0.0.1]:80", true),
        ] {
            assert_eq!(needs_tls(address.parse().expect("an address")), want, "{address}");
        }
    }
}
