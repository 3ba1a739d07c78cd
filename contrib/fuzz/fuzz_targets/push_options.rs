//! Fuzzes `push_options`. Never here: what must hold (see `src/push_options.rs`).
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stoop_fuzz::push_options::run(data));
