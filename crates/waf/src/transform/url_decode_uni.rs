//! `t:urlDecodeUni`: like `urlDecode`, and knows the `%uHHHH` of old Microsoft servers: `%u003Cb%u2039` becomes `<b<`.
//!
//! A character beyond ASCII becomes what code page 20127 folds it to (see `best_fit`), which is how CRS's own set-up
//! configures ModSecurity; where the code page names nothing, its lower byte, and full-width forms become the ASCII that
//! they look like. An escape that is cut off or not hexadecimal stays as it is. Source: ModSecurity 3; Coraza does the
//! same since 2026.

use std::borrow::Cow;

use super::About;
use super::best_fit::best_fit;
use super::digits::{hex_byte, hex_word, narrow};
use super::rewrite::rewrite;
use crate::ByteSet;

const TRIGGERS: ByteSet = ByteSet::of(b"%+");

pub(super) const ABOUT: About = About {
    names: &["urlDecodeUni"],
    what: "decodes `%HH` and `%uHHHH`, the latter to the nearest ASCII character, and `+` to a space",
    example: (b"%u003Cb%u2039%20%u12", b"<b< %u12"),
    triggers: Some(TRIGGERS),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    rewrite(input, TRIGGERS, |rest, output| match rest {
        [b'+', after @ ..] => {
            output.push(b' ');
            after
        }
        [b'%', b'u' | b'U', a, b, c, d, after @ ..] if let Some(unit) = hex_word([*a, *b, *c, *d]) => {
            output.push(best_fit(unit).unwrap_or_else(|| narrow(unit)));
            after
        }
        [b'%', high, low, after @ ..] if let Some(byte) = hex_byte(*high, *low) => {
            output.push(byte);
            after
        }
        [other, after @ ..] => {
            output.push(*other);
            after
        }
        [] => rest,
    })
}
