//! Sets of byte values.

use std::fmt;

/// A set of byte values, as 256 bits.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct ByteSet([u64; 4]);

impl ByteSet {
    /// No byte.
    pub const EMPTY: Self = Self([0; 4]);
    /// Every byte.
    pub const ALL: Self = Self([u64::MAX; 4]);

    /// The bytes that occur in `bytes`.
    pub const fn of(bytes: &[u8]) -> Self {
        let mut set = Self::EMPTY;
        let mut rest = bytes;
        while let [byte, after @ ..] = rest {
            set = set.with(*byte);
            rest = after;
        }
        set
    }

    /// The bytes from `first` to `last`, both included.
    pub const fn range(first: u8, last: u8) -> Self {
        let mut set = Self::EMPTY;
        let mut byte = first;
        while byte <= last {
            set = set.with(byte);
            if byte == u8::MAX {
                break;
            }
            byte += 1;
        }
        set
    }

    /// This set and `byte`.
    #[must_use]
    pub const fn with(self, byte: u8) -> Self {
        let bit = 1_u64 << (byte & 63);
        let [a, b, c, d] = self.0;
        match byte >> 6 {
            0 => Self([a | bit, b, c, d]),
            1 => Self([a, b | bit, c, d]),
            2 => Self([a, b, c | bit, d]),
            _ => Self([a, b, c, d | bit]),
        }
    }

    /// Adds `byte`.
    pub fn insert(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }

    /// Whether `byte` is in it.
    pub fn contains(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte >> 6)).is_some_and(|word| word >> (byte & 63) & 1 == 1)
    }

    /// The bytes of either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Self([a | e, b | f, c | g, d | h])
    }

    /// The bytes that are not in it.
    #[must_use]
    pub const fn complement(self) -> Self {
        let [a, b, c, d] = self.0;
        Self([!a, !b, !c, !d])
    }

    /// Whether the two have a byte in common.
    pub const fn intersects(&self, other: &Self) -> bool {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        (a & e) | (b & f) | (c & g) | (d & h) != 0
    }

    /// Whether each of its bytes is in `other`.
    pub const fn is_within(&self, other: &Self) -> bool {
        !self.intersects(&other.complement())
    }

    /// Whether there is no byte in it.
    pub const fn is_empty(&self) -> bool {
        !self.intersects(&Self::ALL)
    }

    /// How many bytes are in it.
    pub fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Its bytes in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        let words = self.0.into_iter().zip([0, 64, 128, 192]);
        words.flat_map(|(word, first)| {
            let rest = std::iter::successors(Some(word), |word| Some(word & word.wrapping_sub(1)));
            rest.take_while(|word| *word != 0).map(move |word| first | (word.trailing_zeros() & 63) as u8)
        })
    }
}

impl fmt::Debug for ByteSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: Vec<u8> = self.iter().collect();
        write!(formatter, "ByteSet({})", bytes.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        let set = ByteSet::of(b"\x00az\x7f\x80\xff");
        assert_eq!(set.iter().collect::<Vec<_>>(), b"\x00az\x7f\x80\xff");
        assert_eq!(set.len(), 6);
        assert!(!set.contains(b'b'));
        assert_eq!(set.complement().len(), 250);
        assert_eq!(set.union(set.complement()), ByteSet::ALL);
    }

    #[test]
    fn ranges_reach_the_last_byte() {
        assert_eq!(ByteSet::range(0, 255), ByteSet::ALL);
        assert_eq!(ByteSet::range(b'0', b'9'), ByteSet::of(b"0123456789"));
        assert!(ByteSet::range(2, 1).is_empty());
    }

    #[test]
    fn sets_are_compared_over_all_four_words() {
        for byte in [0_u8, 64, 128, 192] {
            let one = ByteSet::of(&[byte]);
            assert!(one.intersects(&ByteSet::ALL) && one.is_within(&ByteSet::ALL));
            assert!(!one.intersects(&one.complement()) && !one.is_within(&one.complement()));
        }
    }
}
