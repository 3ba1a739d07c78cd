//! Fuzzes `hook_wire`. Never here: what must hold (see `src/hook_wire.rs`).
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stoop_fuzz::hook_wire::run(data));
