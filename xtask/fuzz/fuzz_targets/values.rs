//! Parses any text as each validated value.
#![no_main]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| tgscan_fuzz::values(input));
