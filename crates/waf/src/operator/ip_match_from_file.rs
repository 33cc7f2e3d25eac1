//! `@ipMatchFromFile` (`@ipMatchF`): the value is an address in one of the networks in a file.
//!
//! One address or network a line; empty lines and lines that begin with `#` are passed over. The argument may name
//! several files, set apart by spaces.

use super::ip_match::Networks;
use super::{About, Example, Operator, lines_of_files};
use crate::Problem;
use crate::load::Source;

pub(super) const ABOUT: About = About {
    names: &["ipMatchFromFile", "ipMatchF"],
    what: "the value is an address in one of the networks in the file",
    example: Example { argument: "networks.data", matches: Some(b"2001:db8::5"), passes: Some(b"192.0.2.1") },
};

pub(super) fn parse(argument: &str, source: &mut Source<'_>) -> Result<Operator, Problem> {
    let lines = lines_of_files(argument, source)?;
    let lines: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line)).collect();
    Networks::of(&ABOUT, lines.iter().map(AsRef::as_ref)).map(Operator::IpMatch)
}
