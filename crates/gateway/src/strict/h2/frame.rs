//! Frames, one header of nine bytes after the other (RFC 9113 §4.1). What is in them is nobody's business here,
//! but for the few kinds whose payload is a number.

/// Bytes of a frame's header.
const HEAD_BYTES: usize = 9;
/// Bytes of payload that are kept of frames whose payload matters: 32 settings of 6 bytes, twice what there are.
pub(super) const KEPT_BYTES_MAX: usize = 192;
/// Stream ids have 31 bits; the one above them is to be ignored.
const STREAM_BITS: u32 = 0x7fff_ffff;

/// What a frame is for (RFC 9113 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Headers,
    Priority,
    Reset,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    Unknown,
}

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// Bytes of payload.
    pub(super) length: usize,
    pub(super) kind: Kind,
    flags: u8,
    pub(super) stream: u32,
}

/// What a walk comes past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// A frame's header is there.
    Begun(Frame),
    /// All of the frame is there.
    Whole(Frame),
}

/// Walks over the bytes of one direction of a connection, in any portions.
#[derive(Debug, Default)]
pub(super) struct Walker {
    head: [u8; HEAD_BYTES],
    /// Bytes of the header that are there.
    have: usize,
    within: Option<Within>,
    kept: Vec<u8>,
}

/// Within a frame's payload.
#[derive(Debug)]
struct Within {
    frame: Frame,
    /// Bytes of payload that are still to come.
    left: usize,
}

impl Frame {
    fn read(head: [u8; HEAD_BYTES]) -> Self {
        let [length @ .., kind, flags, s1, s2, s3, s4] = head;
        let [high, middle, low] = length;
        let kind = match kind {
            0 => Kind::Data,
            1 => Kind::Headers,
            2 => Kind::Priority,
            3 => Kind::Reset,
            4 => Kind::Settings,
            5 => Kind::PushPromise,
            6 => Kind::Ping,
            7 => Kind::GoAway,
            8 => Kind::WindowUpdate,
            9 => Kind::Continuation,
            _ => Kind::Unknown,
        };
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        Self { length, kind, flags, stream: u32::from_be_bytes([s1, s2, s3, s4]) & STREAM_BITS }
    }

    /// Whether this frame is the last of its stream in this direction.
    pub(super) fn ends_stream(self) -> bool {
        matches!(self.kind, Kind::Data | Kind::Headers) && self.flags & 0x1 != 0
    }

    /// Whether no CONTINUATION follows.
    pub(super) fn ends_headers(self) -> bool {
        self.flags & 0x4 != 0
    }

    /// Whether it only says that the other side's was received.
    pub(super) fn is_acknowledgement(self) -> bool {
        matches!(self.kind, Kind::Settings | Kind::Ping) && self.flags & 0x1 != 0
    }

    fn is_kept(self) -> bool {
        matches!(self.kind, Kind::Reset | Kind::Settings | Kind::GoAway | Kind::WindowUpdate)
    }
}

impl Walker {
    /// What comes next in `bytes`, which are shortened by what was walked over; nothing when they are used up.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Option<Seen> {
        let Some(within) = &mut self.within else {
            let missing = self.head.get_mut(self.have..)?;
            let (part, rest) = bytes.split_at(missing.len().min(bytes.len()));
            missing.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
            (self.have, *bytes) = (self.have + part.len(), rest);
            if self.have < HEAD_BYTES {
                return None;
            }
            let frame = Frame::read(self.head);
            self.kept.clear();
            self.within = Some(Within { frame, left: frame.length });
            return Some(Seen::Begun(frame));
        };
        let (part, rest) = bytes.split_at(within.left.min(bytes.len()));
        if within.frame.is_kept() {
            let room = KEPT_BYTES_MAX.saturating_sub(self.kept.len());
            self.kept.extend(part.iter().take(room));
        }
        (within.left, *bytes) = (within.left - part.len(), rest);
        if within.left > 0 {
            return None;
        }
        let frame = within.frame;
        (self.within, self.have) = (None, 0);
        Some(Seen::Whole(frame))
    }

    /// Whether the last frame was whole and no other has begun.
    pub(super) fn is_between(&self) -> bool {
        self.within.is_none() && self.have == 0
    }

    /// The number at `at` in the payload of the frame that was whole last, when its kind is one whose payload matters.
    pub(super) fn number(&self, at: usize) -> Option<u32> {
        self.kept.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// The settings in the frame that was whole last: identifier and value.
    pub(super) fn settings(&self) -> impl Iterator<Item = (u16, u32)> {
        self.kept.chunks_exact(6).filter_map(|setting| {
            let (name, value) = setting.split_first_chunk()?;
            Some((u16::from_be_bytes(*name), u32::from_be_bytes(*value.first_chunk()?)))
        })
    }
}
