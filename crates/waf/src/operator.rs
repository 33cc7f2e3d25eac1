//! Operators: what `@…` asks of a value. One file each, which says what it asks, with an example that a test holds it to.
//!
//! There are two kinds. A [`Comparison`] compares a value with a text that may be known only when a request is there,
//! because macros stand in it (`@within %{tx.allowed_methods}`). Every other [`Operator`] is built once from its
//! argument when rules are loaded. Regular expressions (`@rx`) are not here; see `pattern`.
//!
//! An operator that the engine cannot carry out is refused when rules are loaded: a rule that never matches protects
//! nobody.

use crate::load::{LoadError, Source};
use crate::{ByteSet, Captures, Problem};

mod begins_with;
mod contains;
mod contains_word;
mod detect_sqli;
mod detect_xss;
mod ends_with;
mod eq;
mod ge;
mod gt;
mod identity;
mod ip_match;
mod ip_match_from_file;
mod le;
mod lt;
mod no_match;
mod number;
mod pm;
mod pm_from_file;
mod refused;
mod streq;
mod strmatch;
#[cfg(test)]
mod tests;
mod unconditional_match;
mod validate_byte_range;
mod validate_url_encoding;
mod validate_utf8_encoding;
mod verify_cc;
mod verify_cpf;
mod verify_ssn;
mod verify_svnr;
mod within;

/// What is known of one operator; the file of each holds one.
#[derive(Debug)]
struct About {
    /// As rules write it after `@`, in any case of letters; the first is its own name.
    names: &'static [&'static str],
    /// When it matches, in a sentence.
    what: &'static str,
    example: Example,
}

/// An argument, a value that matches and one that does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    /// What stands after the operator's name.
    pub argument: &'static str,
    /// A value that matches; none for an operator that never does.
    pub matches: Option<&'static [u8]>,
    /// A value that does not; none for an operator that always does.
    pub passes: Option<&'static [u8]>,
}

/// An operator that compares a value with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `@beginsWith`
    BeginsWith,
    /// `@contains`
    Contains,
    /// `@containsWord`
    ContainsWord,
    /// `@endsWith`
    EndsWith,
    /// `@eq`
    Eq,
    /// `@ge`
    Ge,
    /// `@gt`
    Gt,
    /// `@le`
    Le,
    /// `@lt`
    Lt,
    /// `@streq`
    Streq,
    /// `@strmatch`
    Strmatch,
    /// `@within`
    Within,
}

impl Comparison {
    /// All there are.
    pub const ALL: &'static [Self] = &[
        Self::BeginsWith,
        Self::Contains,
        Self::ContainsWord,
        Self::EndsWith,
        Self::Eq,
        Self::Ge,
        Self::Gt,
        Self::Le,
        Self::Lt,
        Self::Streq,
        Self::Strmatch,
        Self::Within,
    ];

    fn about(self) -> &'static About {
        match self {
            Self::BeginsWith => &begins_with::ABOUT,
            Self::Contains => &contains::ABOUT,
            Self::ContainsWord => &contains_word::ABOUT,
            Self::EndsWith => &ends_with::ABOUT,
            Self::Eq => &eq::ABOUT,
            Self::Ge => &ge::ABOUT,
            Self::Gt => &gt::ABOUT,
            Self::Le => &le::ABOUT,
            Self::Lt => &lt::ABOUT,
            Self::Streq => &streq::ABOUT,
            Self::Strmatch => &strmatch::ABOUT,
            Self::Within => &within::ABOUT,
        }
    }

    /// The comparison that rules call `name`, in any case of letters.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|one| one.about().is_called(name)).copied()
    }

    /// Its name as ModSecurity's manual writes it.
    pub fn name(self) -> &'static str {
        self.about().name()
    }

    /// When it matches, in a sentence.
    pub fn what(self) -> &'static str {
        self.about().what
    }

    /// An argument with a value that matches and one that does not.
    pub fn example(self) -> Example {
        self.about().example
    }

    /// Whether `value` matches. The part that did becomes the first of `captures`.
    pub fn matches(self, value: &[u8], argument: &[u8], captures: &mut Captures) -> bool {
        let part = match self {
            Self::BeginsWith => begins_with::part(value, argument),
            Self::Contains | Self::Strmatch => contains::part(value, argument),
            Self::ContainsWord => contains_word::part(value, argument),
            Self::EndsWith => ends_with::part(value, argument),
            Self::Streq => streq::part(value, argument),
            Self::Within => within::part(value, argument),
            Self::Eq => number::compared(value, argument, eq::holds),
            Self::Ge => number::compared(value, argument, ge::holds),
            Self::Gt => number::compared(value, argument, gt::holds),
            Self::Le => number::compared(value, argument, le::holds),
            Self::Lt => number::compared(value, argument, lt::holds),
        };
        if let Some(part) = part {
            captures.set(0, part);
        }
        part.is_some()
    }
}

/// An operator with its argument, ready to be asked. `@rx` and the comparisons are elsewhere.
#[derive(Debug)]
pub enum Operator {
    /// `@detectSQLi`
    DetectSqli,
    /// `@detectXSS`
    DetectXss,
    /// `@ipMatch`, and `@ipMatchFromFile` with what the file says.
    IpMatch(ip_match::Networks),
    /// `@noMatch`
    NoMatch,
    /// `@pm`, and `@pmFromFile` with what the file says.
    Pm(Box<pm::Phrases>),
    /// `@unconditionalMatch`
    UnconditionalMatch,
    /// `@validateByteRange`: the bytes that are allowed.
    ValidateByteRange(ByteSet),
    /// `@validateUrlEncoding`
    ValidateUrlEncoding,
    /// `@validateUtf8Encoding`
    ValidateUtf8Encoding,
    /// `@verifyCC`, `@verifyCPF`, `@verifySSN`, `@verifySVNR`
    Verify(identity::Verifier),
}

