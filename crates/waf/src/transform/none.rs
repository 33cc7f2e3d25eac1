//! `t:none`: forgets the transformations that the rule would inherit from `SecDefaultAction`; by itself it changes nothing.
//!
//! The forgetting is done by whoever reads the rule. Source: ModSecurity's reference manual.

use std::borrow::Cow;

use super::About;
use crate::ByteSet;

pub(super) const ABOUT: About = About {
    names: &["none"],
    what: "forgets the transformations named before, and those of the default actions",
    example: (b"As It Is", b"As It Is"),
    triggers: Some(ByteSet::EMPTY),
    apply: |input| Cow::Borrowed(input),
};
