//! `t:md5`: the MD5 digest (RFC 1321), 16 bytes; usually followed by `t:hexEncode`.
//!
//! It recognises known values and protects nothing. Source: ModSecurity.

use std::borrow::Cow;

use md5::{Digest, Md5};

use super::About;

pub(super) const ABOUT: About = About {
    names: &["md5"],
    what: "gives the MD5 digest, 16 bytes",
    example: (b"", b"\xd4\x1d\x8c\xd9\x8f\x00\xb2\x04\xe9\x80\x09\x98\xec\xf8\x42\x7e"),
    triggers: None,
    apply: |input| Cow::Owned(Md5::digest(input).to_vec()),
};
