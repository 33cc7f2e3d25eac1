//! `@pmFromFile` (`@pmf`): one of the phrases in a file stands in the value, whatever the case of its letters.
//!
//! One phrase a line, with the spaces in and around it. Empty lines and lines that begin with `#` are passed over. The
//! argument may name several files, set apart by spaces.

use super::pm::Phrases;
use super::{About, Example, Operator, lines_of_files};
use crate::Problem;
use crate::load::Source;

pub(super) const ABOUT: About = About {
    names: &["pmFromFile", "pmf"],
    what: "one of the phrases in the file stands in the value, whatever the case of its letters",
    example: Example {
        argument: "scanners.data",
        matches: Some(b"sqlmap/1.0"),
        passes: Some(b"Mozilla/5.0"),
    },
};

pub(super) fn parse(argument: &str, source: &mut Source<'_>) -> Result<Operator, Problem> {
    Phrases::operator(&ABOUT, lines_of_files(argument, source)?)
}
