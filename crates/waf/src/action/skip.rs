//! `skip`

use super::{Action, Entry, number};

pub(super) const ENTRY: Entry = Entry {
    name: "skip",
    what: "Skips this many of the following rules of the phase; a chain is one of them.",
    example: "id:1,skip:2",
    parse: |argument| number("skip", argument, 1, 10_000).map(Action::Skip),
};
