//! The watch over the frames of an HTTP/2 connection. The laws stand in the gateway, see `fuzzing` there.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| portcullis_gateway::fuzzing::h2_watch(input));
