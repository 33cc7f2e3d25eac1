//! `setuid`

use super::{Action, Entry, needed};
use crate::lang::Template;

pub(super) const ENTRY: Entry = Entry {
    name: "setuid",
    what: "Sets USERID.",
    example: "id:1,setuid:%{ARGS.user}",
    parse: |argument| Template::parse(needed("setuid", argument)?).map(Action::SetUser),
};
