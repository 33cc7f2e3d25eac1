//! `status`

use super::{Action, Entry, number};

pub(super) const ENTRY: Entry = Entry {
    name: "status",
    what: "The status with which `deny` or `redirect` answers.",
    example: "id:1,deny,status:404",
    parse: |argument| number("status", argument, 100, 599).map(Action::Status),
};
