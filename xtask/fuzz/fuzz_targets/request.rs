//! Sends any bytes as a request to the mock's engine.
#![no_main]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| tgscan_fuzz::request(input));
