//! The configuration that the running daemon holds: everyone sees the same one, and a reload swaps it whole.
//!
//! Never here: signals, and telling anyone that it changed; who keeps something made from a configuration compares
//! the `Arc`.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use super::{Config, ConfigError};

/// The current configuration and the file it comes from.
#[derive(Debug)]
pub struct SharedConfig {
    file: Option<PathBuf>,
    current: RwLock<Arc<Config>>,
}

impl SharedConfig {
    /// Reads the file, or takes the defaults where there is none.
    ///
    /// # Errors
    /// As `Config::load`.
    pub fn load(file: Option<PathBuf>) -> Result<Self, ConfigError> {
        let config = Config::load(file.as_deref())?;
        Ok(Self { file, current: RwLock::new(Arc::new(config)) })
    }

    /// A fixed configuration without a file; a reload changes nothing.
    pub fn fixed(config: Config) -> Self {
        Self { file: None, current: RwLock::new(Arc::new(config)) }
    }

    /// The configuration as it is now.
    pub fn current(&self) -> Arc<Config> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the file again. Blocks on the disk for a moment.
    ///
    /// # Errors
    /// As `Config::load`; the old configuration then stays in force.
    pub fn reload(&self) -> Result<(), ConfigError> {
        if let Some(file) = &self.file {
            let config = Arc::new(Config::load(Some(file))?);
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = config;
        }
        Ok(())
    }
}
