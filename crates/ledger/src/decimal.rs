//! Numbers in texts, as all C2SP specifications write them.

/// Reads ASCII digits without zeros in front: there is one way to write a number.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|sign| sign.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_plain { text.parse().ok() } else { None }
}
