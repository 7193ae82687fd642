//! Compares the fast decoder with plain `serde_json`.
#![no_main]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| tgscan_fuzz::decode(input));
