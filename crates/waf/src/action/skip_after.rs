//! `skipAfter`

use super::{Action, Entry, needed};

pub(super) const ENTRY: Entry = Entry {
    name: "skipAfter",
    what: "Skips the rules of the phase up to a SecMarker.",
    example: "id:1,pass,skipAfter:END-OF-MINE",
    parse: |argument| needed("skipAfter", argument).map(|text| Action::SkipAfter(text.to_owned())),
};
