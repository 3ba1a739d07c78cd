//! The server's own certificate: made by our authority for 90 days, renewed after 60 while the daemon runs.
//!
//! It lies with its key in `STATE/pki/server.pem`. Whatever is wrong with that file, a new one is made: clients trust the
//! authority, not this certificate.
//! Never here: the authority (see `authority`), sockets.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_util::sync::CancellationToken;

use super::authority::{Authority, AuthorityError, read, write};
use super::certificates::Seconds;
use super::crypto;

/// How long a server certificate is valid, in days.
const DAYS: u64 = 90;
/// When fewer days than this are left, it is renewed.
const RENEW_DAYS: u64 = 30;
/// How often the running daemon looks.
const LOOK: Duration = Duration::from_secs(3600);

/// The certificate that the listeners show. It can be exchanged under them.
pub struct ServerCertificate {
    authority: Arc<Authority>,
    names: Vec<String>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerCertificate").field("names", &self.names).finish_non_exhaustive()
    }
}

impl ServerCertificate {
    /// Takes the certificate from its file, or makes one: for `localhost`, the loopback addresses and `extra` host names
    /// and addresses.
    ///
    /// # Errors
    /// A name is none, or the file cannot be written.
    pub fn open(authority: Arc<Authority>, extra: &[String]) -> Result<Self, AuthorityError> {
        Self::open_at(authority, extra, Seconds::now())
    }

    fn open_at(authority: Arc<Authority>, extra: &[String], now: Seconds) -> Result<Self, AuthorityError> {
        let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
        for name in extra {
            if ServerName::try_from(name.as_str()).is_err() {
                return Err(AuthorityError::BadName(name.clone()));
            }
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let file = authority.directory().join("server.pem");
        let kept = read(&file).ok().flatten().and_then(|pem| usable(&authority, &names, &pem, now));
        let key = match kept {
            Some(key) => key,
            None => make(&authority, &names, now)?,
        };
        Ok(Self { authority, names, current: RwLock::new(key) })
    }

    /// The certificate that is shown now.
    pub fn current(&self) -> Arc<CertifiedKey> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Renews the certificate if it is due; says whether it was. Connections that are open keep the old one.
    ///
    /// # Errors
    /// The new one cannot be made or written; the old one stays.
    pub fn renew_if_due(&self) -> Result<bool, AuthorityError> {
        self.renew_if_due_at(Seconds::now())
    }

    fn renew_if_due_at(&self, now: Seconds) -> Result<bool, AuthorityError> {
        if lasts(&self.authority, &self.names, &self.current(), now) {
            return Ok(false);
        }
        self.renew(now)?;
        Ok(true)
    }

    fn renew(&self, now: Seconds) -> Result<(), AuthorityError> {
        let key = make(&self.authority, &self.names, now)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = key;
        Ok(())
    }

    /// Renews it although it is not due, so that tests see the exchange.
    #[cfg(test)]
    pub(crate) fn renew_now(&self) {
        self.renew(Seconds::now()).expect("renewed");
    }

    /// Looks every hour whether the certificate is due, until cancelled.
    pub async fn keep_renewed(self: Arc<Self>, cancel: CancellationToken) {
        while cancel.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            match self.renew_if_due() {
                Ok(true) => tracing::info!("the server certificate was renewed"),
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "the server certificate could not be renewed; the old one stays"),
            }
        }
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

fn make(authority: &Authority, names: &[String], now: Seconds) -> Result<Arc<CertifiedKey>, AuthorityError> {
    let pem = authority.issue_server(names, now, DAYS)?;
    write(&authority.directory().join("server.pem"), &pem)?;
    let general = |error: rustls::pki_types::pem::Error| rustls::Error::General(error.to_string());
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(general)?;
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(general)?;
    Ok(Arc::new(CertifiedKey::from_der(vec![certificate], key, &crypto())?))
}

fn usable(authority: &Authority, names: &[String], pem: &str, now: Seconds) -> Option<Arc<CertifiedKey>> {
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()?;
    // This refuses a key of another certificate, too.
    let key = Arc::new(CertifiedKey::from_der(vec![certificate], key, &crypto()).ok()?);
    lasts(authority, names, &key, now).then_some(key)
}

/// Whether a client would take the certificate for every name, now and until the next renewal.
fn lasts(authority: &Authority, names: &[String], key: &CertifiedKey, now: Seconds) -> bool {
    let mut roots = RootCertStore::empty();
    let Some(certificate) = key.cert.first() else { return false };
    if roots.add(authority.certificate().clone()).is_err() {
        return false;
    }
    let Ok(client) = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(crypto())).build() else {
        return false;
    };
    let takes = |name: &String, at: Seconds| {
        ServerName::try_from(name.as_str()).is_ok_and(|name| {
            let at = UnixTime::since_unix_epoch(Duration::from_secs(at.0));
            client.verify_server_cert(certificate, &[], &name, &[], at).is_ok()
        })
    };
    names.iter().all(|name| takes(name, now) && takes(name, now.plus_days(RENEW_DAYS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serial(server: &ServerCertificate) -> Vec<u8> {
        server.current().cert[0].to_vec()
    }

    #[test]
    fn kept_while_good_and_made_anew_otherwise() {
        let pki = tempfile::tempdir().expect("a directory");
        let authority = Arc::new(Authority::open(pki.path()).expect("made"));
        let open = |extra: &[String]| ServerCertificate::open(authority.clone(), extra).expect("open");
        let first = open(&[]);
        assert_eq!(serial(&first), serial(&open(&[])), "kept");
        let named = open(&["git.example.com".to_owned(), "10.0.0.7".to_owned()]);
        assert_ne!(serial(&first), serial(&named), "another name");
        assert_eq!(serial(&named), serial(&open(&[])), "more names than needed do no harm");
        std::fs::write(pki.path().join("server.pem"), "nonsense").expect("written");
        assert_ne!(serial(&named), serial(&open(&[])), "damaged");
        let error = ServerCertificate::open(authority.clone(), &["no name".to_owned()]).expect_err("bad").to_string();
        assert!(error.contains("\"no name\""), "{error}");
    }

    #[test]
    fn renewed_at_two_thirds_of_its_life() {
        let pki = tempfile::tempdir().expect("a directory");
        let authority = Arc::new(Authority::open(pki.path()).expect("made"));
        let server = ServerCertificate::open(authority, &[]).expect("open");
        let (before, now) = (serial(&server), Seconds::now());
        assert!(!server.renew_if_due_at(now.plus_days(59)).expect("looked"));
        assert_eq!(before, serial(&server));
        assert!(server.renew_if_due_at(now.plus_days(61)).expect("renewed"));
        assert_ne!(before, serial(&server));
    }
}
