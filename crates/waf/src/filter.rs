//! What a value must have for a pattern to match it, so that most patterns need not be tried on most values.
//!
//! Three conditions, each of them necessary: a length, bytes of certain classes, and one of several literals. They are
//! read off the pattern's syntax tree when rules are loaded. A filter may let through what the pattern then refuses; it
//! must never keep out what the pattern would match. [`Filter::admits`] says what the conditions mean; an engine tests
//! them in its own way, for all rules together.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::Hir;

use crate::operator::{Comparison, Operator};
use crate::{ByteSet, Problem};

mod classes;
mod frequency;
mod literals;
#[cfg(test)]
mod tests;

/// How deep a pattern may nest, as in the `regex` crate.
const NESTING_MAX: u32 = 250;

/// What a value must have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// So many bytes, at least.
    pub length_min: usize,
    /// A byte of each of these, the rarest first.
    pub classes: Vec<ByteSet>,
    /// One literal of each of these lists, when all of its letters are made small; the rarest first. Literals are in
    /// small letters, sorted, none empty, and none is a part of another of its list.
    pub literals: Vec<Vec<Vec<u8>>>,
}

impl Filter {
    /// What a value must have that a pattern matches. `pattern` is in the syntax of the `regex` crate, about bytes, with
    /// `.` for any byte.
    ///
    /// # Errors
    /// It is no pattern.
    pub fn of_pattern(pattern: &str) -> Result<Self, Problem> {
        let parser = ParserBuilder::new()
            .unicode(false)
            .utf8(false)
            .dot_matches_new_line(true)
            .nest_limit(NESTING_MAX)
            .build()
            .parse(pattern);
        parser.map(|hir| Self::of_hir(&hir)).map_err(|problem| Problem::argument("@rx", problem.to_string()))
    }

    /// What a value must have that a parsed pattern matches.
    pub fn of_hir(pattern: &Hir) -> Self {
        Self {
            length_min: pattern.properties().minimum_len().unwrap_or_default(),
            classes: classes::required(pattern),
            literals: literals::required(pattern),
        }
    }

    /// What a value must have that an operator matches.
    pub fn of_operator(operator: &Operator) -> Self {
        let classes = operator.triggers().into_iter().collect();
        match operator {
            Operator::Pm(phrases) => Self {
                length_min: phrases.phrases().iter().map(Vec::len).min().unwrap_or_default(),
                classes,
                literals: vec![literals::without_parts(phrases.phrases().to_vec())],
            },
            _ => Self { length_min: 0, classes, literals: Vec::new() },
        }
    }

    /// What a value must have that a comparison with a known text matches.
    pub fn of_comparison(comparison: Comparison, text: &[u8]) -> Self {
        let is_part = match comparison {
            Comparison::BeginsWith
            | Comparison::Contains
            | Comparison::ContainsWord
            | Comparison::EndsWith
            | Comparison::Streq
            | Comparison::Strmatch => true,
            // Numbers are written in many ways, and what stands in the text may be short.
            Comparison::Eq
            | Comparison::Ge
            | Comparison::Gt
            | Comparison::Le
            | Comparison::Lt
            | Comparison::Within => false,
        };
        if is_part { Self::of_hir(&Hir::literal(text)) } else { Self::default() }
    }

    /// Whether `value` has all of it.
    pub fn admits(&self, value: &[u8]) -> bool {
        let present = ByteSet::of(value);
        let small = value.to_ascii_lowercase();
        let has = |literal: &Vec<u8>| memchr::memmem::find(&small, literal).is_some();
        value.len() >= self.length_min
            && self.classes.iter().all(|class| class.intersects(&present))
            && self.literals.iter().all(|list| list.iter().any(has))
    }
}
