//! `t:base64DecodeExt`: `P.HNjc mlwdD4=` becomes `<script>`: Base64 with other bytes strewn in.
//!
//! All that is none of the 64 signs is passed over, as PHP does; `-` and `_` are signs too (RFC 4648 §5). Source:
//! ModSecurity 3 as it is today (3.0.9 passed `-` and `_` over), except that padding in a wrong place does not make us
//! give up.

use std::borrow::Cow;

use super::About;
use super::base64_decode::{decoded, sextet};
use super::rewrite::settle;
use crate::ByteSet;

pub(super) const ABOUT: About = About {
    names: &["base64DecodeExt"],
    what: "decodes Base64 and passes over all that is none",
    example: (b"P.HNjc mlwdD4=", b"<script>"),
    triggers: Some(ByteSet::ALL),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    let signs = input.iter().filter_map(|byte| match byte {
        b'-' => Some(62),
        b'_' => Some(63),
        other => sextet(*other),
    });
    settle(input, decoded(signs))
}
