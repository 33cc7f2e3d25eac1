//! `expirevar`

use super::{Action, Entry, needed};
use crate::error::Problem;

pub(super) const ENTRY: Entry = Entry {
    name: "expirevar",
    what: "Says how long a variable of a collection is kept. Nothing is kept here beyond one transaction, so it is read and does nothing.",
    example: "id:1,setvar:ip.seen=1,expirevar:ip.seen=300",
    parse: |argument| {
        let text = needed("expirevar", argument)?;
        match text.rsplit_once('=') {
            Some((name, seconds)) if name.contains('.') && !seconds.is_empty() => Ok(Action::ExpireVariable),
            _ => Err(Problem::argument("expirevar", format!("`{text}` is not `collection.name=seconds`"))),
        }
    },
};
