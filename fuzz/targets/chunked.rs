//! A body of chunks, and what follows it. The laws stand in the gateway, see `fuzzing` there.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| portcullis_gateway::fuzzing::chunked(input));
