//! How names and values are decoded before they are matched.
//!
//! Decoding never fails: what is malformed stays as it stands, as most applications read it. Refusing
//! malformed requests is the `normalize` stage's work. Read next: `patterns/forms.rs` for what the decoded
//! text is matched with.

use std::borrow::Cow;

/// A name or value of a query or form: `+` is a blank, `%XX` a byte.
pub(super) fn form(raw: &[u8]) -> Cow<'_, str> {
    if !raw.contains(&b'+') {
        return percent(raw);
    }
    let blanks: Vec<u8> = raw.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    Cow::Owned(percent(&blanks).into_owned())
}

/// Text in which `%XX` is a byte; a lone `%` stays. What is then not UTF-8 becomes U+FFFD.
pub(super) fn percent(raw: &[u8]) -> Cow<'_, str> {
    match Cow::from(percent_encoding::percent_decode(raw)) {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&without_overlong(bytes)).into_owned()),
    }
}

/// [`percent`] once more, for a text that was decoded and still has `%XX` in it; `None` when it has not.
pub(super) fn percent_again(text: &str) -> Option<String> {
    match percent(text.as_bytes()) {
        Cow::Owned(decoded) => Some(decoded),
        Cow::Borrowed(_) => None,
    }
}

/// Writes ASCII characters that came as overlong UTF-8 (`C0 AF` for `/`) as themselves. RFC 3629 §3 forbids
/// the form, and decoders that accept it anyway have let `..%c0%af` through more than once (CVE-2000-0884,
/// CVE-2008-2938).
fn without_overlong(bytes: Vec<u8>) -> Vec<u8> {
    if !bytes.iter().any(|byte| matches!(byte, 0xC0 | 0xC1)) {
        return bytes;
    }
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes.into_iter().peekable();
    while let Some(byte) = rest.next() {
        let next = rest.next_if(|next| matches!(byte, 0xC0 | 0xC1) && matches!(next, 0x80..=0xBF));
        plain.push(next.map_or(byte, |next| (byte & 1) << 6 | next & 0x3F));
    }
    plain
}

/// The text with each SQL comment as a blank, and the inside of MySQL's `/*!50000 ... */`, which runs there,
/// as text. `None` when there is no comment. A comment that is never closed stays, because that is how an
/// attacker cuts off the rest of a statement.
pub(super) fn comments_as_blanks(text: &str) -> Option<String> {
    let (before, mut rest) = text.split_once("/*")?;
    let mut plain = String::with_capacity(text.len());
    plain.push_str(before);
    loop {
        let executed = rest.strip_prefix("M!").or_else(|| rest.strip_prefix('!'));
        match (executed, rest.split_once("*/")) {
            (Some(inside), _) => rest = inside.trim_start_matches(|c: char| c.is_ascii_digit()),
            (None, Some((_, after))) => rest = after,
            (None, None) => {
                plain.push_str("/*");
                plain.push_str(rest);
                break;
            }
        }
        plain.push(' ');
        let Some((before, after)) = rest.split_once("/*") else {
            plain.push_str(rest);
            break;
        };
        plain.push_str(before);
        rest = after;
    }
    Some(plain.replace("*/", " "))
}
