//! `drop`

use super::{Action, Entry, bare};

pub(super) const ENTRY: Entry = Entry {
    name: "drop",
    what: "Refuses the request and asks that its connection be closed.",
    example: "id:1,drop",
    parse: |argument| bare("drop", argument, Action::Drop),
};
