//! A pattern, and a value that it may match. The laws stand in the rule engine, see `fuzzing` there.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| portcullis_waf::fuzzing::hold("waf_filter", input));
