//! What came out of a transaction: which rules matched where, and what is to be done.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::engine::program::About;

/// Whether the request or response may go on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// No rule objects, or none may.
    Pass,
    /// A rule refuses it.
    Refuse(Refusal),
}

/// How a rule wants the client to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The rule; 0 when it is not a rule but a limit.
    pub rule: u64,
    /// The status of the answer.
    pub status: u16,
    /// Where the client is led instead.
    pub redirect: Option<Vec<u8>>,
    /// Whether the connection is to be closed.
    pub drops: bool,
    /// Why, in a few words, for the operator.
    pub reason: String,
}

/// A rule that matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// What the rule says of itself.
    pub about: Arc<About>,
    /// Its message, with macros replaced.
    pub message: Vec<u8>,
    /// Its `logdata`, with macros replaced.
    pub data: Vec<u8>,
    /// The values that matched, in the order of the chain.
    pub parts: Vec<MatchedPart>,
    /// The status with which it refused; `None` when it did not.
    pub refused: Option<u16>,
    /// Whether rules want the request in an audit log.
    pub is_audited: bool,
}

/// One value of a match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchedPart {
    /// The line of the rule; in a chain, not the first one's for all parts.
    pub line: u32,
    /// The variable, with the name of the part: `ARGS:comment`.
    pub variable: Vec<u8>,
    /// What was done to the value before it was looked at, in order.
    pub transformations: Vec<&'static str>,
    /// The operator, as the rule writes it: `@rx`, `!@within`.
    pub operator: String,
    /// The operator's argument, as the rule writes it.
    pub argument: String,
    /// The value as the operator saw it, its beginning if it is long.
    pub value: Vec<u8>,
    /// What the operator found in it, where it tells.
    pub found: Option<Vec<u8>>,
}

/// What a line of the log tells besides the match.
#[derive(Debug, Clone, Copy)]
pub struct LogContext<'a> {
    /// The client's address.
    pub client: &'a str,
    /// The host that the request names.
    pub host: &'a [u8],
    /// The path.
    pub uri: &'a [u8],
    /// The name of the transaction.
    pub unique_id: &'a str,
}

/// How much of `data` and the like a line tells, as ModSecurity cuts it.
const LOGGED_BYTES_MAX: usize = 200;

impl Match {
    /// The match as ModSecurity writes it into the error log of a web server.
    pub fn log_line(&self, context: &LogContext<'_>) -> String {
        let about = &self.about;
        let mut line = format!("[client {}] ModSecurity: ", context.client);
        match self.refused {
            Some(status) => {
                let _ = write!(line, "Access denied with code {status} (phase {}). ", about.phase.number());
            }
            None => line.push_str("Warning. "),
        }
        if let Some(part) = self.parts.last() {
            let operator = part.operator.trim_start_matches(['!', '@']);
            let _ = write!(line, "Matched \"Operator `{operator}' with parameter `{}' ", part.argument);
            let _ = write!(line, "against variable `{}' ", escaped(&part.variable));
            let _ = write!(line, "(Value: `{}' )", escaped(beginning(&part.value)));
        }
        let mut field = |name: &str, value: &str| {
            let _ = write!(line, " [{name} \"{value}\"]");
        };
        field("file", &about.place.file);
        field("line", &about.place.line.to_string());
        field("id", &about.id.to_string());
        field("rev", &about.revision);
        field("msg", &escaped(&self.message));
        field("data", &escaped(beginning(&self.data)));
        field("severity", &about.severity.map(|severity| severity.number().to_string()).unwrap_or_default());
        field("ver", &about.version);
        field("maturity", &about.maturity.to_string());
        field("accuracy", &about.accuracy.to_string());
        about.tags.iter().for_each(|tag| field("tag", tag));
        field("hostname", &escaped(context.host));
        field("uri", &escaped(beginning(context.uri)));
        field("unique_id", context.unique_id);
        line
    }
}

fn beginning(text: &[u8]) -> &[u8] {
    text.get(..LOGGED_BYTES_MAX).unwrap_or(text)
}

/// Nothing that a client sends can begin a line of its own or end a field.
fn escaped(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(*byte));
            }
            b' '..=b'~' => out.push(char::from(*byte)),
            other => {
                let _ = write!(out, "\\x{other:02x}");
            }
        }
    }
    out
}
