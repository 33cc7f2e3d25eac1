//! `phase`

use super::{Action, Entry, needed};
use crate::error::Problem;

/// When a rule is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// 1: the head of the request is known.
    RequestHeaders = 1,
    /// 2: the body of the request is known.
    RequestBody = 2,
    /// 3: the head of the response is known.
    ResponseHeaders = 3,
    /// 4: the body of the response is known.
    ResponseBody = 4,
    /// 5: everything is over.
    Logging = 5,
}

impl Phase {
    /// All phases, in order.
    pub const ALL: [Self; 5] =
        [Self::RequestHeaders, Self::RequestBody, Self::ResponseHeaders, Self::ResponseBody, Self::Logging];

    /// Its number, from 1.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

pub(super) const ENTRY: Entry = Entry {
    name: "phase",
    what: "When the rule is evaluated: 1 request head, 2 (request) body, 3 response head, 4 (response) its body, 5 (logging) the end.",
    example: "id:1,phase:2",
    parse: |argument| {
        let text = needed("phase", argument)?;
        Ok(Action::Phase(match text.to_ascii_lowercase().as_str() {
            "1" => Phase::RequestHeaders,
            "2" | "request" => Phase::RequestBody,
            "3" => Phase::ResponseHeaders,
            "4" | "response" => Phase::ResponseBody,
            "5" | "logging" => Phase::Logging,
            _ => {
                let why = format!("`{text}` is not 1 to 5, `request`, `response` or `logging`");
                return Err(Problem::argument("phase", why));
            }
        }))
    },
};
