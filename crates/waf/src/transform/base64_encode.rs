//! `t:base64Encode`: `<script>` becomes `PHNjcmlwdD4=`.
//!
//! RFC 4648 §4, with padding. Source: ModSecurity.

use std::borrow::Cow;

use super::About;
use crate::ByteSet;

pub(super) const ABOUT: About = About {
    names: &["base64Encode"],
    what: "encodes in Base64",
    example: (b"<script>", b"PHNjcmlwdD4="),
    triggers: Some(ByteSet::ALL),
    apply,
};

const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    if input.is_empty() {
        return Cow::Borrowed(input);
    }
    let mut output = Vec::with_capacity(input.len().div_ceil(3) * 4);
    for group in input.chunks(3) {
        let bits =
            group.iter().chain([&0, &0]).take(3).fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte));
        // n bytes need n + 1 signs.
        for place in 0..4 {
            let sign = SIGNS.get((bits >> (18 - 6 * place) & 63) as usize);
            output.extend(if place <= group.len() { sign } else { Some(&b'=') });
        }
    }
    Cow::Owned(output)
}
