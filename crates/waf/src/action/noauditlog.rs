//! `noauditlog`

use super::{Action, Entry, bare};

pub(super) const ENTRY: Entry = Entry {
    name: "noauditlog",
    what: "Says that a match does not belong into the audit log.",
    example: "id:1,noauditlog",
    parse: |argument| bare("noauditlog", argument, Action::AuditLog(false)),
};
