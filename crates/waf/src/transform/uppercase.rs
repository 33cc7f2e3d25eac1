//! `t:uppercase`: `SeLeCT` becomes `SELECT`.
//!
//! ASCII letters only, as in ModSecurity.

use std::borrow::Cow;

use super::About;
use crate::ByteSet;

pub(super) const ABOUT: About = About {
    names: &["uppercase"],
    what: "turns the small letters of ASCII into capital ones",
    example: (b"SeLeCT", b"SELECT"),
    triggers: Some(ByteSet::range(b'a', b'z')),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    if input.iter().any(u8::is_ascii_lowercase) {
        Cow::Owned(input.to_ascii_uppercase())
    } else {
        Cow::Borrowed(input)
    }
}
