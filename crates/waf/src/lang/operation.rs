//! The second word of a rule: `@rx …`, `!@within …`, or a pattern alone.

use regex::bytes::Regex;

use crate::error::Problem;
use crate::lang::template::Template;
use crate::load::Source;
use crate::operator::{Comparison, Operator};
use crate::pattern;

/// What is asked of each value.
#[derive(Debug)]
pub(crate) struct Operation {
    /// `!`: it matches when the operator does not.
    pub(crate) is_negated: bool,
    pub(crate) test: Test,
    /// The operator as it is written, without `@`.
    pub(crate) name: String,
    /// Its argument as it is written.
    pub(crate) argument: String,
}

/// An operator with its argument.
#[derive(Debug)]
pub(crate) enum Test {
    /// `@rx`
    Pattern(Regex),
    /// `@rxGlobal`: every occurrence is captured, one after the other.
    PatternGlobal(Regex),
    /// An operator that compares with a text in which macros may stand.
    Compare(Comparison, Template),
    /// Every other operator.
    Other(Operator),
}

impl Operation {
    /// Reads the operator and its argument.
    pub(crate) fn parse(text: &str, source: &mut Source<'_>) -> Result<Self, Problem> {
        let text = text.trim_start();
        let (text, is_negated) = match text.strip_prefix('!') {
            Some(text) => (text.trim_start(), true),
            None => (text, false),
        };
        let (name, argument) = match text.strip_prefix('@') {
            Some(text) => text.split_once(char::is_whitespace).unwrap_or((text, "")),
            None => ("rx", text),
        };
        let test = match name.to_ascii_lowercase().as_str() {
            "rx" => Test::Pattern(compile(name, argument)?),
            "rxglobal" => Test::PatternGlobal(compile(name, argument)?),
            lower => match Comparison::named(lower) {
                Some(comparison) => Test::Compare(comparison, Template::parse(argument.trim())?),
                None if argument.contains("%{") => {
                    return Err(Problem::argument(
                        name,
                        "a macro cannot stand in the argument of this operator",
                    ));
                }
                None => Test::Other(Operator::parse(lower, argument.trim(), source)?),
            },
        };
        Ok(Self { is_negated, test, name: name.to_owned(), argument: argument.to_owned() })
    }
}

fn compile(name: &str, argument: &str) -> Result<Regex, Problem> {
    if argument.contains("%{") {
        return Err(Problem::argument(
            name,
            "a macro cannot stand in a pattern; compare with @streq or @within instead",
        ));
    }
    pattern::compile(argument)
}
