//! `logdata`

use super::{Action, Entry, needed};
use crate::lang::Template;

pub(super) const ENTRY: Entry = Entry {
    name: "logdata",
    what: "What a match tells besides the message; macros may stand in it.",
    example: "id:1,logdata:'Matched Data: %{TX.0}'",
    parse: |argument| Template::parse(needed("logdata", argument)?).map(Action::LogData),
};
