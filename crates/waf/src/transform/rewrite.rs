//! How a transformation goes over a value: copies what it leaves alone and looks only at the bytes that trigger it.

use std::borrow::Cow;

use crate::ByteSet;

/// Copies `input`, but hands the rest of it to `step` at each byte of `triggers`. `step` writes what stands there
/// instead and returns what comes after; it must take at least one byte away.
pub(super) fn rewrite<'a>(
    input: &'a [u8],
    triggers: ByteSet,
    mut step: impl FnMut(&'a [u8], &mut Vec<u8>) -> &'a [u8],
) -> Cow<'a, [u8]> {
    let next = |rest: &[u8]| rest.iter().position(|byte| triggers.contains(*byte));
    let Some(mut at) = next(input) else { return Cow::Borrowed(input) };
    let mut output = Vec::with_capacity(input.len());
    let mut rest = input;
    while !rest.is_empty() {
        let (as_is, from) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        output.extend_from_slice(as_is);
        rest = if from.is_empty() { from } else { step(from, &mut output) };
        at = next(rest).unwrap_or(rest.len());
    }
    settle(input, output)
}

/// The output, or the input itself when they are the same.
pub(super) fn settle(input: &[u8], output: Vec<u8>) -> Cow<'_, [u8]> {
    if output == input { Cow::Borrowed(input) } else { Cow::Owned(output) }
}

/// What C's `isspace` takes for a space in the locale `C`.
pub(super) const SPACES: ByteSet = ByteSet::of(b" \t\n\x0b\x0c\r");

/// Whether C's `isspace` takes it for a space.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}
