//! `redirect`

use super::{Action, Entry, needed};
use crate::lang::Template;

pub(super) const ENTRY: Entry = Entry {
    name: "redirect",
    what: "Answers with a redirection to this place; macros may stand in it.",
    example: "id:1,redirect:'https://example.com/sorry'",
    parse: |argument| Template::parse(needed("redirect", argument)?).map(Action::Redirect),
};
