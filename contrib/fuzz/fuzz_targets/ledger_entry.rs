//! Fuzzes `ledger_entry`. Never here: what must hold (see `src/ledger_entry.rs`).
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stoop_fuzz::ledger_entry::run(data));
