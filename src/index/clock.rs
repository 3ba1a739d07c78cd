//! The clock of resource versions: one rising 64-bit number for the whole daemon, in microseconds since 1970.
//!
//! A ceiling is kept in a file outside the cache before numbers below it are used, so that a resource version never goes
//! back: not when the daemon restarts, not when the cache is lost, not when the machine's clock is set back.
//! Never here: what a version belongs to.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::timestamp::Micros;

/// How far ahead of the newest number the ceiling is written: one minute.
const STRIDE: u64 = 60_000_000;

/// The clock. One for each state directory.
#[derive(Debug)]
pub struct Clock {
    file: PathBuf,
    start: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    last: u64,
    ceiling: u64,
}

/// The machine's time.
pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

impl Clock {
    /// Opens the clock whose ceiling is in `file`; every number given from now on is above every number given before.
    pub fn open(file: PathBuf) -> io::Result<Self> {
        let ceiling = match fs::read_to_string(&file) {
            Ok(text) => text.trim().parse().map_err(|_| {
                let why = format!(
                    "{} does not hold a number; restore it, or write one above every resourceVersion seen",
                    file.display()
                );
                io::Error::new(io::ErrorKind::InvalidData, why)
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        let start = now().0.max(ceiling);
        // One stride ahead is how the daemon before left it.
        let behind = ceiling.saturating_sub(now().0) / 1_000_000;
        if behind > STRIDE / 1_000_000 {
            tracing::warn!(
                file = %file.display(), seconds = behind,
                "the machine's clock is behind the resource versions given before; they go on from there, look at the clock"
            );
        }
        write_atomically(&file, start + STRIDE)?;
        Ok(Self { file, start, state: Mutex::new(State { last: start, ceiling: start + STRIDE }) })
    }

    /// The first number of this run: all that were given before are at most this.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// A new number, above all others. If the ceiling cannot be written the number is given all the same and the failure
    /// is logged: refusing every change for it would be worse, and the next start is still above the machine's time.
    pub fn next(&self) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.last = now().0.max(state.last + 1);
        if state.last >= state.ceiling {
            match write_atomically(&self.file, state.last + STRIDE) {
                Ok(()) => state.ceiling = state.last + STRIDE,
                Err(error) => {
                    tracing::error!(file = %self.file.display(), %error, "the ceiling of resource versions cannot be written");
                }
            }
        }
        state.last
    }
}

fn write_atomically(path: &Path, ceiling: u64) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary)?;
    writeln!(file, "{ceiling}")?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_within_a_run_and_across_runs() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("clock");
        let clock = Clock::open(path.clone()).expect("opens");
        let numbers: Vec<u64> = (0..1000).map(|_| clock.next()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b) && numbers[0] > clock.start());
        let again = Clock::open(path).expect("opens again");
        assert!(again.start() >= numbers[999] && again.next() > numbers[999]);
    }

    #[test]
    fn a_clock_set_back_does_not_take_numbers_back() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("clock");
        let far = now().0 + 1_000_000_000_000;
        fs::write(&path, far.to_string()).expect("written");
        let clock = Clock::open(path).expect("opens");
        assert!(clock.next() > far);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_not_a_fresh_start() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("clock");
        fs::write(&path, "soup").expect("written");
        assert!(Clock::open(path).expect_err("damaged").to_string().contains("resourceVersion"));
    }
}
