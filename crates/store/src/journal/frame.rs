//! How a batch of entries lies in a segment: a head, and the entries behind it as a bundle writes them, each behind its
//! length in two bytes. A batch is in the journal whole or not at all.
//!
//! Checksums begin with the segment's salt, which nobody outside knows: so nobody can write an entry that is taken for a
//! batch when a damaged segment is searched.

/// What a segment begins with, in this version of its form.
const SEGMENT_MAGIC: [u8; 8] = *b"pcjrnl\x00\x01";
/// What a batch begins with.
const FRAME_MAGIC: [u8; 4] = *b"PcJ1";

/// Bytes of a segment's head: magic, index of its first entry, salt, checksum.
pub(super) const SEGMENT_HEAD_BYTES: usize = 28;
/// Bytes of a batch's head: magic, index of its first entry, number and bytes of its entries, two checksums.
pub(super) const FRAME_HEAD_BYTES: usize = 28;
/// Bytes before an entry.
pub(super) const LENGTH_BYTES: usize = 2;

/// The beginning of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHead {
    pub(super) first: u64,
    pub(super) salt: u64,
}

impl SegmentHead {
    pub(super) fn encode(self) -> [u8; SEGMENT_HEAD_BYTES] {
        let mut bytes = [0; SEGMENT_HEAD_BYTES];
        fill(&mut bytes, &[&SEGMENT_MAGIC, &self.first.to_be_bytes(), &self.salt.to_be_bytes()]);
        let sum = checksum(0, bytes.get(..24).unwrap_or_default());
        fill(bytes.get_mut(24..).unwrap_or_default(), &[&sum.to_be_bytes()]);
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (first, salt) = (number(bytes, 8)?, number(bytes, 16)?);
        let head = Self { first, salt };
        if bytes.get(..SEGMENT_HEAD_BYTES)? == head.encode() { Some(head) } else { None }
    }
}

/// The beginning of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHead {
    /// The index of the first entry.
    pub(super) first: u64,
    /// How many entries.
    pub(super) count: u32,
    /// How many bytes they and their lengths have.
    pub(super) bytes: u32,
    payload_sum: u32,
}

impl FrameHead {
    /// The index behind the last entry.
    pub(super) fn end(&self) -> u64 {
        self.first.saturating_add(u64::from(self.count))
    }

    fn encode(self, salt: u64) -> [u8; FRAME_HEAD_BYTES] {
        let mut bytes = [0; FRAME_HEAD_BYTES];
        let (first, count) = (self.first.to_be_bytes(), self.count.to_be_bytes());
        let (length, payload) = (self.bytes.to_be_bytes(), self.payload_sum.to_be_bytes());
        fill(&mut bytes, &[&FRAME_MAGIC, &first, &count, &length, &payload]);
        let sum = checksum(salt, bytes.get(..24).unwrap_or_default());
        fill(bytes.get_mut(24..).unwrap_or_default(), &[&sum.to_be_bytes()]);
        bytes
    }

    pub(super) fn decode(bytes: &[u8], salt: u64) -> Option<Self> {
        let half = |at: usize| Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
        let head =
            Self { first: number(bytes, 4)?, count: half(12)?, bytes: half(16)?, payload_sum: half(20)? };
        if bytes.get(..FRAME_HEAD_BYTES)? == head.encode(salt) { Some(head) } else { None }
    }

    /// Whether these are the entries that the head was written for.
    pub(super) fn fits(&self, payload: &[u8], salt: u64) -> bool {
        u32::try_from(payload.len()) == Ok(self.bytes)
            && checksum(salt, payload) == self.payload_sum
            && entries(payload)
                .map(|entry| entry.map(drop))
                .try_fold(0_u32, |count, entry| entry.map(|()| count.saturating_add(1)))
                == Some(self.count)
    }
}

/// A batch while it grows: room for the head, and the entries behind it.
#[derive(Debug, Default)]
pub(super) struct Frame {
    bytes: Vec<u8>,
    count: u32,
}

impl Frame {
    /// Empties the frame and keeps its memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }

