//! `maturity`

use super::{Action, Entry, number};

pub(super) const ENTRY: Entry = Entry {
    name: "maturity",
    what: "Says how well tried the rule is, from 1 to 9. It is told in the log.",
    example: "id:1,maturity:8",
    parse: |argument| number("maturity", argument, 0, 9).map(Action::Maturity),
};
