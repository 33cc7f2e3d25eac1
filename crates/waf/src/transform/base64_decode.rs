//! `t:base64Decode`: `PHNjcmlwdD4=` becomes `<script>`.
//!
//! Line ends are passed over; at the first other byte that is none of the 64 signs (RFC 4648 §4), at padding too, it ends
//! and what was decoded so far is the value. Padding may be missing; a last lone sign is dropped. ModSecurity 2 and
//! Coraza do the same. ModSecurity 3 gives nothing at all for a value with one wrong byte, which lets through what the
//! application's more patient decoder reads.

use std::borrow::Cow;

use super::About;
use super::rewrite::settle;
use crate::ByteSet;

pub(super) const ABOUT: About = About {
    names: &["base64Decode"],
    what: "decodes Base64 up to the first byte that is none",
    example: (b"PHNjcmlwdD4=", b"<script>"),
    triggers: Some(ByteSet::ALL),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    let signs = input.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')).map_while(|byte| sextet(*byte));
    settle(input, decoded(signs))
}

/// The bytes that `sextets` are, six bits each. Bits that make no whole byte are dropped.
pub(super) fn decoded(sextets: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut output = Vec::new();
    let (mut bits, mut count) = (0_u16, 0);
    for sextet in sextets {
        bits = (bits << 6) | u16::from(sextet);
        count += 6;
        if count >= 8 {
            count -= 8;
            let [_, byte] = (bits >> count).to_be_bytes();
            output.push(byte);
            // What is left fits the next round.
            bits &= (1 << count) - 1;
        }
    }
    output
}

/// The six bits that a sign stands for.
pub(super) fn sextet(sign: u8) -> Option<u8> {
    match sign {
        b'A'..=b'Z' => Some(sign - b'A'),
        b'a'..=b'z' => Some(sign - b'a' + 26),
        b'0'..=b'9' => Some(sign - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}
