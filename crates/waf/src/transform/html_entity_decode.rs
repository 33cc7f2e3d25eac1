//! `t:htmlEntityDecode`: `&lt;a&#x3e;&#62` becomes `<a>>`.
//!
//! Numbers in decimal and hexadecimal, and five names (`quot`, `amp`, `lt`, `gt`, `nbsp`) in any case of letters. The
//! semicolon may be missing, as browsers allow. A number gives its lowest byte; one that does not fit 63 bits gives 0xff.
//! Other names stay, since rules look for them as they are written. Source: ModSecurity. Coraza knew all names of HTML 5
//! for a while and gave UTF-8, with which CRS's patterns, written for bytes, match less.

use std::borrow::Cow;

use super::About;
use super::digits::hex_digit;
use super::rewrite::rewrite;
use crate::ByteSet;

const TRIGGERS: ByteSet = ByteSet::of(b"&");

pub(super) const ABOUT: About = About {
    names: &["htmlEntityDecode"],
    what: "decodes `&#DD;`, `&#xHH;`, `&quot;`, `&amp;`, `&lt;`, `&gt;` and `&nbsp;`, also without semicolon",
    example: (b"&lt;a&#x3e;&#62&copy;", b"<a>>&copy;"),
    triggers: Some(TRIGGERS),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    rewrite(input, TRIGGERS, |rest, output| {
        let decoded = match rest {
            [b'&', b'#', b'x' | b'X', digits @ ..] => number(digits, 16, hex_digit),
            [b'&', b'#', digits @ ..] => {
                number(digits, 10, |byte| hex_digit(byte).filter(|digit| *digit < 10))
            }
            [b'&', letters @ ..] => named(letters),
            _ => None,
        };
        match (decoded, rest) {
            (Some((byte, after)), _) => {
                output.push(byte);
                after.strip_prefix(b";").unwrap_or(after)
            }
            (None, [other, after @ ..]) => {
                output.push(*other);
                after
            }
            (None, []) => rest,
        }
    })
}

/// The lowest byte of the number at the beginning, and what comes after it.
fn number(rest: &[u8], base: i64, value: impl Fn(u8) -> Option<u8>) -> Option<(u8, &[u8])> {
    let count = rest.iter().take_while(|byte| value(**byte).is_some()).count();
    let (digits, after) = rest.split_at_checked(count).filter(|(digits, _)| !digits.is_empty())?;
    // As C's `strtol`: too large a number is the largest one.
    let number = digits
        .iter()
        .filter_map(|digit| value(*digit))
        .fold(0_i64, |number, digit| number.saturating_mul(base).saturating_add(i64::from(digit)));
    let [.., lowest] = number.to_be_bytes();
    Some((lowest, after))
}

/// The character of the name at the beginning, and what comes after it.
fn named(rest: &[u8]) -> Option<(u8, &[u8])> {
    let count = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let (name, after) = rest.split_at_checked(count)?;
    let known: [(&[u8], u8); 5] =
        [(b"quot", b'"'), (b"amp", b'&'), (b"lt", b'<'), (b"gt", b'>'), (b"nbsp", 0xa0)];
    let (_, byte) = known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some((byte, after))
}
