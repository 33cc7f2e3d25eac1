//! Operators: the first byte says which one, the others are the value, of which comparisons take the first line as their
//! argument.

use crate::load::{Memory, Source};
use crate::{Captures, Comparison, Operator};

/// Operators with an argument.
const OPERATORS: &[(&str, &str)] = &[
    ("detectSQLi", ""),
    ("detectXSS", ""),
    ("ipMatch", "10.0.0.0/8,2001:db8::/32"),
    ("pm", "union select or |0a 0d| ?>"),
    ("validateByteRange", "9,10,13,32-126"),
    ("validateUrlEncoding", ""),
    ("validateUtf8Encoding", ""),
    ("verifyCC", r"\d{13,16}"),
    ("verifyCPF", r"[\d.-]{11,14}"),
    ("verifySSN", r"[\d-]{9,11}"),
    ("verifySVNR", r"\d{4} ?\d{6}"),
];

/// Laws of operators: without a trigger none matches, and what a comparison found is a part of the value.
pub(super) fn hold(input: &[u8]) {
    let Some((which, rest)) = input.split_first() else { return };
    let which = usize::from(*which) % (OPERATORS.len() + Comparison::ALL.len());
    let mut captures = Captures::default();
    if let Some((name, argument)) = OPERATORS.get(which) {
        let loader = &mut Memory::default();
        let operator = Operator::parse(name, argument, &mut Source { loader, from: "" }).unwrap();
        if let Some(triggers) = operator.triggers().filter(|_| operator.matches(rest, &mut captures)) {
            assert!(rest.iter().any(|byte| triggers.contains(*byte)), "{name}: {}", rest.escape_ascii());
        }
        return;
    }
    let comparison = Comparison::ALL[which - OPERATORS.len()];
    let line = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (argument, value) = rest.split_at(line);
    if comparison.matches(value, argument, &mut captures) {
        let part = captures.text(0).unwrap();
        assert!(part.is_empty() || value.windows(part.len()).any(|window| window == part), "{comparison:?}");
    }
}
