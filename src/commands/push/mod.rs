//! The push door's side of the commands: what pushed refs mean, the verdict on a whole push, and what the pusher reads.
//!
//! Never here: the socket and its wire format (see `hooks`).

pub mod branch;
pub mod changed;
pub mod company;
pub mod fit;
pub mod outcome;
pub mod read;
pub mod reply;
pub mod ruled_reply;
pub mod signed;
pub mod told;
mod trunk;
pub mod verdict;
