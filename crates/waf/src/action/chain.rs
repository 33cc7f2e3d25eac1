//! `chain`

use super::{Action, Entry, bare};

pub(super) const ENTRY: Entry = Entry {
    name: "chain",
    what: "Makes the next rule a part of this one: the whole matches when all its rules match.",
    example: "id:1,chain",
    parse: |argument| bare("chain", argument, Action::Chain),
};
