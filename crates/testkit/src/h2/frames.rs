//! Frames of HTTP/2 (RFC 9113 §4 and §6) and header blocks of plain literals (RFC 7541 §6.2.2), good and bad.

/// Types of frames.
pub mod kind {
    /// DATA.
    pub const DATA: u8 = 0;
    /// HEADERS.
    pub const HEADERS: u8 = 1;
    /// PRIORITY.
    pub const PRIORITY: u8 = 2;
    /// RST_STREAM.
    pub const RESET: u8 = 3;
    /// SETTINGS.
    pub const SETTINGS: u8 = 4;
    /// PUSH_PROMISE.
    pub const PUSH_PROMISE: u8 = 5;
    /// PING.
    pub const PING: u8 = 6;
    /// GOAWAY.
    pub const GO_AWAY: u8 = 7;
    /// WINDOW_UPDATE.
    pub const WINDOW_UPDATE: u8 = 8;
    /// CONTINUATION.
    pub const CONTINUATION: u8 = 9;
}

/// Flag of DATA and HEADERS: the last of their stream.
pub const END_STREAM: u8 = 0x1;
/// Flag of SETTINGS and PING: an acknowledgement.
pub const ACK: u8 = 0x1;
/// Flag of HEADERS and CONTINUATION: no other follows.
pub const END_HEADERS: u8 = 0x4;
/// Flag of DATA and HEADERS: padding follows.
pub const PADDED: u8 = 0x8;
/// Flag of HEADERS: a priority stands before the block.
pub const PRIORITY: u8 = 0x20;

/// A frame that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream.
    pub stream: u32,
    /// Its payload.
    pub payload: Vec<u8>,
    /// The fields of HEADERS, those of its CONTINUATION frames among them.
    pub fields: Vec<(String, String)>,
}

impl Frame {
    /// Takes one frame off the beginning of `bytes`, when it is whole.
    pub fn take(bytes: &mut Vec<u8>) -> Option<Self> {
        let [l1, l2, l3, kind, flags, stream @ ..] = *bytes.first_chunk::<9>()?;
        let length = usize::from(l1) << 16 | usize::from(l2) << 8 | usize::from(l3);
        let payload = bytes.get(9..9 + length)?.to_vec();
        bytes.drain(..9 + length);
        Some(Self {
            kind,
            flags,
            stream: u32::from_be_bytes(stream) & 0x7fff_ffff,
            payload,
            fields: Vec::new(),
        })
    }

    /// The number that stands at `at` in the payload.
    pub fn number(&self, at: usize) -> u32 {
        let number = self.payload.get(at..).and_then(<[u8]>::first_chunk);
        u32::from_be_bytes(*number.unwrap_or_else(|| panic!("{self:?}")))
    }
}

/// A frame of any type.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, l1, l2, l3] = u32::try_from(payload.len()).expect("a payload").to_be_bytes();
    let mut bytes = vec![l1, l2, l3, kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// HEADERS with these fields.
pub fn headers(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(kind::HEADERS, flags, stream, &block(fields))
}

/// DATA.
pub fn data(stream: u32, flags: u8, bytes: &[u8]) -> Vec<u8> {
    frame(kind::DATA, flags, stream, bytes)
}

/// SETTINGS with these identifiers and values.
pub fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let entry = |(name, value): &(u16, u32)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat();
    frame(kind::SETTINGS, 0, 0, &settings.iter().flat_map(entry).collect::<Vec<_>>())
}

/// RST_STREAM.
pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(kind::RESET, 0, stream, &code.to_be_bytes())
}

/// WINDOW_UPDATE.
pub fn window(stream: u32, by: u32) -> Vec<u8> {
    frame(kind::WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

/// PRIORITY: `stream` depends on `on`.
pub fn priority(stream: u32, on: u32) -> Vec<u8> {
    frame(kind::PRIORITY, 0, stream, &[&on.to_be_bytes()[..], &[15]].concat())
}

/// A header block: each field as a literal that is not indexed, names and values as they are.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    fields.flat_map(|(name, value)| literal(name, value)).collect()
}

/// One field as a literal that is not indexed.
pub fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    field(0, name, value)
}

fn field(form: u8, name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![form];
    for part in [name, value] {
        bytes.extend(integer(0, 7, part.len()));
        bytes.extend(part);
    }
    bytes
}

/// One field as a literal that goes into the dynamic table (RFC 7541 §6.2.1).
pub fn indexed_literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    field(0x40, name, value)
}

/// A field that stands in a table (RFC 7541 §6.1).
pub fn indexed(index: usize) -> Vec<u8> {
    integer(0x80, 7, index)
}

/// An integer behind the high bits of its first byte (RFC 7541 §5.1).
pub fn integer(high: u8, bits: u32, value: usize) -> Vec<u8> {
    let most = (1_usize << bits) - 1;
    let low = |value: usize| u8::try_from(value & 0xff).expect("eight bits");
    if value < most {
        return vec![high | low(value)];
    }
    let (mut bytes, mut rest) = (vec![high | low(most)], value - most);
    while rest >= 128 {
        bytes.push(low(rest & 0x7f) | 0x80);
        rest >>= 7;
    }
    bytes.push(low(rest));
    bytes
}
