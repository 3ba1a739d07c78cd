//! The policy file: read whole and checked whole, like the configuration that names it.
//!
//! `schema` is the file as it is written, `check` turns it into `domain::policy::Policy`, `time` reads moments and time zones.
//! Never here: what the rules mean (see `domain::policy`), and whether an older file may come back (see `serial`).

use std::path::Path;

use super::ConfigError;
use super::check::{is_blank, read};
use crate::domain::policy::Policy;

mod check;
mod schema;
#[cfg(test)]
mod tests;
mod time;

impl Policy {
    /// Reads and checks a policy file.
    ///
    /// # Errors
    /// As `Config::load`.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        Self::read(&read(file)?, file)
    }

    /// Checks a text as if it were a policy file of the given name.
    ///
    /// # Errors
    /// As `load`, without those of reading.
    pub fn read(text: &str, file: &Path) -> Result<Self, ConfigError> {
        if is_blank(text) {
            return Err(ConfigError::new(file, None, "is empty; a policy has at least a serial, as in `serial: 1`"));
        }
        check::parse(text, file)
    }
}
