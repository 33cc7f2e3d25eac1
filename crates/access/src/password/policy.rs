//! Which passwords may be chosen: long enough and hard to guess, of any characters (NIST SP 800-63B-4 §3.1.1.2).
//!
//! How hard one is to guess is zxcvbn's estimate, from 0 to 4. It reads the system's clock for one thing, which years
//! are recent, and there is no other way to tell it.

use thiserror::Error;
use unicode_normalization::char::is_public_assigned;
use zeroize::Zeroizing;
use zxcvbn::Score;

use super::{CHARACTERS_MAX, Candidate};

/// Shortest password, in characters, whatever a setting says.
pub const CHARACTERS_MIN: usize = 12;

/// Most words of the user's own that are looked at.
pub const OWN_WORDS_MAX: usize = 32;

/// What a password must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    characters_min: usize,
}

/// Why a password may not be chosen: for the user, who is told what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Weakness {
    /// Too short; holds the least number of characters.
    #[error("use at least {0} characters; some words in a row are easy to remember")]
    TooShort(usize),
    /// Longer than [`CHARACTERS_MAX`].
    #[error("use at most 128 characters")]
    TooLong,
    /// A control character, such as a line's end, or a character that Unicode does not know yet: another keyboard or
    /// program may make another text of it.
    #[error("leave out control characters and characters that are not in Unicode yet")]
    Character,
    /// It is easily guessed; holds what zxcvbn says why, if it does.
    #[error("this password is easily guessed; {}", .0.as_deref().unwrap_or("add some words that do not belong together"))]
    Guessable(Option<Box<str>>),
}

impl Policy {
    /// The policy that asks for so many characters, [`CHARACTERS_MIN`] at least and half of what is possible at most.
    pub fn new(characters_min: usize) -> Self {
        Self { characters_min: characters_min.clamp(CHARACTERS_MIN, CHARACTERS_MAX / 2) }
    }

    /// Judges a password that somebody wants to have. The user's own words (names, address, the application's name) are
    /// as easy to guess as the commonest password, and what is left without them must be hard to guess too.
    pub fn check(&self, candidate: &Candidate, own_words: &[&str]) -> Result<(), Weakness> {
        if candidate.is_too_long() {
            return Err(Weakness::TooLong);
        }
        let text = candidate.normalized();
        if text.chars().any(|c| c.is_control() || !is_public_assigned(c)) {
            return Err(Weakness::Character);
        }
        if candidate.characters() < self.characters_min {
            return Err(Weakness::TooShort(self.characters_min));
        }
        let words = words(own_words);
        hard_to_guess(text, &words)?;
        // zxcvbn takes several known words in a row for hard to guess, but the user's own are few.
        let rest = without(text, &words);
        if rest.chars().count() < candidate.characters() { hard_to_guess(&rest, &words) } else { Ok(()) }
    }
}

fn hard_to_guess(text: &str, own_words: &[&str]) -> Result<(), Weakness> {
    let estimate = zxcvbn::zxcvbn(text, own_words);
    if estimate.score() >= Score::Three {
        return Ok(());
    }
    let warning = estimate.feedback().and_then(|feedback| feedback.warning());
    Err(Weakness::Guessable(warning.map(|warning| warning.to_string().into())))
}

/// The text in small letters, without the words.
fn without(text: &str, words: &[&str]) -> Zeroizing<String> {
    let mut rest = Zeroizing::new(text.to_lowercase());
    let mut longest_first: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    longest_first.sort_by_key(|word| std::cmp::Reverse(word.len()));
    for word in longest_first {
        rest = Zeroizing::new(rest.replace(&word, ""));
    }
    rest
}

impl Default for Policy {
    fn default() -> Self {
        Self::new(CHARACTERS_MIN)
    }
}

/// The words themselves, and what they are made of: `ada.lovelace@example.org` is four more.
fn words<'a>(own: &[&'a str]) -> Vec<&'a str> {
    let parts = own.iter().flat_map(|word| word.split(|c: char| !c.is_alphanumeric()));
    let whole = own.iter().copied();
    whole.chain(parts).filter(|word| word.chars().nth(2).is_some()).take(OWN_WORDS_MAX).collect()
}
