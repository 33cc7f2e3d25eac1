//! `t:sha1`: the SHA-1 digest (FIPS 180-4), 20 bytes; usually followed by `t:hexEncode`.
//!
//! It makes short keys of user agents and addresses and protects nothing. Source: ModSecurity.

use std::borrow::Cow;

use sha1::{Digest, Sha1};

use super::About;

pub(super) const ABOUT: About = About {
    names: &["sha1"],
    what: "gives the SHA-1 digest, 20 bytes",
    example: (b"", b"\xda\x39\xa3\xee\x5e\x6b\x4b\x0d\x32\x55\xbf\xef\x95\x60\x18\x90\xaf\xd8\x07\x09"),
    triggers: None,
    apply: |input| Cow::Owned(Sha1::digest(input).to_vec()),
};
