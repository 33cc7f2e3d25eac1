//! `t:length`: `abc` becomes `3`.
//!
//! The number of bytes, in decimal. Source: ModSecurity.

use std::borrow::Cow;

use super::About;

pub(super) const ABOUT: About = About {
    names: &["length"],
    what: "gives the number of bytes",
    example: (b"abc", b"3"),
    triggers: None,
    apply: |input| Cow::Owned(input.len().to_string().into_bytes()),
};
