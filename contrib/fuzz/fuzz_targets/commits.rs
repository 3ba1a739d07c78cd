//! Fuzzes `commits`. Never here: what must hold (see `src/commits.rs`).
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stoop_fuzz::commits::run(data));
