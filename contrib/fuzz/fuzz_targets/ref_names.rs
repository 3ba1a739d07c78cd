//! Fuzzes `ref_names`. Never here: what must hold (see `src/ref_names.rs`).
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stoop_fuzz::ref_names::run(data));
