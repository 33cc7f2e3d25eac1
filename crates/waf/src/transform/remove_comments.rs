//! `t:removeComments`: `un/* x */ion -- y` becomes `union `.
//!
//! Comments of C and of HTML go, each closed by whichever end comes first; one that is not closed becomes a space. From
//! `--` or `#` on all goes. The byte right after a comment is kept unseen, so that a comment or `#` that begins there is
//! none. All this is ModSecurity's, except that it reads one byte beyond a value that ends with a comment.

use std::borrow::Cow;

use super::About;
use super::rewrite::rewrite;
use crate::ByteSet;

const TRIGGERS: ByteSet = ByteSet::of(b"/<-#");

pub(super) const ABOUT: About = About {
    names: &["removeComments"],
    what: "removes `/* … */` and `<!-- … -->`, and all from `--` or `#` on",
    example: (b"un/* x */ion -- y", b"union "),
    triggers: Some(TRIGGERS),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    rewrite(input, TRIGGERS, |rest, output| match rest {
        [b'/', b'*', inside @ ..] | [b'<', b'!', b'-', b'-', inside @ ..] => match after_comment(inside) {
            Some(after) => {
                output.extend(after.first());
                after.get(1..).unwrap_or_default()
            }
            None => {
                output.push(b' ');
                &[]
            }
        },
        [b'-', b'-', ..] | [b'#', ..] => &[],
        [other, after @ ..] => {
            output.push(*other);
            after
        }
        [] => rest,
    })
}

fn after_comment(inside: &[u8]) -> Option<&[u8]> {
    (0..inside.len()).find_map(|at| match inside.get(at..) {
        Some([b'*', b'/', after @ ..] | [b'-', b'-', b'>', after @ ..]) => Some(after),
        _ => None,
    })
}
