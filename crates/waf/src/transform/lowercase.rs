//! `t:lowercase`: `SeLeCT` becomes `select`.
//!
//! ASCII letters only, as in ModSecurity, which runs in the locale `C`: bytes of other alphabets stay as they are.

use std::borrow::Cow;

use super::About;
use crate::ByteSet;

pub(super) const ABOUT: About = About {
    names: &["lowercase"],
    what: "turns the capital letters of ASCII into small ones",
    example: (b"SeLeCT \xc3\x84", b"select \xc3\x84"),
    triggers: Some(ByteSet::range(b'A', b'Z')),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    if input.iter().any(u8::is_ascii_uppercase) {
        Cow::Owned(input.to_ascii_lowercase())
    } else {
        Cow::Borrowed(input)
    }
}
