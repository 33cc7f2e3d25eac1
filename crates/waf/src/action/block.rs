//! `block`

use super::{Action, Entry, bare};

pub(super) const ENTRY: Entry = Entry {
    name: "block",
    what: "Does what SecDefaultAction says for the phase: pass, deny or another disruptive action.",
    example: "id:1,block",
    parse: |argument| bare("block", argument, Action::Block),
};
