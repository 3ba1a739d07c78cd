//! Bad input.
mod content;
mod many_refs;
mod names;
mod raw;
mod steady;
