//! `log`

use super::{Action, Entry, bare};

pub(super) const ENTRY: Entry = Entry {
    name: "log",
    what: "Says that a match is logged.",
    example: "id:1,log",
    parse: |argument| bare("log", argument, Action::Log(true)),
};
