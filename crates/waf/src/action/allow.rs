//! `allow`

use super::{Action, Entry, Scope};
use crate::error::Problem;

pub(super) const ENTRY: Entry = Entry {
    name: "allow",
    what: "Ends the phase; alone it ends all phases but the last, `allow:request` those of the request.",
    example: "id:1,allow:phase",
    parse: |argument| {
        Ok(Action::Allow(match argument.map(str::to_ascii_lowercase).as_deref() {
            None => Scope::Transaction,
            Some("phase") => Scope::Phase,
            Some("request") => Scope::Request,
            Some(other) => {
                return Err(Problem::argument("allow", format!("`{other}` is not `phase` or `request`")));
            }
        }))
    },
};
