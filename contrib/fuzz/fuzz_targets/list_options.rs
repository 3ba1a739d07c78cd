//! Fuzzes `list_options`. Never here: what must hold (see `src/list_options.rs`).
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stoop_fuzz::list_options::run(data));
