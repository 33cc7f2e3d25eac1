//! `tag`

use super::{Action, Entry, needed};

pub(super) const ENTRY: Entry = Entry {
    name: "tag",
    what: "A word by which rules can be told apart, removed and changed together.",
    example: "id:1,tag:'attack-sqli'",
    parse: |argument| needed("tag", argument).map(|text| Action::Tag(text.to_owned())),
};
