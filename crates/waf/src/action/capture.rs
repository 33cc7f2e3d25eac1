//! `capture`

use super::{Action, Entry, bare};

pub(super) const ENTRY: Entry = Entry {
    name: "capture",
    what: "Puts what the operator found into TX:0, and its pattern's groups into TX:1 to TX:9.",
    example: "id:1,capture",
    parse: |argument| bare("capture", argument, Action::Capture),
};
