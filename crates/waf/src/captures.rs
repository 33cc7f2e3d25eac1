//! What an operator found: the texts that `capture` puts into `TX:0` to `TX:9`.

/// How many there are: `TX:0` is the whole, the others are groups.
pub const CAPTURES_MAX: usize = 10;

/// Texts 0 to 9 of one match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captures {
    texts: [Option<Vec<u8>>; CAPTURES_MAX],
}

impl Captures {
    /// Forgets all texts.
    pub fn clear(&mut self) {
        self.texts = Default::default();
    }

    /// Makes `text` the text `number`. Numbers above 9 are not kept, as in ModSecurity.
    pub fn set(&mut self, number: usize, text: &[u8]) {
        if let Some(place) = self.texts.get_mut(number) {
            *place = Some(text.to_vec());
        }
    }

    /// The text `number`, if there is one. A group that took no part in the match has none.
    pub fn text(&self, number: usize) -> Option<&[u8]> {
        self.texts.get(number).and_then(Option::as_deref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_texts_are_kept_and_forgotten_together() {
        let mut captures = Captures::default();
        captures.set(0, b"whole");
        captures.set(9, b"last");
        captures.set(10, b"too many");
        assert_eq!(captures.text(0), Some(b"whole".as_slice()));
        assert_eq!(captures.text(9), Some(b"last".as_slice()));
        assert_eq!((captures.text(1), captures.text(10)), (None, None));
        captures.clear();
        assert_eq!(captures, Captures::default());
    }
}
