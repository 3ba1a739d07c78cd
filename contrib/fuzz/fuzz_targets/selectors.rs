//! Fuzzes `selectors`. Never here: what must hold (see `src/selectors.rs`).
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stoop_fuzz::selectors::run(data));
