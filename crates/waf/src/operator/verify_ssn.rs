//! `@verifySSN`: the value has the number of a person in the social security of the United States.
//!
//! Area, group and serial, none of them zero; areas from 740 on and 666 were never given. Numbers with nine equal digits
//! or nine that count up are made up. Source: ModSecurity.

use super::identity::{digits, is_made_up};
use super::{About, Example};

pub(super) const ABOUT: About = About {
    names: &["verifySSN"],
    what: "the value has a number of the social security of the United States that can have been given",
    example: Example {
        argument: r"\d{3}-\d{2}-\d{4}",
        matches: Some(b"SSN 078-05-1120"),
        passes: Some(b"SSN 666-05-1120"),
    },
};

pub(super) fn is_valid(number: &[u8]) -> bool {
    let Some(all) = digits::<9>(number) else { return false };
    let [a, b, c, d, e, f, g, h, i] = all;
    let area = a * 100 + b * 10 + c;
    let (group, serial) = (d * 10 + e, f * 1000 + g * 100 + h * 10 + i);
    !is_made_up(&all) && group != 0 && serial != 0 && area != 666 && (1..740).contains(&area)
}
