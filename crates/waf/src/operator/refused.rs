//! Operators of ModSecurity that this engine does not carry out, and what to do instead.

use crate::Problem;

/// Why `name` is refused, when it is an operator that we know of.
pub(super) fn problem(name: &str) -> Option<Problem> {
    let (name, why) = REFUSED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some(Problem::argument(&format!("@{name}"), *why))
}

const REFUSED: &[(&str, &str)] = &[
    ("fuzzyHash", "this engine has no ssdeep: compare digests with `t:sha1,t:hexEncode` and @pmFromFile"),
    ("geoLookup", "the place of an address is not the rule engine's to find: use the gate's own geofence"),
    ("gsbLookup", "the service that it asked was shut down: remove the rule"),
    ("inspectFile", "this engine starts no programs: scan uploads in the application"),
    ("rbl", "this engine asks no name server: load the list into a file and use @ipMatchFromFile"),
    ("rsub", "this engine changes no body: mask answers by the gate's own rules"),
    (
        "validateDTD",
        "documents with a DTD are never loaded: the XML processor takes text and attributes alone",
    ),
    ("validateHash", "this engine signs no links: remove the rule and SecHashEngine"),
    ("validateSchema", "this engine knows no XML Schema: check bodies by the gate's own JSON Schema"),
];
