//! Fuzzes `kptfile`. Never here: what must hold (see `src/kptfile.rs`).
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stoop_fuzz::kptfile::run(data));
