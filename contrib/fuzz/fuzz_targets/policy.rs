//! Fuzzes `policy`. Never here: what must hold (see `src/policy.rs`).
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stoop_fuzz::policy::run(data));
