//! The wire form of the ledger's entries against its golden files, one for each kind and each optional part, sealed and
//! opened. A log cannot be mended: no file here ever changes. `UPDATE=1` writes those that are not there yet.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "in a test a panic is the failure report, and golden files are files"
)]

mod entries;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use portcullis_model::audit::{Entry, Kind, Part, Personal, SealedPersonal};
use serde::Serialize;
use serde::de::DeserializeOwned;

use entries::{opened, sealed};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/audit/golden").join(name)
}

/// Compares what is written with the golden file, and reads that again.
fn check<P>(name: &str, entry: &Entry<P>)
where
    P: Part + Serialize + DeserializeOwned + Default + PartialEq + std::fmt::Debug,
{
    let written = serde_json::to_string(entry).unwrap();
    let path = golden(name);
    if !path.exists() && std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("{written}\n")).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_else(|why| panic!("{name}: {why}"));
    assert_eq!(found, format!("{written}\n"), "{name}: the form of the ledger's entries is final");
    let again: Entry<P> = serde_json::from_str(&found).unwrap_or_else(|why| panic!("{name}: {why}"));
    assert_eq!(&again, entry, "{name}");
    assert_eq!(serde_json::to_string(&again).unwrap(), written, "{name}");
}

#[test]
fn every_kind_and_part_is_written_as_its_golden_file_and_read_again() {
    let (opened, sealed) = (opened(), sealed());
    opened.iter().for_each(|(name, entry)| check(&format!("{name}.opened.json"), entry));
    sealed.iter().for_each(|(name, entry)| check(&format!("{name}.sealed.json"), entry));
    let names = |suffix: &'static str| move |name: &String| format!("{name}.{suffix}.json");
    let expected: BTreeSet<_> = opened
        .iter()
        .map(|(name, _)| names("opened")(name))
        .chain(sealed.iter().map(|(name, _)| names("sealed")(name)))
        .collect();
    let there: BTreeSet<_> = fs::read_dir(golden(""))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(there, expected, "each golden file has its case");
    for kind in Kind::ALL {
        assert!(opened.iter().any(|(_, entry)| entry.kind == kind), "{kind:?}");
    }
}

/// Each mistake that a reader must not overlook, made in an entry that is good.
#[test]
fn unknown_fields_other_versions_and_fields_given_twice_are_refused() {
    let sealed = fs::read_to_string(golden("everything.sealed.json")).unwrap();
    let opened = fs::read_to_string(golden("everything.opened.json")).unwrap();
    let reads_sealed = |text: &str| serde_json::from_str::<Entry<SealedPersonal>>(text);
    let reads_opened = |text: &str| serde_json::from_str::<Entry<Personal>>(text);
    assert!(reads_sealed(&sealed).is_ok() && reads_opened(&opened).is_ok());
    for (from, to, says) in [
        (r#"{"v":1,"#, r#"{"v":2,"#, "version 2"),
        (r#"{"v":1,"#, r#"{"v":0,"#, "version 0"),
        (r#"{"v":1,"#, "{", "missing field `v`"),
        (r#"{"v":1,"#, r#"{"v":1,"v":1,"#, "duplicate field `v`"),
        (r#"{"v":1,"#, r#"{"v":1,"w":1,"#, "unknown field `w`"),
        (r#""told":"end""#, r#""told":"end","told":"end""#, "duplicate field `told`"),
        (r#""told":"end""#, r#""told":"end","teller":"me""#, "unknown field `teller`"),
        (r#""told":"end""#, r#""told":"later""#, "unknown variant `later`"),
        (r#""kind":"api_access""#, r#""kind":"other""#, "unknown variant `other`"),
        (r#""personal":""#, r#""personal":null,"personal":""#, "invalid type: null"),
        (r#""setting":""#, r#""place":1,"setting":""#, "unknown field `place`"),
        (r#""count":"#, r#""sum":1,"count":"#, "unknown field `sum`"),
        (r#""open_since":"#, r#""since":1,"open_since":"#, "unknown field `since`"),
        (r#""ended_by":"#, r#""by":1,"ended_by":"#, "unknown field `by`"),
    ] {
        assert!(sealed.contains(from), "{from}");
        let why = reads_sealed(&sealed.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(why.contains(says), "{to}: {why}");
    }
    for (from, to, says) in [
        (r#""principal":"#, r#""name":"x","principal":"#, "unknown field `name`"),
        (r#""principal":"#, r#""principal":"x","principal":"#, "duplicate field `principal`"),
        (r#""verdict":"#, r#""said":1,"verdict":"#, "unknown field `said`"),
        (r#""sha256":"#, r#""md5":"","sha256":"#, "unknown field `md5`"),
        // A sealed entry is not taken for an opened one.
        (&opened, &sealed, "invalid type: string"),
    ] {
        assert!(opened.contains(from), "{from}");
        let why = reads_opened(&opened.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(why.contains(says), "{to}: {why}");
    }
}
