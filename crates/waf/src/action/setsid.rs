//! `setsid`

use super::{Action, Entry, needed};
use crate::lang::Template;

pub(super) const ENTRY: Entry = Entry {
    name: "setsid",
    what: "Sets SESSIONID.",
    example: "id:1,setsid:%{REQUEST_COOKIES.PHPSESSID}",
    parse: |argument| Template::parse(needed("setsid", argument)?).map(Action::SetSession),
};
