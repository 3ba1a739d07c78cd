//! Fuzzes `git_paths`. Never here: what must hold (see `src/git_paths.rs`).
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stoop_fuzz::git_paths::run(data));
