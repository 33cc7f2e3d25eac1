//! Texts with macros: `%{TX.score}` stands for a value of the request at hand.

use crate::error::Problem;
use crate::lang::variable::{Shape, Variable};

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// As it stands there.
    Text(Vec<u8>),
    /// The value of a variable; of a collection, the first of this name, or the first of all.
    Value(Variable, Option<String>),
}

/// A text in which macros may stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Template {
    /// As it is written.
    pub(crate) source: String,
    pub(crate) pieces: Vec<Piece>,
}

impl Template {
    /// Reads `text`; a macro of something that is not a variable is refused.
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("%{") {
            let Some((name, after)) = after.split_once('}') else {
                return Err(Problem::argument(text, "`%{` without a `}`"));
            };
            if !before.is_empty() {
                pieces.push(Piece::Text(before.as_bytes().to_vec()));
            }
            pieces.push(value(name)?);
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.as_bytes().to_vec()));
        }
        Ok(Self { source: text.to_owned(), pieces })
    }

    /// The text itself, when no macro is in it.
    pub(crate) fn literal(&self) -> Option<&[u8]> {
        match self.pieces.as_slice() {
            [] => Some(b""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }
}

/// `NAME`, `NAME.KEY` or `NAME:KEY`.
fn value(name: &str) -> Result<Piece, Problem> {
    let (variable, key) = match name.split_once(['.', ':']) {
        Some((variable, key)) => (variable, Some(key)),
        None => (name, None),
    };
    let variable = Variable::named(variable).map_err(|_| Problem::unknown("macro", name))?;
    match (variable.shape(), key) {
        (Shape::Single, Some(key)) => {
            Err(Problem::argument(name, format!("{variable} is one value, it has no part `{key}`")))
        }
        (_, key) => Ok(Piece::Value(variable, key.map(str::to_owned))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macros_are_found_between_texts() {
        let template = Template::parse("a%{tx.Score}b%{MATCHED_VAR}%{request_headers:User-Agent}").unwrap();
        assert_eq!(
            template.pieces,
            [
                Piece::Text(b"a".to_vec()),
                Piece::Value(Variable::Tx, Some("Score".to_owned())),
                Piece::Text(b"b".to_vec()),
                Piece::Value(Variable::MatchedVar, None),
                Piece::Value(Variable::RequestHeaders, Some("User-Agent".to_owned())),
            ]
        );
        assert_eq!(template.literal(), None);
    }

    #[test]
    fn a_text_without_macros_is_itself() {
        assert_eq!(Template::parse("100 %").unwrap().literal(), Some(b"100 %".as_slice()));
        assert_eq!(Template::parse("").unwrap().literal(), Some(b"".as_slice()));
    }

    #[test]
    fn unknown_macros_are_refused() {
        let refused = |text| Template::parse(text).unwrap_err().to_string();
        assert_eq!(refused("%{nothing.x}"), "unknown macro `nothing.x`");
        assert_eq!(refused("%{tx.a"), "`%{tx.a`: `%{` without a `}`");
        assert_eq!(
            refused("%{MATCHED_VAR.x}"),
            "`MATCHED_VAR.x`: MATCHED_VAR is one value, it has no part `x`"
        );
    }
}
