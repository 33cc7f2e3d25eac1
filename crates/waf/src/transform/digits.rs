//! Numbers that are written in escapes.

/// The value of two hexadecimal digits.
pub(crate) fn hex_byte(high: u8, low: u8) -> Option<u8> {
    Some((hex_digit(high)? << 4) | hex_digit(low)?)
}

/// The value of a hexadecimal digit.
pub(super) fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// The value of four hexadecimal digits.
pub(crate) fn hex_word(digits: [u8; 4]) -> Option<u16> {
    let [a, b, c, d] = digits;
    Some(u16::from_be_bytes([hex_byte(a, b)?, hex_byte(c, d)?]))
}

/// The one byte that peers make of a UTF-16 code unit: its lower half, which for ASCII is the character. The full-width
/// forms of ASCII (U+FF01 to U+FF5E) become what they look like.
pub(super) fn narrow(unit: u16) -> u8 {
    match unit.to_be_bytes() {
        [0xff, low @ 1..0x5f] => low + 0x20,
        [_, low] => low,
    }
}

/// The octal number of at most `most` digits at the beginning of `rest`, and what comes after it.
pub(super) fn octal(rest: &[u8], most: usize) -> Option<(u32, &[u8])> {
    let count = rest.iter().take(most).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
    let (digits, after) = rest.split_at_checked(count).filter(|(digits, _)| !digits.is_empty())?;
    Some((digits.iter().fold(0, |number, digit| number * 8 + u32::from(digit - b'0')), after))
}
