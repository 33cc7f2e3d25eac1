//! `pass`

use super::{Action, Entry, bare};

pub(super) const ENTRY: Entry = Entry {
    name: "pass",
    what: "Goes on with the next rule.",
    example: "id:1,pass",
    parse: |argument| bare("pass", argument, Action::Pass),
};