    /// Appends an entry, whose length must have been looked at, and gives its position.
    pub(super) fn push(&mut self, entry: &[u8]) -> u32 {
        if self.bytes.is_empty() {
            self.bytes.resize(FRAME_HEAD_BYTES, 0);
        }
        let length = u16::try_from(entry.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(entry.get(..usize::from(length)).unwrap_or(entry));
        self.count = self.count.saturating_add(1);
        self.count - 1
    }

    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// Bytes as they will be written.
    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Writes the head, now that the first index is known, and gives what is to be written.
    pub(super) fn sealed(&mut self, first: u64, salt: u64) -> &[u8] {
        let count = self.count;
        if let Some((head, payload)) = self.bytes.split_first_chunk_mut::<FRAME_HEAD_BYTES>() {
            let bytes = u32::try_from(payload.len()).unwrap_or(u32::MAX);
            let payload_sum = checksum(salt, payload);
            *head = FrameHead { first, count, bytes, payload_sum }.encode(salt);
        }
        &self.bytes
    }
}

/// The entries of a batch; `None` where the bytes end too early, and then nothing more.
pub(super) fn entries(payload: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = payload;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let entry = rest
            .split_first_chunk::<LENGTH_BYTES>()
            .and_then(|(length, behind)| behind.split_at_checked(usize::from(u16::from_be_bytes(*length))));
        rest = entry.map_or(&[], |(_, behind)| behind);
        Some(entry.map(|(entry, _)| entry))
    })
}

/// Where, in bytes of a segment behind some damage, a batch of entries from `next` on begins: it could only be
/// written after the damaged one was durable.
pub(super) fn find_later(bytes: &[u8], salt: u64, next: u64) -> Option<usize> {
    let candidates =
        bytes.windows(FRAME_HEAD_BYTES).enumerate().filter(|(_, head)| head.starts_with(&FRAME_MAGIC));
    candidates.filter_map(|(at, head)| Some((at, FrameHead::decode(head, salt)?))).find_map(|(at, head)| {
        let from = at.checked_add(FRAME_HEAD_BYTES)?;
        let payload = bytes.get(from..from.checked_add(usize::try_from(head.bytes).ok()?)?)?;
        (head.first > next && head.fits(payload, salt)).then_some(at)
    })
}

/// A salt out of an unpredictable seed, another one for each place (splitmix64).
pub(super) const fn salt(seed: u64, place: u64) -> u64 {
    let mut mixed = seed ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn checksum(salt: u64, bytes: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&salt.to_be_bytes());
    sum.update(bytes);
    sum.finalize()
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Puts `parts` one behind the other.
fn fill(into: &mut [u8], parts: &[&[u8]]) {
    let bytes = parts.iter().copied().flatten();
    into.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u64, salt: u64, entries: &[&[u8]]) -> Vec<u8> {
        let mut frame = Frame::default();
        for entry in entries {
            frame.push(entry);
        }
        frame.sealed(first, salt).to_vec()
    }

    #[test]
    fn what_was_written_is_read_and_every_flipped_bit_is_seen() {
        let written = frame(7, 99, &[b"first", b"", &[0xff; 300]]);
        let is_good = |bytes: &[u8]| {
            let payload = bytes.get(FRAME_HEAD_BYTES..).unwrap();
            FrameHead::decode(bytes, 99).is_some_and(|head| head.fits(payload, 99))
        };
        assert!(is_good(&written));
        let head = FrameHead::decode(&written, 99).unwrap();
        assert_eq!((head.first, head.count, head.end()), (7, 3, 10));
        let read: Vec<_> = entries(&written[FRAME_HEAD_BYTES..]).map(Option::unwrap).collect();
        assert_eq!(read, [&b"first"[..], b"", &[0xff; 300]]);
        for bit in 0..written.len() * 8 {
            let mut flipped = written.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_good(&flipped), "bit {bit}");
        }
        for length in 0..written.len() {
            let cut = &written[..length];
            assert!(FrameHead::decode(cut, 99).is_none_or(|head| !head.fits(&cut[FRAME_HEAD_BYTES..], 99)));
        }
    }

    #[test]
    fn a_segment_head_is_read_and_every_flipped_bit_is_seen() {
        let head = SegmentHead { first: 1 << 40, salt: salt(1, 2) };
        let written = head.encode();
        assert_eq!(SegmentHead::decode(&written), Some(head));
        for bit in 0..written.len() * 8 {
            let mut flipped = written;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHead::decode(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn a_later_batch_is_found_behind_damage_and_a_forged_one_is_not() {
        let (salt, other) = (salt(1, 0), salt(2, 0));
        let damaged = [&[0; 40][..], &frame(10, salt, &[b"later"])].concat();
        assert_eq!(find_later(&damaged, salt, 5), Some(40));
        assert_eq!(find_later(&damaged, salt, 10), None, "it is not later than the damaged one");
        // What a client can make us write: the form of a batch, without the salt.
        let forged = [&[0; 40][..], &frame(10, other, &[b"later"])].concat();
        assert_eq!(find_later(&forged, salt, 5), None);
    }
}