/// How an operator is made from its argument.
type Parse = fn(argument: &str, source: &mut Source<'_>) -> Result<Operator, Problem>;

/// Every operator but the comparisons.
const OPERATORS: &[(&About, Parse)] = &[
    (&detect_sqli::ABOUT, |_, _| Ok(Operator::DetectSqli)),
    (&detect_xss::ABOUT, |_, _| Ok(Operator::DetectXss)),
    (&ip_match::ABOUT, |argument, _| ip_match::Networks::parse(argument).map(Operator::IpMatch)),
    (&ip_match_from_file::ABOUT, ip_match_from_file::parse),
    (&no_match::ABOUT, |_, _| Ok(Operator::NoMatch)),
    (&pm::ABOUT, |argument, _| pm::parse(argument)),
    (&pm_from_file::ABOUT, pm_from_file::parse),
    (&unconditional_match::ABOUT, |_, _| Ok(Operator::UnconditionalMatch)),
    (&validate_byte_range::ABOUT, |argument, _| validate_byte_range::parse(argument)),
    (&validate_url_encoding::ABOUT, |_, _| Ok(Operator::ValidateUrlEncoding)),
    (&validate_utf8_encoding::ABOUT, |_, _| Ok(Operator::ValidateUtf8Encoding)),
    (&verify_cc::ABOUT, |argument, _| identity::parse(&verify_cc::ABOUT, argument, verify_cc::is_valid)),
    (&verify_cpf::ABOUT, |argument, _| identity::parse(&verify_cpf::ABOUT, argument, verify_cpf::is_valid)),
    (&verify_ssn::ABOUT, |argument, _| identity::parse(&verify_ssn::ABOUT, argument, verify_ssn::is_valid)),
    (&verify_svnr::ABOUT, |argument, _| {
        identity::parse(&verify_svnr::ABOUT, argument, verify_svnr::is_valid)
    }),
];

impl Operator {
    /// The operator that rules call `name`, in any case of letters, with `argument`.
    ///
    /// # Errors
    /// The name is unknown, the engine cannot carry the operator out, the argument makes no sense to it, or a file that
    /// it names is not to be had.
    pub fn parse(name: &str, argument: &str, source: &mut Source<'_>) -> Result<Self, Problem> {
        if let Some((_, parse)) = OPERATORS.iter().find(|(about, _)| about.is_called(name)) {
            return parse(argument, source);
        }
        Err(refused::problem(name).unwrap_or_else(|| Problem::unknown("operator", name)))
    }

    /// When the operator that rules call `name` matches, in a sentence.
    pub fn what(name: &str) -> Option<&'static str> {
        OPERATORS.iter().find(|(about, _)| about.is_called(name)).map(|(about, _)| about.what)
    }

    /// Whether `value` matches. The part that did becomes the first of `captures`.
    pub fn matches(&self, value: &[u8], captures: &mut Captures) -> bool {
        match self {
            Self::DetectSqli => detect_sqli::matches(value, captures),
            Self::DetectXss => detect_xss::matches(value, captures),
            Self::IpMatch(networks) => networks.matches(value, captures),
            Self::NoMatch => false,
            Self::Pm(phrases) => phrases.matches(value, captures),
            Self::UnconditionalMatch => true,
            Self::ValidateByteRange(allowed) => validate_byte_range::matches(*allowed, value, captures),
            Self::ValidateUrlEncoding => validate_url_encoding::matches(value, captures),
            Self::ValidateUtf8Encoding => validate_utf8_encoding::matches(value, captures),
            Self::Verify(verifier) => verifier.matches(value, captures),
        }
    }

    /// Bytes of which a value that matches has at least one; `None` when nothing is known. A promise that lets an engine
    /// skip values.
    pub fn triggers(&self) -> Option<ByteSet> {
        match self {
            Self::DetectSqli => Some(detect_sqli::TRIGGERS),
            Self::DetectXss => Some(detect_xss::TRIGGERS),
            Self::NoMatch => Some(ByteSet::EMPTY),
            Self::Pm(phrases) => phrases.triggers(),
            Self::ValidateByteRange(allowed) => Some(allowed.complement()),
            Self::ValidateUrlEncoding => Some(validate_url_encoding::TRIGGERS),
            Self::ValidateUtf8Encoding => Some(validate_utf8_encoding::TRIGGERS),
            Self::IpMatch(_) | Self::UnconditionalMatch | Self::Verify(_) => None,
        }
    }
}

impl About {
    fn is_called(&self, name: &str) -> bool {
        self.names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }

    /// A mistake in the operator's argument.
    fn problem(&self, why: impl Into<String>) -> Problem {
        Problem::argument(&format!("@{}", self.name()), why)
    }
}

/// The lines of the files that an argument names, without comments and empty lines.
fn lines_of_files(argument: &str, source: &mut Source<'_>) -> Result<Vec<Vec<u8>>, Problem> {
    let mut lines = Vec::new();
    for name in argument.split_ascii_whitespace() {
        let problem = |source| Problem::File { name: name.to_owned(), source };
        if name.starts_with("https://") || name.starts_with("http://") {
            let why = "this engine fetches nothing: load the list into a file and name that".to_owned();
            return Err(problem(LoadError::Unreadable(why)));
        }
        let bytes = source.read(name).map_err(problem)?;
        for line in bytes.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.trim_ascii_start().starts_with(b"#") && !line.is_empty() {
                lines.push(line.to_vec());
            }
        }
    }
    Ok(lines)
}
