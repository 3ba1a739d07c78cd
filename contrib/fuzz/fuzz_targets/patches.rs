//! Fuzzes `patches`. Never here: what must hold (see `src/patches.rs`).
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stoop_fuzz::patches::run(data));
