#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| roomkeep_fuzz::token::run(data));
