//! The frames of one direction of a WebSocket, read by the letter of RFC 6455 §5.
//!
//! A pure machine: bytes in, a verdict out. It knows no socket and no clock, changes nothing and keeps
//! nothing but where it is. What it passes is the input itself; whatever two readers could take in two ways is
//! refused before a byte of that frame has passed. The payload of messages is not looked at; that of a Close
//! is, because it says how the conversation ends.

use portcullis_contract::snapshot::Compression;
use thiserror::Error;

/// Bytes of the payload of a control frame (RFC 6455 §5.5).
const CONTROL_BYTES_MAX: u64 = 125;
/// The longest header: two bytes, a length of eight, a mask of four.
const HEADER_BYTES_MAX: usize = 14;
/// What must fit in the window of whoever shows bytes to the machine: a control frame is judged whole.
pub(crate) const WINDOW_BYTES_MIN: usize = HEADER_BYTES_MAX + CONTROL_BYTES_MAX as usize;
/// Pieces of a message below this size count as messages: else one message could be any number of frames.
const PIECE_BYTES_SMALL: u64 = 1024;

/// Who sends the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The client, whose frames are masked (RFC 6455 §5.3).
    Client,
    /// The upstream, whose frames are not.
    Upstream,
}

/// What the frames are held to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) sender: Side,
    /// Largest message over all its frames.
    pub(crate) message_bytes_max: u64,
    /// Whether the two sides agreed on permessage-deflate.
    pub(crate) compression: Compression,
}

/// What becomes of the bytes that were shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// They are not enough to judge: the same bytes are shown again, with more behind them.
    More,
    /// The first so many are good; with them, this began.
    Pass { bytes: usize, began: Option<Began> },
}

/// What begins with a frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Began {
    /// A message.
    Message,
    /// A further piece of one.
    Piece(Piece),
    /// A ping or a pong.
    Control,
    /// The sender's last frame, with the code that it gave.
    Close(Option<u16>),
}

/// Whether a piece of a message is worth its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    Small,
    Large,
}

/// How a sender broke the rules. After a breach nothing passes any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Breach {
    #[error("a frame has a reserved bit that no extension gave a meaning")]
    ReservedBit,
    #[error("a frame has the reserved opcode {0:#x}")]
    ReservedOpcode(u8),
    #[error("a frame of the client is not masked")]
    NotMasked,
    #[error("a frame of the upstream is masked")]
    Masked,
    #[error("a length is not in its shortest form")]
    LongForm,
    #[error("a length has its highest bit set")]
    HighestBit,
    #[error("a control frame is cut into pieces")]
    ControlInPieces,
    #[error("a control frame has more than 125 bytes")]
    ControlLarge,
    #[error("a piece continues no message")]
    NothingToContinue,
    #[error("a message begins within another")]
    Interrupted,
    #[error("a message has more than {0} bytes")]
    MessageLarge(u64),
    #[error("more messages than the route allows")]
    TooManyMessages,
    #[error("more pings and pongs than anybody needs")]
    TooManyControls,
    #[error("a Close has one byte, which is half a code")]
    HalfACode,
    #[error("a Close has the code {0}, which may not be sent")]
    CloseCode(u16),
    #[error("the reason of a Close is not UTF-8")]
    CloseReason,
}

impl Breach {
    /// The code that a Close says it with (RFC 6455 §7.4.1).
    pub(crate) fn close_code(self) -> u16 {
        match self {
            Self::CloseReason => 1007,
            Self::TooManyMessages | Self::TooManyControls => 1008,
            Self::MessageLarge(_) => 1009,
            _ => 1002,
        }
    }
}

/// Reads the frames of one side, one after the other.
#[derive(Debug)]
pub(crate) struct Frames {
    rules: Rules,
    state: State,
    /// Bytes of the message that is not over yet.
    message: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a frame.
    Between,
    /// Within a payload, of which so many bytes are still to come.
    Payload(u64),
    /// Behind a Close.
    Closed,
    /// Behind a breach.
    Broken(Breach),
}

