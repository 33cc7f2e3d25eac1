//! Variables of TX: what rules set and count.
//!
//! The names that rules write are numbered when rules are compiled, so that a score is found without looking for its name.
//! Names that are only made while rules run (`tx.count_%{MATCHED_VAR_NAME}`) are kept beside.

use std::collections::HashMap;

/// The number of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Slot(u32);

/// How many captures there are: TX:0 to TX:9 have the first numbers.
const CAPTURES: u32 = 10;

/// The most names that are made while rules run. A request cannot make more.
const MADE_MAX: usize = 10_000;

/// The names that rules write, in lower case.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    numbers: HashMap<Box<[u8]>, Slot>,
    names: Vec<Box<[u8]>>,
}

impl Slot {
    /// Whether it is one of TX:0 to TX:9.
    pub(crate) const fn is_capture(self) -> bool {
        self.0 < CAPTURES
    }
}

impl Names {
    pub(crate) fn new() -> Self {
        let mut names = Self { numbers: HashMap::new(), names: Vec::new() };
        for capture in 0..CAPTURES {
            names.number(capture.to_string().as_bytes());
        }
        names
    }

    /// The number of `name`, a new one if it has none.
    pub(crate) fn number(&mut self, name: &[u8]) -> Slot {
        let lower = name.to_ascii_lowercase().into_boxed_slice();
        if let Some(slot) = self.numbers.get(&lower) {
            return *slot;
        }
        let slot = Slot(u32::try_from(self.names.len()).unwrap_or(u32::MAX));
        self.names.push(lower.clone());
        self.numbers.insert(lower, slot);
        slot
    }

    /// The name with this number, in lower case.
    pub(crate) fn name(&self, slot: Slot) -> &[u8] {
        self.names.get(slot.0 as usize).map_or(&[], |name| &**name)
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<Slot> {
        self.numbers.get(name.to_ascii_lowercase().as_slice()).copied()
    }
}

/// A value of TX.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Held {
    #[default]
    Nothing,
    /// A number, which most are.
    Number(i64),
    Text(Vec<u8>),
}

impl Held {
    /// A number is kept as one when it would be written just like that.
    pub(crate) fn of(text: &[u8]) -> Self {
        let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
        match number {
            Some(number) if number.to_string().as_bytes() == text => Self::Number(number),
            _ => Self::Text(text.to_vec()),
        }
    }

    /// As a number, the way `atoi` reads one: digits at the beginning, else 0.
    pub(crate) fn number(&self) -> i64 {
        match self {
            Self::Nothing => 0,
            Self::Number(number) => *number,
            Self::Text(text) => number(text),
        }
    }

    /// Adds the text of the value to `out`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Nothing => {}
            Self::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Text(text) => out.extend_from_slice(text),
        }
    }
}

/// The number at the beginning of `text`, 0 if there is none.
pub(crate) fn number(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    let digits = digits.iter().take_while(|digit| digit.is_ascii_digit());
    let number =
        digits.fold(0_i64, |sum, digit| sum.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    sign * number
}

/// The variables of one transaction.
#[derive(Debug)]
pub(crate) struct Tx {
    numbered: Vec<Held>,
    made: Vec<(Box<[u8]>, Held)>,
}

impl Tx {
    pub(crate) fn new(names: &Names) -> Self {
        Self { numbered: vec![Held::Nothing; names.names.len()], made: Vec::new() }
    }

    pub(crate) fn get(&self, slot: Slot) -> &Held {
        self.numbered.get(slot.0 as usize).unwrap_or(&Held::Nothing)
    }

    pub(crate) fn set(&mut self, slot: Slot, value: Held) {
        if let Some(place) = self.numbered.get_mut(slot.0 as usize) {
            *place = value;
        }
    }

    /// Changes the variable of a name that was made while rules run.
    pub(crate) fn change(&mut self, names: &Names, name: &[u8], change: impl FnOnce(&mut Held)) {
        if let Some(slot) = names.find(name) {
            if let Some(place) = self.numbered.get_mut(slot.0 as usize) {
                change(place);
            }
            return;
        }
        let lower = name.to_ascii_lowercase();
        if let Some((_, place)) = self.made.iter_mut().find(|(made, _)| **made == *lower) {
            change(place);
        } else if self.made.len() < MADE_MAX {
            let mut place = Held::Nothing;
            change(&mut place);
            self.made.push((lower.into_boxed_slice(), place));
        }
    }

    /// Sets a capture.
    pub(crate) fn capture(&mut self, number: usize, text: Option<&[u8]>) {
        if let Some(place) = self.numbered.get_mut(number).filter(|_| number < CAPTURES as usize) {
            *place = text.map_or(Held::Nothing, |text| Held::Text(text.to_vec()));
        }
    }

    /// All variables that are set, with their names in lower case.
    pub(crate) fn all<'a>(&'a self, names: &'a Names) -> impl Iterator<Item = (&'a [u8], &'a Held)> {
        let numbered = names.names.iter().map(|name| &**name).zip(&self.numbered);
        let made = self.made.iter().map(|(name, held)| (&**name, held));
        numbered.chain(made).filter(|(_, held)| **held != Held::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_in_any_case() {
        let mut names = Names::new();
        let slot = names.number(b"Score");
        assert_eq!(names.number(b"sCORE"), slot);
        assert_eq!(names.find(b"0"), Some(Slot(0)));
        let mut tx = Tx::new(&names);
        tx.set(slot, Held::Number(5));
        tx.change(&names, b"SCORE", |held| *held = Held::Number(held.number() + 1));
        tx.change(&names, b"Made", |held| *held = Held::of(b"x"));
        tx.change(&names, b"mADE", |held| *held = Held::of(b"y"));
        let all: Vec<_> = tx.all(&names).collect();
        assert_eq!(all, [(b"score".as_slice(), &Held::Number(6)), (b"made", &Held::Text(b"y".to_vec()))]);
    }

    #[test]
    fn texts_that_are_numbers_are_kept_as_numbers() {
        for (text, expected) in [
            (&b"5"[..], Held::Number(5)),
            (b"-5", Held::Number(-5)),
            (b"05", Held::Text(b"05".to_vec())),
            (b"+5", Held::Text(b"+5".to_vec())),
            (b"", Held::Text(Vec::new())),
        ] {
            let held = Held::of(text);
            assert_eq!(held, expected);
            let mut written = Vec::new();
            held.write(&mut written);
            assert_eq!(written, text);
        }
    }

    #[test]
    fn numbers_are_read_from_the_beginning_of_a_text() {
        for (text, expected) in
            [(&b"12"[..], 12), (b" -7x", -7), (b"x", 0), (b"", 0), (b"99999999999999999999", i64::MAX)]
        {
            assert_eq!(Held::Text(text.to_vec()).number(), expected);
        }
    }

    #[test]
    fn captures_end_at_nine() {
        let names = Names::new();
        let mut tx = Tx::new(&names);
        tx.capture(9, Some(b"a"));
        tx.capture(10, Some(b"b"));
        assert_eq!(tx.all(&names).count(), 1);
        tx.capture(9, None);
        assert_eq!(tx.all(&names).count(), 0);
    }
}
