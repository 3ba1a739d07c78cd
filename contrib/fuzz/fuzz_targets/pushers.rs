//! Fuzzes `pushers`. Never here: what must hold (see `src/pushers.rs`).
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stoop_fuzz::pushers::run(data));
