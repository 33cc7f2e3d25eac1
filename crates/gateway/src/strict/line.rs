//! Lines and the characters in them. A line ends in CRLF and in nothing else (RFC 9112 §2.2).
//!
//! Many servers also end a line at a bare LF, some at a bare CR: a request with one of them has two readings.

use super::Fault;

/// Bytes of a line's end.
pub(super) const CRLF_BYTES: usize = 2;

/// Bytes looked at together; compilers turn such a block into a few vector instructions.
const BLOCK_BYTES: usize = 16;

/// How far a line was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// Its CRLF begins here.
    Whole(usize),
    /// There is no end yet; reading goes on from here.
    Open(usize),
}

/// Finds the end of the line in `bytes`, everything before `from` being known. Refuses control characters but
/// HTAB.
pub(super) fn find(bytes: &[u8], from: usize) -> Result<Line, Fault> {
    let mut at = from;
    loop {
        at += plain(bytes.get(at..).unwrap_or_default());
        match (bytes.get(at), bytes.get(at + 1)) {
            (None, _) | (Some(b'\r'), None) => return Ok(Line::Open(at)),
            (Some(b'\t'), _) => at += 1,
            (Some(b'\r'), Some(b'\n')) => return Ok(Line::Whole(at)),
            (Some(b'\r'), Some(_)) => return Err(Fault::BareCr),
            (Some(b'\n'), _) => return Err(Fault::BareLf),
            (Some(0), _) => return Err(Fault::Nul),
            (Some(_), _) => return Err(Fault::Control),
        }
    }
}

/// How many bytes there are before the first control character.
fn plain(bytes: &[u8]) -> usize {
    let mut blocks = bytes.chunks_exact(BLOCK_BYTES);
    let clean = |block: &&[u8]| !block.iter().fold(false, |bad, byte| bad | byte.is_ascii_control());
    let whole = blocks.by_ref().take_while(clean).count() * BLOCK_BYTES;
    let rest = bytes.get(whole..).unwrap_or_default();
    whole + rest.iter().position(u8::is_ascii_control).unwrap_or(rest.len())
}

/// Whether `held` begins with a line's end; `None` when it is too short to say.
pub(super) fn ends(held: &[u8], otherwise: Fault) -> Result<Option<()>, Fault> {
    match held {
        [b'\r', b'\n', ..] => Ok(Some(())),
        [] | [b'\r'] => Ok(None),
        [b'\r', ..] => Err(Fault::BareCr),
        [b'\n', ..] => Err(Fault::BareLf),
        _ => Err(otherwise),
    }
}

/// RFC 9110 §5.6.2 `tchar`, for each byte.
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        #[allow(
            clippy::indexing_slicing,
            reason = "the compiler checks it, and a broken table does not compile"
        )]
        {
            let sign = byte as u8;
            table[byte] = sign.is_ascii_alphanumeric()
                || matches!(sign, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.')
                || matches!(sign, b'^' | b'_' | b'`' | b'|' | b'~');
        }
        byte += 1;
    }
    table
};

/// Whether `text` is a token (RFC 9110 §5.6.2).
pub(crate) fn is_token(text: &[u8]) -> bool {
    let is_tchar = |byte: &u8| TOKEN.get(usize::from(*byte)).copied().unwrap_or(false);
    !text.is_empty() && text.iter().all(is_tchar)
}

/// Whether `byte` is optional white space (RFC 9110 §5.6.3).
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Without the optional white space around it.
pub(crate) fn trimmed(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_space(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_space(*last)
    {
        text = rest;
    }
    text
}
