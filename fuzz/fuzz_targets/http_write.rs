#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| roomkeep_fuzz::http_write::run(data));
