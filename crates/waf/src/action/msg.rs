//! `msg`

use super::{Action, Entry, needed};
use crate::lang::Template;

pub(super) const ENTRY: Entry = Entry {
    name: "msg",
    what: "The message of the rule, in which macros may stand.",
    example: "id:1,msg:'Found %{MATCHED_VAR_NAME}'",
    parse: |argument| Template::parse(needed("msg", argument)?).map(Action::Message),
};
