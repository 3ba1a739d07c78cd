//! Fuzzes `api_paths`. Never here: what must hold (see `src/api_paths.rs`).
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stoop_fuzz::api_paths::run(data));
