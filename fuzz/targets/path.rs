//! The one reading of a path. The laws stand in the gateway, see `fuzzing` there.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| portcullis_gateway::fuzzing::path(input));