/// What a frame's first bytes say.
#[derive(Debug, Clone, Copy)]
struct Header {
    last: Last,
    opcode: u8,
    length: u64,
    mask: Option<[u8; 4]>,
    /// Its own bytes.
    bytes: usize,
}

/// Whether a message ends with its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Yes,
    No,
}

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

impl Frames {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules, state: State::Between, message: None }
    }

    /// Judges `held`: everything that was received and has not passed yet. A header passes when it is whole and good,
    /// a control frame when all of it is, a payload as it comes. The verdict depends on the bytes alone, never on how
    /// they were cut.
    pub(crate) fn judge(&mut self, held: &[u8]) -> Result<Step, Breach> {
        match self.state {
            State::Broken(breach) => Err(breach),
            State::Closed => Ok(Step::More),
            State::Payload(left) => {
                let bytes = held.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                if bytes == 0 {
                    return Ok(Step::More);
                }
                let left = left.saturating_sub(bytes as u64);
                self.state = if left == 0 { State::Between } else { State::Payload(left) };
                Ok(Step::Pass { bytes, began: None })
            }
            State::Between => self.frame(held).inspect_err(|breach| self.state = State::Broken(*breach)),
        }
    }

    /// What was judged last does not pass after all.
    pub(crate) fn refuse(&mut self, breach: Breach) {
        self.state = State::Broken(breach);
    }

    /// Whether what passed last ended a frame: something else may be said here.
    pub(crate) fn is_between(&self) -> bool {
        !matches!(self.state, State::Payload(_))
    }

    /// Whether the sender has said its last.
    pub(crate) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    fn frame(&mut self, held: &[u8]) -> Result<Step, Breach> {
        let Some(header) = self.header(held)? else { return Ok(Step::More) };
        if header.opcode >= CLOSE {
            return self.control(held, header);
        }
        let sum = self.message.unwrap_or(0).saturating_add(header.length);
        if sum > self.rules.message_bytes_max {
            return Err(Breach::MessageLarge(self.rules.message_bytes_max));
        }
        let began = match (header.opcode, header.length) {
            (CONTINUATION, ..PIECE_BYTES_SMALL) => Began::Piece(Piece::Small),
            (CONTINUATION, _) => Began::Piece(Piece::Large),
            _ => Began::Message,
        };
        self.message = (header.last == Last::No).then_some(sum);
        self.state = if header.length == 0 { State::Between } else { State::Payload(header.length) };
        Ok(Step::Pass { bytes: header.bytes, began: Some(began) })
    }

    fn control(&mut self, held: &[u8], header: Header) -> Result<Step, Breach> {
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        let Some(payload) = held.get(header.bytes..header.bytes.saturating_add(length)) else {
            return Ok(Step::More);
        };
        let began = if header.opcode == CLOSE {
            self.state = State::Closed;
            Began::Close(close_code(payload, header.mask)?)
        } else {
            Began::Control
        };
        Ok(Step::Pass { bytes: header.bytes + length, began: Some(began) })
    }

    /// The header at the beginning of `held`, once it is whole. What its first two bytes betray is refused with them.
    fn header(&self, held: &[u8]) -> Result<Option<Header>, Breach> {
        let [first, second, rest @ ..] = held else {
            // One byte says enough of some faults, but a verdict must not hang on how the bytes were cut.
            return Ok(None);
        };
        let (last, opcode) = (if first & 0x80 == 0 { Last::No } else { Last::Yes }, first & 0x0f);
        self.opcode(last, opcode)?;
        self.reserved_bits(first & 0x70, opcode)?;
        let is_masked = second & 0x80 != 0;
        match (self.rules.sender, is_masked) {
            (Side::Client, false) => return Err(Breach::NotMasked),
            (Side::Upstream, true) => return Err(Breach::Masked),
            _ => {}
        }
        let short = u64::from(second & 0x7f);
        if opcode >= CLOSE && short > CONTROL_BYTES_MAX {
            return Err(Breach::ControlLarge);
        }
        let Some((length, length_bytes)) = length(short, rest)? else { return Ok(None) };
        let mask = match (is_masked, rest.get(length_bytes..)) {
            (false, _) => None,
            (true, Some([a, b, c, d, ..])) => Some([*a, *b, *c, *d]),
            (true, _) => return Ok(None),
        };
        let bytes = 2 + length_bytes + mask.map_or(0, |mask| mask.len());
        Ok(Some(Header { last, opcode, length, mask, bytes }))
    }

    /// RFC 6455 §5.4 and §5.5: what may follow what.
    fn opcode(&self, last: Last, opcode: u8) -> Result<(), Breach> {
        match (opcode, self.message) {
            (CLOSE | PING | PONG, _) if last == Last::No => Err(Breach::ControlInPieces),
            (CLOSE | PING | PONG, _) | (CONTINUATION, Some(_)) | (TEXT | BINARY, None) => Ok(()),
            (CONTINUATION, None) => Err(Breach::NothingToContinue),
            (TEXT | BINARY, Some(_)) => Err(Breach::Interrupted),
            _ => Err(Breach::ReservedOpcode(opcode)),
        }
    }

    /// RFC 7692 §6: the first bit marks a compressed message, on its first frame. Nobody agreed on the other two.
    fn reserved_bits(&self, bits: u8, opcode: u8) -> Result<(), Breach> {
        let begins_a_message = matches!(opcode, TEXT | BINARY);
        match bits {
            0 => Ok(()),
            0x40 if begins_a_message && self.rules.compression == Compression::Agreed => Ok(()),
            _ => Err(Breach::ReservedBit),
        }
    }
}

