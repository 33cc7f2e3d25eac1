//! `t:parityEven7bit`: the highest bit of each byte is set so that the number of its ones is even.
//!
//! For data of seven-bit lines with parity. Where the highest bit is set already, it counts as one of the ones, as in
//! ModSecurity.

use super::About;
use super::rewrite::settle;
use crate::ByteSet;

pub(super) const ABOUT: About = About {
    names: &["parityEven7bit"],
    what: "sets the highest bit of each byte for even parity",
    example: (b"ac", b"\xe1c"),
    triggers: Some(ByteSet::ALL),
    apply: |input| settle(input, input.iter().map(|byte| parity(*byte)).collect()),
};

const fn parity(byte: u8) -> u8 {
    if byte.count_ones().is_multiple_of(2) { byte & 0x7f } else { byte | 0x80 }
}
