//! The ten guide patterns (RQ-02) over decoded names and values: what makes a request suspicious.
//!
//! It only says what it saw; counting and banning are [`crate::suspicion`] and [`crate::ban`]. Names and
//! values are decoded and matched apart, so a field `month=` can never look like an event handler. These
//! patterns are a tripwire for crude attacks and no proof of innocence: the upstream must still bind its
//! parameters and escape its output.
//!
//! Read next: `patterns/forms.rs` for the expressions themselves, `patterns/decode.rs` for what is decoded.

mod decode;
mod forms;

use std::fmt;

use regex::{Regex, RegexSet};

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pattern {
    /// SQL: a second query glued to the first.
    UnionSelect,
    /// SQL: a table thrown away.
    DropTable,
    /// SQL: rows thrown away.
    DeleteFrom,
    /// HTML: an opening script tag.
    ScriptTag,
    /// HTML: a link or source that runs a script.
    JavascriptUrl,
    /// HTML: an attribute such as `onclick=`.
    EventHandler,
    /// A path that climbs with `../`.
    ParentSlash,
    /// A path that climbs with `..\`.
    ParentBackslash,
    /// Code: `eval(`.
    EvalCall,
    /// Code: `exec(`.
    ExecCall,
}

impl Pattern {
    /// Every pattern. When a value shows several, the first in this order is reported.
    pub const ALL: [Pattern; 10] = [
        Pattern::UnionSelect,
        Pattern::DropTable,
        Pattern::DeleteFrom,
        Pattern::ScriptTag,
        Pattern::JavascriptUrl,
        Pattern::EventHandler,
        Pattern::ParentSlash,
        Pattern::ParentBackslash,
        Pattern::EvalCall,
        Pattern::ExecCall,
    ];

    /// The name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Pattern::UnionSelect => "union_select",
            Pattern::DropTable => "drop_table",
            Pattern::DeleteFrom => "delete_from",
            Pattern::ScriptTag => "script_tag",
            Pattern::JavascriptUrl => "javascript_url",
            Pattern::EventHandler => "event_handler",
            Pattern::ParentSlash => "parent_slash",
            Pattern::ParentBackslash => "parent_backslash",
            Pattern::EvalCall => "eval_call",
            Pattern::ExecCall => "exec_call",
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a name or its value is suspicious.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// The name of a field.
    Name,
    /// The value of a field.
    Value,
}

impl Place {
    /// The name in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Place::Name => "name",
            Place::Value => "value",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A suspicious field of a query or form. Holds nothing of the value, which may be someone's secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// What was seen.
    pub pattern: Pattern,
    /// Where it was seen.
    pub place: Place,
    /// The field's decoded name, cut to [`HIT_NAME_CHARACTERS_MAX`] characters; control and unseen ones are replaced.
    pub name: Box<str>,
}

/// Characters of a field's name that a [`Hit`] keeps: enough to find the field, too few to fill a log with.
pub const HIT_NAME_CHARACTERS_MAX: usize = 64;

/// The compiled patterns. Compile them once and share them; every scan takes time linear in its input.
#[derive(Debug)]
pub struct Patterns {
    /// The words that each pattern cannot do without, all looked for in one pass.
    words: RegexSet,
    /// The patterns, in the order of [`Pattern::ALL`]. Not one set: an attacker can write text that drives
    /// the automaton of all ten together, but none of the ten alone, into a mode of a fiftieth of the speed.
    expressions: Vec<Regex>,
}

impl Patterns {
    /// Compiles the patterns. They are fixed, so an error is a bug and shows in the first test.
    pub fn new() -> Result<Self, regex::Error> {
        let expressions = Pattern::ALL.into_iter().map(|pattern| Regex::new(forms::expression(pattern)));
        Ok(Self {
            words: RegexSet::new(Pattern::ALL.map(forms::words))?,
            expressions: expressions.collect::<Result<_, _>>()?,
        })
    }

