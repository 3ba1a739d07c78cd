//! What our certificates look like: the parameters of the authority's, the server's and the clients'.
//!
//! Never here: files, and deciding when a certificate is due.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose,
};

/// The common name of every Stoop authority.
pub(super) const AUTHORITY_NAME: &str = "stoop-ca";
/// How far back a certificate's validity begins, for clocks that are behind.
const SKEW: u64 = 3600;
const DAY: u64 = 86_400;

/// Seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seconds(pub(super) u64);

impl Seconds {
    pub(super) fn now() -> Self {
        Self(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }

    pub(super) fn plus_days(self, days: u64) -> Self {
        Self(self.0 + days * DAY)
    }
}

fn valid(params: &mut CertificateParams, from: Seconds, until: Seconds) {
    let start = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = start + Duration::from_secs(from.0.saturating_sub(SKEW));
    params.not_after = start + Duration::from_secs(until.0);
}

fn named(common_name: &str, organisation: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    if let Some(organisation) = organisation {
        name.push(DnType::OrganizationName, organisation);
    }
    name.push(DnType::CommonName, common_name);
    name
}

/// The authority itself. The same parameters make an issuer of a key that was read from a file.
pub(super) fn authority(from: Seconds, until: Seconds) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(AUTHORITY_NAME, None);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    valid(&mut params, from, until);
    params
}

fn leaf(from: Seconds, until: Seconds, usage: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    valid(&mut params, from, until);
    params
}

/// A server's certificate for these host names and addresses.
pub(super) fn server(names: &[String], from: Seconds, until: Seconds) -> Result<CertificateParams, rcgen::Error> {
    let mut params = leaf(from, until, ExtendedKeyUsagePurpose::ServerAuth);
    params.subject_alt_names = CertificateParams::new(names.to_vec())?.subject_alt_names;
    params.distinguished_name = named("stoop", None);
    Ok(params)
}

/// A client's certificate: the user as common name, one group as organisation.
pub(super) fn client(user: &str, group: Option<&str>, from: Seconds, until: Seconds) -> CertificateParams {
    let mut params = leaf(from, until, ExtendedKeyUsagePurpose::ClientAuth);
    params.distinguished_name = named(user, group);
    params
}
