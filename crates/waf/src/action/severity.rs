//! `severity`

use super::{Action, Entry, needed};
use crate::error::Problem;

/// How bad it is when a rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// 0
    Emergency = 0,
    /// 1
    Alert = 1,
    /// 2
    Critical = 2,
    /// 3
    Error = 3,
    /// 4
    Warning = 4,
    /// 5
    Notice = 5,
    /// 6
    Info = 6,
    /// 7
    Debug = 7,
}

impl Severity {
    const NAMED: [(Self, &'static str); 8] = [
        (Self::Emergency, "EMERGENCY"),
        (Self::Alert, "ALERT"),
        (Self::Critical, "CRITICAL"),
        (Self::Error, "ERROR"),
        (Self::Warning, "WARNING"),
        (Self::Notice, "NOTICE"),
        (Self::Info, "INFO"),
        (Self::Debug, "DEBUG"),
    ];

    /// 0 is the worst.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// As rules write it.
    pub fn name(self) -> &'static str {
        Self::NAMED.iter().find(|(severity, _)| *severity == self).map_or("", |(_, name)| name)
    }
}

pub(super) const ENTRY: Entry = Entry {
    name: "severity",
    what: "How bad a match is: EMERGENCY, ALERT, CRITICAL, ERROR, WARNING, NOTICE, INFO, DEBUG, or its number from 0 to 7.",
    example: "id:1,severity:'CRITICAL'",
    parse: |argument| {
        let text = needed("severity", argument)?;
        let found = Severity::NAMED.iter().find(|(severity, name)| {
            name.eq_ignore_ascii_case(text) || text.parse() == Ok(severity.number())
        });
        match found {
            Some((severity, _)) => Ok(Action::Severity(*severity)),
            None => {
                Err(Problem::argument("severity", format!("`{text}` is not a severity, like CRITICAL or 2")))
            }
        }
    },
};
