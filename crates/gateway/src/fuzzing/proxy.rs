//! The PROXY protocol's header.

use crate::forwarded::of_one_host;
use crate::proxy_protocol::{HEADER_BYTES_MAX, Read, Source, read};

/// Laws of [`read`]: the verdict does not depend on how the bytes were cut nor on what follows the header, a header is
/// bounded, and it names an address that a client can have.
pub fn hold(input: &[u8]) {
    let verdict = read(input);
    match verdict {
        Ok(Read::More) => assert!(input.len() < HEADER_BYTES_MAX, "what is waited for is bounded"),
        Ok(Read::Header { bytes, source }) => {
            assert!(0 < bytes && bytes <= input.len().min(HEADER_BYTES_MAX));
            if let Source::Client(client) = source {
                assert_eq!(of_one_host(client.ip()), Some(client.ip()), "{}", input.escape_ascii());
            }
            let followed = [&input[..bytes], b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(read(&followed), verdict, "{}", input.escape_ascii());
        }
        Err(_) => {}
    }
    let mut is_decided = false;
    for length in 0..input.len() {
        let early = read(&input[..length]);
        // Once something else than to wait was said, it stays said.
        assert!(early == verdict || (!is_decided && early == Ok(Read::More)), "{}", input.escape_ascii());
        is_decided = early != Ok(Read::More);
    }
}
