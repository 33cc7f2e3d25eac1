//! What a rule looks at: `ARGS|!ARGS:password|&REQUEST_HEADERS:Host|TX:/^score_/`.

use regex::bytes::Regex;

use crate::error::Problem;
use crate::lang::variable::{Shape, Variable};
use crate::pattern;

/// Which values of a collection are meant.
#[derive(Debug, Clone)]
pub(crate) enum Selector {
    /// All of them.
    All,
    /// Those of this name.
    Name(String),
    /// Those whose name the pattern finds.
    Pattern(Box<Regex>, String),
}

impl PartialEq for Selector {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, Self::All) => true,
            (Self::Name(one), Self::Name(two)) => one.eq_ignore_ascii_case(two),
            (Self::Pattern(_, one), Self::Pattern(_, two)) => one == two,
            _ => false,
        }
    }
}

/// How values are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Each value by itself.
    Values,
    /// `&`: how many there are.
    Count,
    /// `!`: not these, whatever else in the rule names them.
    Except,
}

/// One part of what a rule looks at.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    pub(crate) usage: Use,
    pub(crate) variable: Variable,
    pub(crate) selector: Selector,
}

impl Target {
    /// Reads one target.
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        let (usage, name) = match (text.strip_prefix('&'), text.strip_prefix('!')) {
            (Some(name), _) => (Use::Count, name),
            (None, Some(name)) => (Use::Except, name),
            (None, None) => (Use::Values, text),
        };
        let (name, selector) = match name.split_once([':', '.']) {
            Some((name, selector)) => (name, Some(selector)),
            None => (name, None),
        };
        let variable = Variable::named(name.trim())?;
        let selector = match selector {
            None => Selector::All,
            Some(key) => select(text, variable, key)?,
        };
        if variable == Variable::Xml && usage != Use::Except && selector == Selector::All {
            return Err(Problem::argument(
                text,
                "say which part: `XML:/*` (texts) or `XML://@*` (attributes)",
            ));
        }
        Ok(Self { usage, variable, selector })
    }

    /// Reads a list of targets, separated by `|` or `,`.
    pub(crate) fn parse_list(text: &str) -> Result<Vec<Self>, Problem> {
        let mut targets = Vec::new();
        let mut rest = text;
        while !rest.trim().is_empty() {
            let end = end_of_target(rest);
            let (target, after) = rest.split_at(end);
            targets.push(Self::parse(target.trim())?);
            rest = after.get(1..).unwrap_or_default();
        }
        if targets.is_empty() {
            return Err(Problem::argument(text, "no variable is named"));
        }
        Ok(targets)
    }
}

/// Where the first target of `text` ends. A pattern between slashes may hold the separators.
fn end_of_target(text: &str) -> usize {
    let separator = |from: usize| {
        text.get(from..).and_then(|rest| rest.find(['|', ','])).map_or(text.len(), |found| from + found)
    };
    let plain = separator(0);
    let is_xml = text
        .trim_start_matches(['&', '!', ' '])
        .get(..3)
        .is_some_and(|name| name.eq_ignore_ascii_case("XML"));
    let Some(slash) = text.find([':', '.']).filter(|colon| *colon < plain && !is_xml).map(|colon| colon + 1)
    else {
        return plain;
    };
    let quoted = text.get(slash..).unwrap_or_default();
    let lead = if quoted.starts_with("'/") { 2 } else { 1 };
    if !quoted.starts_with('/') && lead == 1 {
        return plain;
    }
    let mut escaped = false;
    for (at, character) in text.char_indices().skip_while(|(at, _)| *at < slash + lead) {
        let after = text.get(at + 1..).unwrap_or_default();
        let after = after.strip_prefix('\'').unwrap_or(after).trim_start();
        if character == '/' && !escaped && (after.is_empty() || after.starts_with(['|', ','])) {
            return separator(at);
        }
        escaped = character == '\\' && !escaped;
    }
    plain
}

fn select(text: &str, variable: Variable, key: &str) -> Result<Selector, Problem> {
    if variable.shape() == Shape::Single {
        return Err(Problem::argument(text, format!("{variable} is one value, it has no parts")));
    }
    let key = key.strip_prefix('\'').and_then(|key| key.strip_suffix('\'')).unwrap_or(key);
    if variable == Variable::Xml {
        return match key {
            "/*" | "//@*" => Ok(Selector::Name(key.to_owned())),
            _ => Err(Problem::argument(
                text,
                "of XML only `/*` (texts) and `//@*` (attributes) can be looked at",
            )),
        };
    }
    let inner = key.strip_prefix('/').and_then(|key| key.strip_suffix('/'));
    match inner {
        Some(inner) if variable.ignores_case() => {
            Ok(Selector::Pattern(Box::new(pattern::compile_ignoring_case(inner)?), inner.to_owned()))
        }
        Some(inner) => Ok(Selector::Pattern(Box::new(pattern::compile(inner)?), inner.to_owned())),
        None if key.is_empty() => Err(Problem::argument(text, "a name is missing after the `:`")),
        None => Ok(Selector::Name(key.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(Use, Variable, &str)]) {
        let found = Target::parse_list(text).unwrap();
        let found: Vec<(Use, Variable, String)> = found
            .into_iter()
            .map(|target| {
                let selector = match target.selector {
                    Selector::All => String::new(),
                    Selector::Name(name) => name,
                    Selector::Pattern(_, pattern) => format!("/{pattern}/"),
                };
                (target.usage, target.variable, selector)
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(usage, variable, selector)| (*usage, *variable, selector.to_string()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn targets_are_separated_by_bars_and_commas() {
        check(
            "REQUEST_COOKIES|args:a b|&TX:x,!REQUEST_HEADERS:Cookie|XML:/*|XML://@*",
            &[
                (Use::Values, Variable::RequestCookies, ""),
                (Use::Values, Variable::Args, "a b"),
                (Use::Count, Variable::Tx, "x"),
                (Use::Except, Variable::RequestHeaders, "Cookie"),
                (Use::Values, Variable::Xml, "/*"),
                (Use::Values, Variable::Xml, "//@*"),
            ],
        );
    }

    #[test]
    fn separators_may_stand_in_a_pattern() {
        check(
            r"ARGS:/^a\/|b{1,2}$/|!ARGS_NAMES:'/^[\w]+\[[\w\-]*?\]$/'|TX:/^x/",
            &[
                (Use::Values, Variable::Args, r"/^a\/|b{1,2}$/"),
                (Use::Except, Variable::ArgsNames, r"/^[\w]+\[[\w\-]*?\]$/"),
                (Use::Values, Variable::Tx, "/^x/"),
            ],
        );
    }

    #[test]
    fn names_of_variables_without_parts_have_no_selector() {
        let refused = |text| Target::parse_list(text).unwrap_err().to_string();
        assert_eq!(refused("REQUEST_URI:x"), "`REQUEST_URI:x`: REQUEST_URI is one value, it has no parts");
        assert_eq!(refused("ARGS|NOTHING"), "unknown variable `NOTHING`");
        assert_eq!(refused("ARGS:"), "`ARGS:`: a name is missing after the `:`");
        assert_eq!(refused(" "), "` `: no variable is named");
        assert_eq!(refused("XML"), "`XML`: say which part: `XML:/*` (texts) or `XML://@*` (attributes)");
        assert_eq!(
            refused("XML:/a/b"),
            "`XML:/a/b`: of XML only `/*` (texts) and `//@*` (attributes) can be looked at"
        );
    }
}
