//! `rev`

use super::{Action, Entry, needed};

pub(super) const ENTRY: Entry = Entry {
    name: "rev",
    what: "The revision of the rule. It is told in the log.",
    example: "id:1,rev:2",
    parse: |argument| needed("rev", argument).map(|text| Action::Revision(text.to_owned())),
};
