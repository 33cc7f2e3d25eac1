//! `t`

use super::{Action, Entry, needed};
use crate::error::Problem;
use crate::transform::Transformation;

pub(super) const ENTRY: Entry = Entry {
    name: "t",
    what: "Transforms values before the operator sees them; `t:none` forgets what was said so far.",
    example: "id:1,t:none,t:urlDecodeUni,t:lowercase",
    parse: |argument| {
        let text = needed("t", argument)?;
        if text.eq_ignore_ascii_case("none") {
            return Ok(Action::ForgetTransformations);
        }
        Transformation::named(text)
            .map(Action::Transform)
            .ok_or_else(|| Problem::unknown("transformation", text))
    },
};
