//! `multiMatch`

use super::{Action, Entry, bare};

pub(super) const ENTRY: Entry = Entry {
    name: "multiMatch",
    what: "Tries the operator on the value before and after each transformation that changes it, instead of at the end only.",
    example: "id:1,t:lowercase,multiMatch",
    parse: |argument| bare("multiMatch", argument, Action::MultiMatch),
};
