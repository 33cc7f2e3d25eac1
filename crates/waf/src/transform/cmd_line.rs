//! `t:cmdLine`: `C^md, /c  "D\\ir"` becomes `cmd/c dir`.
//!
//! What shells pass over goes (`\\`, `"`, `'`, `^`); runs of spaces, tabs, line ends, `,` and `;` become one space; a space
//! before `/` or `(` goes; letters become small. Source: ModSecurity, after a proposal of Marc Stern.

use std::borrow::Cow;

use super::About;
use super::rewrite::settle;
use crate::ByteSet;

const TRIGGERS: ByteSet = ByteSet::of(b"\"'\\^ ,;\t\r\n").union(ByteSet::range(b'A', b'Z'));

pub(super) const ABOUT: About = About {
    names: &["cmdLine"],
    what: "undoes what hides a shell command: quotes, carets, odd spaces, capital letters",
    example: (br#"C^md, /c  "D\ir""#, b"cmd/c dir"),
    triggers: Some(TRIGGERS),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    let mut output = Vec::with_capacity(input.len());
    let mut is_after_space = false;
    for byte in input {
        match byte {
            b'"' | b'\'' | b'\\' | b'^' => {}
            b' ' | b',' | b';' | b'\t' | b'\r' | b'\n' => {
                if !is_after_space {
                    output.push(b' ');
                }
                is_after_space = true;
            }
            b'/' | b'(' => {
                if is_after_space {
                    output.pop();
                }
                output.push(*byte);
                is_after_space = false;
            }
            other => {
                output.push(other.to_ascii_lowercase());
                is_after_space = false;
            }
        }
    }
    settle(input, output)
}
