//! The configuration that the running daemon holds: everyone sees the same one, and a reload swaps it whole.
//!
//! Never here: signals, and telling anyone that it changed; who keeps something made from a configuration compares
//! the `Arc`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use super::serial::SerialFile;
use super::{Config, ConfigError};

/// The current configuration and the file it comes from.
#[derive(Debug)]
pub struct SharedConfig {
    file: Option<PathBuf>,
    serial: Option<SerialFile>,
    current: RwLock<Arc<Config>>,
}

impl SharedConfig {
    /// Reads the file, or takes the defaults where there is none.
    ///
    /// # Errors
    /// As `Config::load`; or the policy is older than one that was in force before on the `state` directory.
    pub fn load(file: Option<PathBuf>, state: Option<&Path>) -> Result<Self, ConfigError> {
        let serial = state.map(SerialFile::in_state);
        let config = admitted(file.as_deref(), serial.as_ref())?;
        Ok(Self { file, serial, current: RwLock::new(Arc::new(config)) })
    }

    /// A fixed configuration without a file; a reload changes nothing.
    pub fn fixed(config: Config) -> Self {
        Self { file: None, serial: None, current: RwLock::new(Arc::new(config)) }
    }

    /// The configuration as it is now.
    pub fn current(&self) -> Arc<Config> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the file again. Blocks on the disk for a moment.
    ///
    /// # Errors
    /// As `load`; the old configuration and the old policy then stay in force, both.
    pub fn reload(&self) -> Result<(), ConfigError> {
        if let Some(file) = &self.file {
            let config = Arc::new(admitted(Some(file), self.serial.as_ref())?);
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = config;
        }
        Ok(())
    }
}

/// The configuration in a file, if its policy may come into force.
fn admitted(file: Option<&Path>, serial: Option<&SerialFile>) -> Result<Config, ConfigError> {
    let config = Config::load(file)?;
    if let Some(serial) = serial {
        let place = config.policy_file.as_deref().or(file).unwrap_or(Path::new("the configuration"));
        serial.admit(&config).map_err(|why| ConfigError::new(place, None, why))?;
    }
    Ok(config)
}
