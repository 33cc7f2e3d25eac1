//! Names with values, in one buffer.

use super::Limits;

/// Names with values, in order. A name may come more than once.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pairs {
    bytes: Vec<u8>,
    /// Where each name and value ends; the next name begins where a value ends.
    ends: Vec<(usize, usize)>,
}

/// There is no room left: `Limits` are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Full {
    pub(super) fn error(limits: &Limits) -> String {
        format!(
            "more than {} arguments, or than {} bytes of names and values",
            limits.count_max, limits.bytes_max
        )
    }
}

impl Pairs {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many bytes all names and values have.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        let mut begin = 0;
        self.ends.iter().map(move |(name_end, value_end)| {
            let name = self.bytes.get(begin..*name_end).unwrap_or_default();
            let value = self.bytes.get(*name_end..*value_end).unwrap_or_default();
            begin = *value_end;
            (name, value)
        })
    }

    /// Adds a pair whose parts are written by `name` and `value`. What is over `limits` is taken back.
    pub(super) fn push_with(
        &mut self,
        limits: &Limits,
        name: impl FnOnce(&mut Vec<u8>),
        value: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Full> {
        let before = self.bytes.len();
        name(&mut self.bytes);
        let name_end = self.bytes.len();
        value(&mut self.bytes);
        if self.ends.len() >= limits.count_max || self.bytes.len() > limits.bytes_max {
            self.bytes.truncate(before);
            return Err(Full);
        }
        self.ends.push((name_end, self.bytes.len()));
        Ok(())
    }

    /// Adds a pair.
    pub(super) fn push(&mut self, limits: &Limits, name: &[u8], value: &[u8]) -> Result<(), Full> {
        // Asked before anything is copied: a name can be as long as the body.
        if self.bytes.len().saturating_add(name.len()).saturating_add(value.len()) > limits.bytes_max {
            return Err(Full);
        }
        self.push_with(limits, |bytes| bytes.extend_from_slice(name), |bytes| bytes.extend_from_slice(value))
    }
}

impl std::fmt::Debug for Pairs {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown =
            self.iter().map(|(name, value)| format!("{}={}", name.escape_ascii(), value.escape_ascii()));
        formatter.debug_list().entries(shown).finish()
    }
}
