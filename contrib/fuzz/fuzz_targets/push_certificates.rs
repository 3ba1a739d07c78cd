//! Fuzzes `push_certificates`. Never here: what must hold (see `src/push_certificates.rs`).
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stoop_fuzz::push_certificates::run(data));
