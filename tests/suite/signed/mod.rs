//! Signed pushes: `git push --signed` with SSH and OpenPGP keys, what is kept of them, and what a forged one comes to.
//!
//! Never here: the programs' own verdicts on signatures (see `src/signature`).

mod audit;
pub(crate) mod forged;
mod pushes;
mod required;
pub(crate) mod signers;
