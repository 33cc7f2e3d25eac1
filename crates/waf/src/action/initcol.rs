//! `initcol`

use super::{Action, Entry, needed};
use crate::error::Problem;
use crate::lang::Template;

pub(super) const ENTRY: Entry = Entry {
    name: "initcol",
    what: "Opens a collection of an address, a session or all requests. Nothing is kept here beyond one transaction: count clients with the limits of the gate.",
    example: "id:1,initcol:ip=%{REMOTE_ADDR}",
    parse: |argument| {
        let text = needed("initcol", argument)?;
        let (collection, key) =
            text.split_once('=').ok_or_else(|| Problem::argument("initcol", "write `collection=key`"))?;
        if !["ip", "global", "session", "user", "resource"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(collection))
        {
            return Err(Problem::unknown("collection", collection));
        }
        Template::parse(key).map(|_| Action::InitCollection)
    },
};
