//! Who somebody is: passwords, tokens, our own certificate authority, kubeconfigs, and the one place that turns
//! credentials into an `Actor`.
//!
//! Never here: what an actor may do (see `domain::policy`), HTTP responses, hooks.

use rustls::crypto::CryptoProvider;

pub mod authenticate;
pub mod authority;
pub mod kubeconfig;
pub mod passwords;
pub mod pusher;
pub mod server_certificate;
pub mod ssh_keys;
pub mod tokens;

mod attempts;
mod certificates;
mod private_file;

/// The one set of cryptographic primitives in use: ring's. Never the process-wide default, which another crate could set.
pub fn crypto() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

/// The system cannot give random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoRandom;

/// Random bytes from the system, fit for keys.
fn random<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut bytes = [0; N];
    crypto().secure_random.fill(&mut bytes).map_err(|_| NoRandom)?;
    Ok(bytes)
}

/// Whether two digests are equal, in a time that does not depend on where they differ.
fn same_digest(one: &[u8; 32], other: &[u8; 32]) -> bool {
    let difference = one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b));
    std::hint::black_box(difference) == 0
}
