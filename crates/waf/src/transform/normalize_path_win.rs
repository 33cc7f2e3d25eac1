//! `t:normalizePathWin` (`normalisePathWin`): `C:\\a\\..\\boot.ini` becomes `C:/boot.ini`.
//!
//! As `normalizePath`, after each backslash has become a slash. Source: ModSecurity, which leaves some as they are where
//! several slashes of both kinds stand together.

use std::borrow::Cow;

use super::About;
use super::normalize_path::normalized;
use super::rewrite::settle;
use crate::ByteSet;

const TRIGGERS: ByteSet = ByteSet::of(b"/\\");

pub(super) const ABOUT: About = About {
    names: &["normalizePathWin", "normalisePathWin"],
    what: "turns backslashes into slashes and resolves `.`, `..` and repeated slashes in a path",
    example: (br"C:\a\..\boot.ini", b"C:/boot.ini"),
    triggers: Some(TRIGGERS),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    if !input.iter().any(|byte| TRIGGERS.contains(*byte)) {
        return Cow::Borrowed(input);
    }
    let slashed: Vec<u8> = input.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect();
    settle(input, normalized(&slashed))
}
