//! `auditlog`

use super::{Action, Entry, bare};

pub(super) const ENTRY: Entry = Entry {
    name: "auditlog",
    what: "Says that a match belongs into the audit log.",
    example: "id:1,auditlog",
    parse: |argument| bare("auditlog", argument, Action::AuditLog(true)),
};
