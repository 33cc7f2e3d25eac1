//! Text of a rule file → directives as words.
//!
//! A line that ends in `\` goes on in the next one. Words are separated by blanks; `"` and `'` hold a word with blanks
//! together, and inside them `\"` (or `\'`) is the quote itself. Every other backslash stays, since patterns need it.

use crate::error::Problem;

/// A directive's words, and the line on which it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Counted from 1.
    pub(crate) number: u32,
    /// The directive and its arguments, or why they cannot be told apart.
    pub(crate) words: Result<Vec<String>, Problem>,
}

/// The directives of a file; comments and empty lines are left out.
pub(crate) fn lines(text: &str) -> Vec<Line> {
    let mut found = Vec::new();
    let mut physical = (1_u32..).zip(text.lines());
    while let Some((number, first)) = physical.next() {
        let is_comment = first.trim_start().starts_with('#');
        let mut whole = String::new();
        let mut line = Some(first);
        let mut swallowed = false;
        while let Some(part) = line.take() {
            match part.strip_suffix('\\') {
                Some(part) => {
                    whole.push_str(part);
                    line = physical.next().map(|(_, next)| next);
                    swallowed |= line
                        .is_some_and(|next| !next.trim().is_empty() && !next.trim_start().starts_with('#'));
                }
                None => whole.push_str(part),
            }
        }
        if is_comment && swallowed {
            // ModSecurity takes the next line for a part of the comment, other engines do not. A rule is too much to lose.
            let why = "it ends in `\\`, which makes the next line a part of the comment; remove the `\\`";
            found.push(Line { number, words: Err(Problem::argument("#", why)) });
        } else if !is_comment && !whole.trim().is_empty() {
            found.push(Line { number, words: words(&whole) });
        }
    }
    found
}

/// Splits a directive into its words.
fn words(line: &str) -> Result<Vec<String>, Problem> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while let Some(first) = rest.chars().next() {
        let (word, after) = match first {
            '"' | '\'' => quoted(rest.get(1..).unwrap_or_default(), first)?,
            _ => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                (word.to_owned(), after)
            }
        };
        words.push(word);
        rest = after.trim_start();
    }
    Ok(words)
}

/// The word up to the closing quote, and what follows it.
fn quoted(text: &str, quote: char) -> Result<(String, &str), Problem> {
    let mut word = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if character == '\\' && characters.peek().is_some_and(|(_, next)| *next == quote) {
            characters.next();
            word.push(quote);
        } else if character == '\\' {
            word.push('\\');
            // A second backslash is not the beginning of another pair.
            if let Some((_, escaped)) = characters.next() {
                word.push(escaped);
            }
        } else if character == quote {
            let after = text.get(at + quote.len_utf8()..).unwrap_or_default();
            if after.chars().next().is_some_and(|next| !next.is_whitespace()) {
                let why =
                    format!("text follows the closing {quote} at once; write \\{quote} for a {quote} inside");
                return Err(Problem::argument(&excerpt(&word), why));
            }
            return Ok((word, after));
        } else {
            word.push(character);
        }
    }
    Err(Problem::argument(&excerpt(&word), format!("the {quote} before it is never closed")))
}

/// Enough of a text to find it again.
pub(crate) fn excerpt(text: &str) -> String {
    const CHARACTERS_MAX: usize = 60;
    match text.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(u32, &[&str])]) {
        let found: Vec<(u32, Vec<String>)> =
            lines(text).into_iter().map(|line| (line.number, line.words.unwrap())).collect();
        let expected: Vec<(u32, Vec<String>)> = expected
            .iter()
            .map(|(number, words)| (*number, words.iter().map(ToString::to_string).collect()))
            .collect();
        assert_eq!(found, expected);
    }

    fn refused(text: &str) -> String {
        lines(text).into_iter().find_map(|line| line.words.err()).unwrap().to_string()
    }

    #[test]
    fn a_directive_goes_on_after_a_backslash() {
        check(
            "\n# a comment\nSecRule ARGS \\\n  \"@rx a b\" \\\r\n  \"id:1,\\\n  pass\"\nSecMarker END\n",
            &[(3, &["SecRule", "ARGS", "@rx a b", "id:1,  pass"]), (7, &["SecMarker", "END"])],
        );
    }

    #[test]
    fn backslashes_of_patterns_stay_and_quotes_are_freed() {
        check(r#"SecRule A "\d\\\"x\'" 'b \' c'"#, &[(1, &["SecRule", "A", r#"\d\\"x\'"#, "b ' c"])]);
    }

    #[test]
    fn a_commented_rule_stays_a_comment() {
        check("#SecAction \\\n# \"id:1,\\\n# pass\"\nSecMarker A", &[(4, &["SecMarker", "A"])]);
    }

    #[test]
    fn a_comment_does_not_swallow_a_rule() {
        assert_eq!(
            refused("# see C:\\\nSecRule ARGS x id:1"),
            "`#`: it ends in `\\`, which makes the next line a part of the comment; remove the `\\`"
        );
    }

    #[test]
    fn open_quotes_are_refused() {
        assert_eq!(refused("SecRule A \"b c"), "`b c`: the \" before it is never closed");
        assert_eq!(
            refused("SecRule A \"b\"c"),
            "`b`: text follows the closing \" at once; write \\\" for a \" inside"
        );
    }
}
