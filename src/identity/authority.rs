//! Our own certificate authority: made on first start, kept private in `STATE/pki`, valid ten years.
//!
//! `ca.key` holds the key, `ca.crt` the certificate. A lost certificate is signed again with the key, which keeps every
//! kubeconfig valid; a lost, damaged or expired authority is an error, since replacing it would lock everyone out silently.
//! Never here: the server's own certificate (see `server_certificate`), and who a certificate's holder is to us.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rcgen::{Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::certificates::{self, AUTHORITY_NAME, Seconds};
use super::private_file;
use crate::domain::names::UserName;

/// How long the authority is valid, in days.
const AUTHORITY_DAYS: u64 = 3650;
/// How long a client's certificate is valid, in days.
const CLIENT_DAYS: u64 = 365;

/// Why the authority or a certificate cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file or the directory cannot be used.
    #[error("{file}: {error}; Stoop keeps its certificates there and needs the right to read and write it")]
    File {
        /// The file or directory.
        file: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file of the authority is not what it should be.
    #[error(
        "{file}: {why}; put the file back from a backup, or move the directory away and start again: a new authority is then made, and every kubeconfig must be issued anew"
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A name for the server's certificate is no host name and no address.
    #[error("{0:?} is neither a host name nor an address, so no certificate can carry it")]
    BadName(String),
    /// A certificate could not be made.
    #[error("a certificate could not be made: {0}")]
    Making(#[from] rcgen::Error),
    /// rustls does not take what was made.
    #[error("a certificate could not be used: {0}")]
    Using(#[from] rustls::Error),
}

/// A client's certificate and its key.
pub struct ClientCertificate {
    /// The certificate, PEM.
    pub certificate: String,
    /// The private key, PEM.
    pub key: String,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate(…)")
    }
}

/// The authority, ready to sign.
pub struct Authority {
    directory: PathBuf,
    certificate: CertificateDer<'static>,
    pem: String,
    until: Seconds,
    issuer: Issuer<'static, KeyPair>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Authority {
    /// Opens the authority in that directory, or makes one there if there is none.
    ///
    /// # Errors
    /// The directory cannot be used, or what is in it is damaged, expired or incomplete.
    pub fn open(directory: &Path) -> Result<Self, AuthorityError> {
        Self::open_at(directory, Seconds::now())
    }

    pub(super) fn open_at(directory: &Path, now: Seconds) -> Result<Self, AuthorityError> {
        let (key_file, certificate_file) = (directory.join("ca.key"), directory.join("ca.crt"));
        private_file::make_directory(directory).map_err(|error| at(directory, error))?;
        let key = read(&key_file)?;
        let written = read(&certificate_file)?;
        let key = match (key, &written) {
            (Some(text), _) => KeyPair::from_pem(&text).map_err(|error| damaged(&key_file, error))?,
            (None, Some(_)) => return Err(damaged(&key_file, "the authority's key is missing")),
            (None, None) => {
                let key = KeyPair::generate()?;
                write(&key_file, &key.serialize_pem())?;
                key
            }
        };
        let pem = match written {
            Some(pem) => pem,
            None => {
                let pem = certificates::authority(now, now.plus_days(AUTHORITY_DAYS)).self_signed(&key)?.pem();
                write(&certificate_file, &pem)?;
                pem
            }
        };
        let bad = |why: &dyn fmt::Display| damaged(&certificate_file, why);
        let certificate =
            CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| bad(&"this is no certificate in PEM form"))?;
        let until = check(&certificate, &key, now).map_err(|why| bad(&why))?;
        let issuer = Issuer::new(certificates::authority(now, until), key);
        Ok(Self { directory: directory.to_owned(), certificate, pem, until, issuer })
    }

    /// The directory that holds the authority's files.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The authority's certificate, PEM: what clients must trust.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The authority's certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// A new certificate for a user, valid one year; a group, if any, becomes the organisation.
    ///
    /// # Errors
    /// It could not be made.
    pub fn issue_client(&self, user: &UserName, group: Option<&str>) -> Result<ClientCertificate, AuthorityError> {
        let now = Seconds::now();
        let key = KeyPair::generate()?;
        let until = now.plus_days(CLIENT_DAYS).min(self.until);
        let certificate = certificates::client(user.as_str(), group, now, until).signed_by(&key, &self.issuer)?;
        Ok(ClientCertificate { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// A new server certificate with its key, as one PEM text.
    pub(super) fn issue_server(&self, names: &[String], now: Seconds, days: u64) -> Result<String, AuthorityError> {
        let key = KeyPair::generate()?;
        let until = now.plus_days(days).min(self.until);
        let certificate = certificates::server(names, now, until)?.signed_by(&key, &self.issuer)?;
        Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
    }
}

/// Checks that the certificate is this key's authority and valid; returns its end.
fn check(certificate: &CertificateDer<'_>, key: &KeyPair, now: Seconds) -> Result<Seconds, String> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| "this is no certificate".to_owned())?;
    let common_name = parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
    if !parsed.is_ca() || common_name != Some(AUTHORITY_NAME) {
        return Err("this is not the certificate of a Stoop authority".to_owned());
    }
    if parsed.public_key().subject_public_key.data != key.public_key_raw() {
        return Err("this certificate does not belong to the key in ca.key".to_owned());
    }
    let until = Seconds(u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0));
    if until <= now {
        return Err(format!("the authority expired at {}", parsed.validity().not_after));
    }
    if u64::try_from(parsed.validity().not_before.timestamp()).unwrap_or(0) > now.0 {
        return Err(format!("the authority is not valid before {}; is the clock right", parsed.validity().not_before));
    }
    Ok(until)
}

pub(super) fn at(file: &Path, error: io::Error) -> AuthorityError {
    AuthorityError::File { file: file.to_owned(), error }
}

pub(super) fn read(file: &Path) -> Result<Option<String>, AuthorityError> {
    match private_file::read(file) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(damaged(file, "this is no text")),
        other => other.map_err(|error| at(file, error)),
    }
}

pub(super) fn write(file: &Path, text: &str) -> Result<(), AuthorityError> {
    private_file::write(file, text).map_err(|error| at(file, error))
}

fn damaged(file: &Path, why: impl fmt::Display) -> AuthorityError {
    AuthorityError::Damaged { file: file.to_owned(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(file: &Path) -> u32 {
        std::fs::metadata(file).expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn it_is_made_once_and_private() {
        let state = tempfile::tempdir().expect("a directory");
        let pki = state.path().join("pki");
        let first = Authority::open(&pki).expect("made");
        assert_eq!((mode(&pki), mode(&pki.join("ca.key")), mode(&pki.join("ca.crt"))), (0o700, 0o600, 0o600));
        let again = Authority::open(&pki).expect("opened");
        assert_eq!(first.pem(), again.pem());
        assert!(!format!("{again:?}").contains("PRIVATE"));
    }

    #[test]
    fn a_lost_certificate_is_signed_again_by_the_same_key() {
        let pki = tempfile::tempdir().expect("a directory");
        let first = Authority::open(pki.path()).expect("made");
        std::fs::remove_file(pki.path().join("ca.crt")).expect("removed");
        let again = Authority::open(pki.path()).expect("made again");
        assert_eq!(first.issuer.key().public_key_raw(), again.issuer.key().public_key_raw());
    }

    #[test]
    fn damage_and_expiry_are_told_not_papered_over() {
        let pki = tempfile::tempdir().expect("a directory");
        let (key, certificate) = (pki.path().join("ca.key"), pki.path().join("ca.crt"));
        drop(Authority::open(pki.path()).expect("made"));
        let refused = |what: &str| {
            let error = Authority::open(pki.path()).expect_err(what).to_string();
            assert!(error.contains(what) && error.contains("every kubeconfig"), "{what}: {error}");
        };
        let good = std::fs::read_to_string(&certificate).expect("read");

        std::fs::write(&certificate, "nonsense").expect("written");
        refused("no certificate in PEM form");
        let other = tempfile::tempdir().expect("a directory");
        std::fs::write(&certificate, Authority::open(other.path()).expect("made").pem()).expect("written");
        refused("does not belong to the key");
        std::fs::write(&certificate, &good).expect("written");
        let late = Seconds::now().plus_days(AUTHORITY_DAYS + 1);
        let error = Authority::open_at(pki.path(), late).expect_err("expired").to_string();
        assert!(error.contains("the authority expired at"), "{error}");
        std::fs::write(&key, [0xff, 0xfe]).expect("written");
        refused("no text");
        std::fs::remove_file(&key).expect("removed");
        refused("key is missing");
    }
}
