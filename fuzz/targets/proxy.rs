//! The PROXY protocol's header. The laws stand in the gateway, see `fuzzing` there.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| portcullis_gateway::fuzzing::proxy(input));
