//! `ver`

use super::{Action, Entry, needed};

pub(super) const ENTRY: Entry = Entry {
    name: "ver",
    what: "The version of the rule's collection. It is told in the log.",
    example: "id:1,ver:'MINE/1.0'",
    parse: |argument| needed("ver", argument).map(|text| Action::Version(text.to_owned())),
};
