//! `deny`

use super::{Action, Entry, bare};

pub(super) const ENTRY: Entry = Entry {
    name: "deny",
    what: "Refuses the request, with the status that `status` says, else 403.",
    example: "id:1,deny,status:403",
    parse: |argument| bare("deny", argument, Action::Deny),
};
