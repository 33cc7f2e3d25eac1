//! Signed notes: the specification's examples, and what is refused.

use super::*;

/// The example of c2sp.org/signed-note, "Verifier keys", and its key.
const NOTE: &str = "This is an example message.\n\n\
    — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
const KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

/// The signature line of another note, of a key that nobody here knows.
const UNKNOWN: &str = "— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";

fn keys() -> [VerifierKey; 1] {
    [KEY.parse().unwrap()]
}

fn own_key(name: &str) -> SignerKey {
    SignerKey::from_seed(NoteKeyName::new(name).unwrap(), &[9; 32]).unwrap()
}

fn problem(note: &str) -> NoteError {
    SignedNote::parse(note.as_bytes()).unwrap_err()
}

#[test]
fn the_example_of_the_specification_verifies() {
    let note = SignedNote::parse(NOTE.as_bytes()).unwrap();
    assert_eq!(note.verify(&keys()), Ok("This is an example message.\n"));
    assert_eq!(note.to_string(), NOTE);
}

#[test]
fn unknown_signatures_are_carried_along_and_prove_nothing() {
    let note = SignedNote::parse(format!("{NOTE}{UNKNOWN}").as_bytes()).unwrap();
    assert_eq!((note.verify(&keys()).is_ok(), note.signatures().len()), (true, 2));
    let alone = NOTE.split_once("— ").unwrap().0;
    let note = SignedNote::parse(format!("{alone}{UNKNOWN}").as_bytes()).unwrap();
    assert_eq!(note.verify(&keys()), Err(NoteError::UnknownKeys));
    assert_eq!(note.verify(&[]), Err(NoteError::UnknownKeys));
}

#[test]
fn a_key_is_known_by_name_and_identifier_together() {
    for (from, to) in [("example.com/foo", "example.com/bar"), ("Uw2QOk", "Uw2QOl")] {
        let note = SignedNote::parse(NOTE.replace(from, to).as_bytes()).unwrap();
        let expected = if to.starts_with("Uw") {
            // The identifier is the same; a bit of the signature is another.
            NoteError::BadSignature { name: NoteKeyName::new("example.com/foo").unwrap() }
        } else {
            NoteError::UnknownKeys
        };
        assert_eq!(note.verify(&keys()), Err(expected));
    }
    let other_id = SignedNote::parse(NOTE.replace("Uw2QO", "Uw2QA").as_bytes()).unwrap();
    assert_eq!(other_id.verify(&keys()), Err(NoteError::UnknownKeys));
}

#[test]
fn a_bad_signature_of_a_known_key_spoils_the_note_even_beside_a_good_one() {
    let line = NOTE.split("\n\n").nth(1).unwrap();
    let bad = line.replace("yaQM=", "yaQI=");
    let twice = SignedNote::parse(format!("{NOTE}{line}").as_bytes()).unwrap();
    assert!(twice.verify(&keys()).is_ok());
    let name = NoteKeyName::new("example.com/foo").unwrap();
    for note in
        [format!("{NOTE}{bad}"), NOTE.replace(line, &format!("{bad}{line}")), NOTE.replace("This", "Thus")]
    {
        let note = SignedNote::parse(note.as_bytes()).unwrap();
        assert_eq!(note.verify(&keys()), Err(NoteError::BadSignature { name: name.clone() }));
    }
    // A signature of a known key that is no signature at all.
    let short = format!(
        "This is an example message.\n\n— example.com/foo {}\n",
        STANDARD.encode([0x53, 0x0d, 0x90, 0x3a, 1])
    );
    assert!(matches!(
        SignedNote::parse(short.as_bytes()).unwrap().verify(&keys()),
        Err(NoteError::BadSignature { .. })
    ));
}

#[test]
fn the_last_blank_line_separates() {
    let key = own_key("a");
    for text in ["\n", "a\n", "a\n\nb\n", "a\n\n", "\n\n\n", "— a AAAAAAA=\n", "a\n\n— a AAAAAAA=\n"] {
        let note = SignedNote::sign(text.to_owned(), &key).unwrap();
        let read = SignedNote::parse(note.to_string().as_bytes()).unwrap();
        assert_eq!(read.verify(&[key.verifier().unwrap()]), Ok(text), "{text:?}");
    }
    assert_eq!(SignedNote::sign("a".to_owned(), &key), Err(NoteError::Text));
    assert_eq!(SignedNote::sign(String::new(), &key), Err(NoteError::Text));
    assert_eq!(SignedNote::sign("a\r\n".to_owned(), &key), Err(NoteError::Characters));
}

#[test]
fn what_is_not_a_note_is_refused() {
    for note in ["", "\n", "\n\n", "a\n", "a\n\n", "a\n— b AAAAAAA=\n", "a\n\n— b AAAAAAA="] {
        assert_eq!(problem(note), NoteError::Unsigned, "{note:?}");
    }
    for line in [
        "",
        "b",
        "- b AAAAAAA=",
        "—b AAAAAAA=",
        "—  b AAAAAAA=",
        "— b  AAAAAAA=",
        "— b AAAAAAA= ",
        "— b AAAAAAA",
        "— b AAAAAAB=",
        "— b AAAAAA==",
        "— b AAAA",
        "— b ",
        "— b",
        "— +b AAAAAAA=",
        "— b\u{a0}c AAAAAAA=",
        "— b AAAA-AA=",
    ] {
        let found = problem(&format!("a\n\n— b AAAAAAA=\n{line}\n"));
        // An empty line is the last blank one, with nothing behind it.
        let expected = if line.is_empty() { NoteError::Unsigned } else { NoteError::SignatureLine(2) };
        assert_eq!(found, expected, "{line:?}");
    }
    assert_eq!(problem("a\tb\n\n— b AAAAAAA=\n"), NoteError::Characters);
    assert_eq!(problem("a\n\n— b AAAAAAA=\r\n"), NoteError::Characters);
    assert_eq!(SignedNote::parse(b"a\xff\n\n"), Err(NoteError::Characters));
    let note = |signatures: usize| format!("a\n\n{}", "— b AAAAAAA=\n".repeat(signatures));
    assert!(SignedNote::parse(note(SIGNATURES_MAX).as_bytes()).is_ok());
    assert_eq!(problem(&note(SIGNATURES_MAX + 1)), NoteError::TooManySignatures);
    assert_eq!(problem(&"a".repeat(NOTE_BYTES_MAX + 1)), NoteError::TooLong);
}

#[test]
fn witnesses_put_their_signatures_behind_the_logs() {
    let note = SignedNote::sign("a\n".to_owned(), &own_key("log")).unwrap();
    let witness = NoteSignature::parse(UNKNOWN.trim_end()).unwrap();
    let both = note.clone().with_signature(witness.clone()).unwrap();
    assert_eq!(both.to_string(), format!("{note}{UNKNOWN}"));
    let full =
        (0..SIGNATURES_MAX - 1).try_fold(note, |note, _| note.with_signature(witness.clone())).unwrap();
    assert_eq!(full.with_signature(witness), Err(NoteError::TooManySignatures));
    let long = NoteSignature::new(
        NoteKeyName::new("w").unwrap(),
        NoteKeyId::from_bytes([0; 4]),
        vec![1; NOTE_BYTES_MAX],
    );
    assert_eq!(both.with_signature(long), Err(NoteError::TooLong));
}
