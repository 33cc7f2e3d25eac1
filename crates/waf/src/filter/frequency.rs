//! How common bytes are in what people and programs send. Only speed depends on it, so it is rough.

use crate::ByteSet;

/// How many of a million bytes are this one, when all letters are small.
fn per_million(byte: u8) -> u32 {
    match byte {
        b'e' => 90_000,
        b'a' | b't' | b'i' | b'n' | b'o' | b's' | b'r' => 60_000,
        b'l' | b'd' | b'h' | b'c' | b'u' => 35_000,
        b'm' | b'p' | b'f' | b'g' | b'b' => 20_000,
        b'w' | b'y' | b'v' | b'k' => 10_000,
        b'x' | b'j' | b'q' | b'z' => 4_000,
        b'0'..=b'9' => 20_000,
        b' ' => 50_000,
        b'.' | b'-' | b'/' | b'_' => 15_000,
        b',' | b':' | b'=' => 8_000,
        b'!'..=b'~' => 2_000,
        b'\t' | b'\n' | b'\r' => 1_000,
        0x80.. => 1_000,
        _ => 200,
    }
}

/// How many of a million bytes are in `class`. Capital letters are a tenth of small ones.
pub(super) fn of_class(class: &ByteSet) -> u32 {
    class
        .iter()
        .map(|byte| {
            if byte.is_ascii_uppercase() {
                per_million(byte.to_ascii_lowercase()) / 10
            } else {
                per_million(byte)
            }
        })
        .sum()
}

/// At how many of a million places one of `literals` stands, as if bytes came by chance.
pub(super) fn of_literals(literals: &[Vec<u8>]) -> f64 {
    let of_one =
        |literal: &Vec<u8>| literal.iter().map(|byte| f64::from(per_million(*byte)) / 1e6).product::<f64>();
    1e6 * literals.iter().map(of_one).sum::<f64>()
}
