//! `t:parityZero7bit`: the highest bit of each byte is cleared.
//!
//! For data of seven-bit lines with parity. Source: ModSecurity.

use super::About;
use super::rewrite::settle;
use crate::ByteSet;

pub(super) const ABOUT: About = About {
    names: &["parityZero7bit"],
    what: "clears the highest bit of each byte",
    example: (b"a\xe1", b"aa"),
    triggers: Some(ByteSet::range(0x80, 0xff)),
    apply: |input| settle(input, input.iter().map(|byte| parity(*byte)).collect()),
};

const fn parity(byte: u8) -> u8 {
    byte & 0x7f
}
