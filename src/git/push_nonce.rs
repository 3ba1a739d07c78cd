//! The nonce that git gives to whoever is about to push with a signature: made again from the repository's seed.
//!
//! Git writes `<seconds>-<HMAC>`. The HMAC's key is `<directory>:<seconds>`, the directory as `git receive-pack` was told it,
//! its text the seed `receive.certNonceSeed`; its hash is the repository's own.
//! Never here: how old a nonce may be.

use super::error::GitError;
use super::program::settings;
use super::reader::Reader;
use crate::domain::timestamp::Micros;

/// The block of both hashes that git uses, in bytes.
const BLOCK: usize = 64;

impl Reader {
    /// When this repository gave out a nonce to a push that named it `directory`; `None` when it did not.
    pub fn nonce_time(&self, nonce: &str, directory: &[u8]) -> Result<Option<Micros>, GitError> {
        let Some((seconds, digest)) = nonce.split_once('-') else { return Ok(None) };
        let Some(at) = seconds.parse::<i64>().ok().filter(|at| *at >= 0 && at.to_string() == seconds) else {
            return Ok(None);
        };
        let settings = settings(self.path())?;
        let seed = settings.into_iter().rev().find(|setting| setting.key == "receive.certnonceseed");
        let Some(seed) = seed.and_then(|setting| setting.value).filter(|seed| !seed.is_empty()) else {
            return Ok(None);
        };
        let key = [directory, b":", seconds.as_bytes()].concat();
        let made = self.hmac(&key, seed.as_bytes())?;
        let made: String = made.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(same(made.as_bytes(), digest.as_bytes()).then(|| Micros::from_seconds(at)))
    }

    /// HMAC (RFC 2104) with the repository's hash.
    fn hmac(&self, key: &[u8], text: &[u8]) -> Result<Vec<u8>, GitError> {
        let mut block = [0; BLOCK];
        match key.len() > BLOCK {
            true => {
                let digest = self.digest(&[key])?;
                block[..digest.len()].copy_from_slice(&digest);
            }
            false => block[..key.len()].copy_from_slice(key),
        }
        let inner = self.digest(&[&block.map(|byte| byte ^ 0x36), text])?;
        self.digest(&[&block.map(|byte| byte ^ 0x5c), &inner])
    }

    fn digest(&self, parts: &[&[u8]]) -> Result<Vec<u8>, GitError> {
        let mut hasher = gix::hash::hasher(self.gix().object_hash());
        parts.iter().for_each(|part| hasher.update(part));
        let digest = hasher.try_finalize();
        digest.map(|digest| digest.as_bytes().to_vec()).map_err(|error| GitError::Failed {
            doing: "compute a digest".to_owned(),
            repository: self.path().to_owned(),
            text: error.to_string(),
        })
    }
}

/// Compares in a time that does not tell where they differ.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |differ, (left, right)| differ | (left ^ right)) == 0
}
