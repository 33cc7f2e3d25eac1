//! `t:utf8toUnicode`: a `<` in full width (bytes EF BC 9C) becomes `%uff1c`, which `t:urlDecodeUni` then makes a `<`.
//!
//! Characters beyond U+FFFF get five or six digits. An overlong form or a surrogate is decoded too, and its first byte
//! kept after it; the first byte of a sequence that breaks off is dropped, other bytes that are no UTF-8 stay, and NULs
//! are dropped. All this is ModSecurity's (2 and 3), for whose output CRS's patterns are written; RFC 3629 would refuse.

use std::borrow::Cow;

use super::About;
use super::rewrite::rewrite;
use crate::ByteSet;

const TRIGGERS: ByteSet = ByteSet::range(0x80, 0xff).with(0);

pub(super) const ABOUT: About = About {
    names: &["utf8toUnicode"],
    what: "writes characters beyond ASCII as `%uhhhh`",
    example: ("caf\u{e9} \u{ff1c}".as_bytes(), b"caf%u00e9 %uff1c"),
    triggers: Some(TRIGGERS),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    rewrite(input, TRIGGERS, |rest, output| {
        let [lead, after @ ..] = rest else { return rest };
        // No first byte of UTF-8, yet taken for one.
        if (0xf5..=0xf7).contains(lead) {
            output.push(*lead);
        }
        match sequence(*lead, after) {
            Some((character, least, after)) => {
                escape(character, output);
                if character < least || (0xd800..=0xdfff).contains(&character) {
                    output.push(*lead);
                }
                after
            }
            None => {
                if matches!(lead, 0x80..=0xbf | 0xf8..) {
                    output.push(*lead);
                }
                after
            }
        }
    })
}

/// The character that begins with `lead`, the smallest that needs so many bytes, and what comes after it.
fn sequence(lead: u8, rest: &[u8]) -> Option<(u32, u32, &[u8])> {
    let (bits, count, least) = match lead {
        0xc0..=0xdf => (lead & 0x1f, 1, 0x80),
        0xe0..=0xef => (lead & 0x0f, 2, 0x800),
        0xf0..=0xf7 => (lead & 0x07, 3, 0x1_0000),
        _ => return None,
    };
    let (tail, after) = rest.split_at_checked(count)?;
    let is_tail = |byte: &u8| matches!(byte, 0x80..=0xbf);
    let character = |bits, byte: &u8| (bits << 6) | u32::from(byte & 0x3f);
    tail.iter().all(is_tail).then(|| (tail.iter().fold(u32::from(bits), character), least, after))
}

fn escape(character: u32, output: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    output.extend_from_slice(b"%u");
    for place in (0..6_u32).rev() {
        let number = character >> (4 * place);
        // At least four digits.
        if place < 4 || number > 0 {
            output.extend(DIGITS.get((number & 15) as usize));
        }
    }
}
