//! Fuzzes `object_names`. Never here: what must hold (see `src/object_names.rs`).
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stoop_fuzz::object_names::run(data));
