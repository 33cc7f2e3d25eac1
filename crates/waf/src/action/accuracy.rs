//! `accuracy`

use super::{Action, Entry, number};

pub(super) const ENTRY: Entry = Entry {
    name: "accuracy",
    what: "Says how seldom the rule is wrong, from 1 to 9. It is told in the log.",
    example: "id:1,accuracy:8",
    parse: |argument| number("accuracy", argument, 0, 9).map(Action::Accuracy),
};
