//! `id`

use super::{Action, Entry, number};

pub(super) const ENTRY: Entry = Entry {
    name: "id",
    what: "Names the rule. Every rule and SecAction has its own number.",
    example: "id:1",
    parse: |argument| number("id", argument, 1, u64::MAX).map(Action::Id),
};
