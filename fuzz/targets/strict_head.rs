//! A client's connection, from its first byte on. The laws stand in the gateway, see `fuzzing` there.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| portcullis_gateway::fuzzing::strict_head(input));