    /// Looks at one value that is already decoded: as it stands, once more percent-decoded where `%XX`
    /// remains (an attacker counts on an application that decodes twice), with `%uXXXX` and fullwidth letters
    /// as the ASCII that lenient readers make of them, and each of these with SQL comments as blanks. A clean
    /// value without any of that costs one pass.
    pub fn scan(&self, value: &str) -> Option<Pattern> {
        if is_plain(value) {
            return None;
        }
        if let Some(pattern) = self.scan_uncommented(value) {
            return Some(pattern);
        }
        let decoded = decode::percent_again(value);
        let again = || self.scan_uncommented(decoded.as_deref()?);
        let fitted = || self.scan_uncommented(&decode::best_fit(decoded.as_deref().unwrap_or(value))?);
        again().or_else(fitted)
    }

    /// [`Patterns::scan`] for bytes; overlong ASCII reads as ASCII, each other part that is not UTF-8 as U+FFFD.
    pub fn scan_bytes(&self, value: &[u8]) -> Option<Pattern> {
        self.scan(&decode::text(value))
    }

    /// Looks at every name and value of a raw query, the part after `?`, in their order.
    pub fn scan_query(&self, raw: &str) -> Option<Hit> {
        self.scan_form(raw.as_bytes())
    }

    /// Looks at every name and value of a raw `application/x-www-form-urlencoded` body, in their order: split
    /// at `&` and at the first `=`, then `+` is a blank and `%XX` a byte, name and value each for itself.
    pub fn scan_form(&self, raw: &[u8]) -> Option<Hit> {
        raw.split(|byte| *byte == b'&')
            .filter(|field| !field.is_empty())
            .find_map(|field| self.scan_field(field))
    }

    /// Looks at a raw path, percent-decoded; `+` is itself there (RFC 3986 §3.3).
    pub fn scan_path(&self, raw: &str) -> Option<Pattern> {
        self.scan(&decode::percent(raw.as_bytes()))
    }

    fn scan_field(&self, field: &[u8]) -> Option<Hit> {
        let mut halves = field.splitn(2, |byte| *byte == b'=');
        let name = decode::form(halves.next().unwrap_or_default());
        let hit = |place| move |pattern| (pattern, place);
        let (pattern, place) = self.scan(&name).map(hit(Place::Name)).or_else(|| {
            let value = decode::form(halves.next()?);
            self.scan(&value).map(hit(Place::Value))
        })?;
        Some(Hit { pattern, place, name: for_log(&name) })
    }

    /// Looks at a value as it stands and with SQL comments as blanks.
    fn scan_uncommented(&self, value: &str) -> Option<Pattern> {
        self.first(value).or_else(|| self.first(&decode::comments_as_blanks(value)?))
    }

    /// The first pattern, in the order of [`Pattern::ALL`], that the text shows.
    fn first(&self, text: &str) -> Option<Pattern> {
        // Asking whether any word is there is cheaper than asking which, and the answer is nearly always no.
        if !self.words.is_match(text) {
            return None;
        }
        let shows =
            |index: &usize| self.expressions.get(*index).is_some_and(|expression| expression.is_match(text));
        let index = self.words.matches(text).iter().find(shows)?;
        Pattern::ALL.get(index).copied()
    }
}

/// Whether no pattern can be in a text, because each needs a blank, a bracket, a colon, an equals sign or two dots in a
/// row, or something that stands for them. Most paths, names and numbers need no closer look.
fn is_plain(value: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'/' | b'.');
    value.bytes().all(plain) && !value.contains("..")
}

/// A name as a log line may hold it: short, and unable to fake another line or to steer a terminal.
fn for_log(name: &str) -> Box<str> {
    let safe = |c: char| if c.is_control() || is_unseen(c) { char::REPLACEMENT_CHARACTER } else { c };
    name.chars().take(HIT_NAME_CHARACTERS_MAX).map(safe).collect::<String>().into()
}

/// Characters that show nothing and change how the rest is shown: with U+202E an attacker has whoever reads the log
/// see a line backwards, and U+2028 ends a line for some viewers.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests;
