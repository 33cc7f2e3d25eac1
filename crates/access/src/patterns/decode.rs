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
        Cow::Borrowed(bytes) => text(bytes),
        Cow::Owned(bytes) => Cow::Owned(text(&bytes).into_owned()),
    }
}

/// Bytes as text: overlong forms are read as what they stand for, and what is not UTF-8 becomes U+FFFD.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match without_overlong(bytes) {
        Some(plain) => Cow::Owned(String::from_utf8_lossy(&plain).into_owned()),
        None => String::from_utf8_lossy(bytes),
    }
}

/// [`percent`] once more, for a text that was decoded and still has `%XX` in it; `None` when it has not.
pub(super) fn percent_again(text: &str) -> Option<String> {
    match percent(text.as_bytes()) {
        Cow::Owned(decoded) => Some(decoded),
        Cow::Borrowed(_) => None,
    }
}

/// The text as a reader takes it that knows `%uXXXX` (old IIS and everything that copied it) and maps fullwidth
/// forms to ASCII, as databases and Windows do when they convert to an 8-bit character set: an attacker writes
/// `\u{ff1c}script\u{ff1e}` and the page shows a tag. `None` when there is neither.
pub(super) fn best_fit(text: &str) -> Option<String> {
    let is_wide = |c: char| matches!(c, '\u{ff01}'..='\u{ff5e}');
    if !text.contains(is_wide) && !text.contains("%u") && !text.contains("%U") {
        return None;
    }
    let mut plain = String::with_capacity(text.len());
    let (mut rest, mut changed) = (text, false);
    while let Some(c) = rest.chars().next() {
        let (read, after) = match unicode_escape(rest) {
            Some((escaped, after)) => (escaped, after),
            None => (c, rest.get(c.len_utf8()..).unwrap_or_default()),
        };
        let narrow = if is_wide(read) { ascii_of(read) } else { read };
        changed |= narrow != c;
        plain.push(narrow);
        rest = after;
    }
    changed.then_some(plain)
}

/// `%uXXXX` at the beginning of `text`, and what follows it. Half of a surrogate pair is U+FFFD.
fn unicode_escape(text: &str) -> Option<(char, &str)> {
    let digits = text.strip_prefix("%u").or_else(|| text.strip_prefix("%U"))?;
    let (hex, after) = digits.split_at_checked(4)?;
    if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let code = u32::from_str_radix(hex, 16).ok()?;
    Some((char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), after))
}

/// The ASCII character of a fullwidth form: the two blocks stand in the same order, `0xFEE0` apart.
fn ascii_of(wide: char) -> char {
    u32::from(wide).checked_sub(0xFEE0).and_then(char::from_u32).unwrap_or(wide)
}

/// ASCII characters that came as overlong UTF-8 (`C0 AF`, `E0 80 AF` or `F0 80 80 AF` for `/`) as themselves; `None`
/// when there is none. RFC 3629 §3 forbids the form, and decoders that accept it anyway have let `..%c0%af` through
/// more than once (CVE-2000-0884, CVE-2008-2938).
fn without_overlong(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.iter().any(|byte| matches!(byte, 0xC0 | 0xC1 | 0xE0 | 0xF0)) {
        return None;
    }
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        rest = match rest {
            [high @ (0xC0 | 0xC1), low @ 0x80..=0xBF, after @ ..]
            | [0xE0, high @ (0x80 | 0x81), low @ 0x80..=0xBF, after @ ..]
            | [0xF0, 0x80, high @ (0x80 | 0x81), low @ 0x80..=0xBF, after @ ..] => {
                plain.push((high & 1) << 6 | low & 0x3F);
                after
            }
            [byte, after @ ..] => {
                plain.push(*byte);
                after
            }
            [] => return Some(plain),
        };
    }
}

/// The text with each SQL comment as a blank, and the inside of MySQL's `/*!50000 ... */`, which runs there,
/// as text. `None` when there is no comment. A comment that is never closed stays, because that is how an
/// attacker cuts off the rest of a statement.
///
/// Linear in the text, whoever wrote it: the end of a comment is looked for only where a comment is skipped, and
/// what was looked through is then either behind us or the last part. A megabyte of `/*!` that each searched the
/// rest would hold a thread for minutes.
pub(super) fn comments_as_blanks(text: &str) -> Option<String> {
    let (before, mut rest) = text.split_once("/*")?;
    let mut plain = String::with_capacity(text.len());
    plain.push_str(before);
    loop {
        if let Some(inside) = rest.strip_prefix("M!").or_else(|| rest.strip_prefix('!')) {
            rest = inside.trim_start_matches(|c: char| c.is_ascii_digit());
        } else if let Some((_, after)) = rest.split_once("*/") {
            rest = after;
        } else {
            plain.push_str("/*");
            plain.push_str(rest);
            break;
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
