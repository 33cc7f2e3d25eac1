//! `nolog`

use super::{Action, Entry, bare};

pub(super) const ENTRY: Entry = Entry {
    name: "nolog",
    what: "Says that a match is not logged: for rules that only count or prepare.",
    example: "id:1,nolog,pass",
    parse: |argument| bare("nolog", argument, Action::Log(false)),
};
