//! Keeps an older policy from coming back: the highest serial that was ever in force stays in the state directory.
//!
//! A file with a lower serial is refused, so is another file with the same one, and so is none at all once there was one.
//! Never here: reading the policy file.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Config;

/// Where the highest serial is kept.
#[derive(Debug, Clone)]
pub(super) struct SerialFile(PathBuf);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    serial: u64,
    sha256: String,
}

impl SerialFile {
    /// The file in a state directory.
    pub(super) fn in_state(state: &Path) -> Self {
        Self(state.join("policy-serial.json"))
    }

    /// Lets a configuration's policy come into force, and keeps its serial. The sentence says why it may not.
    pub(super) fn admit(&self, config: &Config) -> Result<(), String> {
        let place = self.0.display();
        let kept = self.kept().map_err(|error| {
            format!("the highest serial of a policy is kept in {place}, which cannot be read: {error}; restore it from a backup")
        })?;
        let policy = &config.policy;
        if let Some(kept) = &kept {
            let highest = kept.serial;
            if config.policy_file.is_none() {
                return Err(format!(
                    "no policy is named, but one with serial {highest} was in force; name it with policy:, or an empty one with serial: {}",
                    highest.saturating_add(1)
                ));
            }
            if policy.serial < highest {
                return Err(format!(
                    "serial is {}, but a policy with serial {highest} was in force; an older policy does not come back: write serial: {}",
                    policy.serial,
                    highest.saturating_add(1)
                ));
            }
            if policy.serial == highest && policy.digest != kept.sha256 {
                return Err(format!(
                    "another policy with serial {highest} was in force; every change has a serial of its own: write serial: {}",
                    highest.saturating_add(1)
                ));
            }
        }
        if policy.serial > kept.map_or(0, |kept| kept.serial) {
            let next = Kept { serial: policy.serial, sha256: policy.digest.clone() };
            self.keep(&next).map_err(|error| format!("the policy's serial cannot be kept in {place}: {error}"))?;
        }
        Ok(())
    }

    fn kept(&self) -> io::Result<Option<Kept>> {
        match fs::read(&self.0) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn keep(&self, kept: &Kept) -> io::Result<()> {
        let temporary = self.0.with_extension("new");
        let mut file = fs::File::create(&temporary)?;
        file.write_all(&serde_json::to_vec(kept)?)?;
        file.sync_all()?;
        fs::rename(&temporary, &self.0)?;
        self.0.parent().map_or(Ok(()), |directory| fs::File::open(directory)?.sync_all())
    }
}