/// The length, and how many bytes it takes beside the seven bits (RFC 6455 §5.2).
fn length(short: u64, rest: &[u8]) -> Result<Option<(u64, usize)>, Breach> {
    let (length, bytes) = match (short, rest) {
        (126, [a, b, ..]) => (u64::from(u16::from_be_bytes([*a, *b])), 2),
        (127, [a, b, c, d, e, f, g, h, ..]) => (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 8),
        (126 | 127, _) => return Ok(None),
        _ => (short, 0),
    };
    match (short, length) {
        (126, ..126) | (127, ..0x1_0000) => Err(Breach::LongForm),
        (127, 0x8000_0000_0000_0000..) => Err(Breach::HighestBit),
        _ => Ok(Some((length, bytes))),
    }
}

/// The code in the payload of a Close; none when it is empty.
fn close_code(payload: &[u8], mask: Option<[u8; 4]>) -> Result<Option<u16>, Breach> {
    let mut plain = payload.to_vec();
    masked(&mut plain, mask.unwrap_or_default());
    match plain.as_slice() {
        [] => Ok(None),
        [_] => Err(Breach::HalfACode),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !may_be_sent(code) {
                return Err(Breach::CloseCode(code));
            }
            std::str::from_utf8(reason).map_err(|_| Breach::CloseReason)?;
            Ok(Some(code))
        }
    }
}

/// RFC 6455 §7.4 and the registry that it opens: what is registered for the wire, and the two open ranges.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Masks, or takes the mask away: the same thing (RFC 6455 §5.3).
fn masked(payload: &mut [u8], mask: [u8; 4]) {
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
}

/// A Close of ours with this code and no reason, as the client must hear it, or the upstream, whose clients mask
/// what they send.
pub(crate) fn close(code: u16, mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut payload = code.to_be_bytes();
    masked(&mut payload, mask.unwrap_or_default());
    let masked_bit = if mask.is_some() { 0x80 } else { 0 };
    let header = [0x80 | CLOSE, masked_bit | payload.len() as u8];
    let mask = mask.as_ref().map_or(&[][..], |mask| mask);
    [&header, mask, &payload].concat()
}

#[cfg(test)]
mod tests;
