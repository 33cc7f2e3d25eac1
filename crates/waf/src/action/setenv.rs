//! `setenv`

use super::{Action, Entry, needed};
use crate::lang::Template;

pub(super) const ENTRY: Entry = Entry {
    name: "setenv",
    what: "Sets a value of ENV for the rest of the transaction; the environment of the process stays as it is.",
    example: "id:1,setenv:'suspicious=%{TX.score}'",
    parse: |argument| {
        let text = needed("setenv", argument)?;
        let (name, value) = text.split_once('=').unwrap_or((text, "1"));
        Ok(Action::SetEnvironment { name: Template::parse(name)?, value: Template::parse(value)? })
    },
};
