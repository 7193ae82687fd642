//! Parses any bytes as a response to each method.
#![no_main]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| tgscan_fuzz::response(input));
