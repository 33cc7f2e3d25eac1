//! Parsers of outside bytes: none of them panics, and what one accepts is written again byte for byte.

use portcullis_ledger::{
    Bundle, Checkpoint, Hash, InclusionProof, NoteKeyName, NoteSignature, SignedNote, SignerKey, Tile,
    TlogProof, TreeHead, VerifierKey,
};
use proptest::prelude::*;

/// Reads `bytes` as everything that can be read.
fn try_all(bytes: &[u8]) {
    if let Ok(note) = SignedNote::parse(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
    }
    if let Ok(proof) = TlogProof::parse(bytes) {
        assert_eq!(proof.to_string().as_bytes(), bytes);
    }
    for width in [1, 2, 3, 256] {
        let bundle = Bundle::new(0, width).unwrap();
        if let Ok(entries) = bundle.parse(bytes) {
            let mut content = Vec::new();
            entries.iter().for_each(|entry| Bundle::append(&mut content, entry).unwrap());
            assert_eq!(content, bytes);
        }
        if let Ok(beginning) = bundle.narrow(bytes) {
            assert!(bundle.parse(beginning).is_ok() && bytes.starts_with(beginning));
        }
        if let Ok(hashes) = Tile::new(0, 0, width).unwrap().hashes(bytes) {
            assert_eq!(hashes.concat(), bytes);
        }
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let again = [
        text.parse::<Checkpoint>().map(|value| value.to_string()).ok(),
        text.parse::<VerifierKey>().map(|value| value.to_string()).ok(),
        text.parse::<Hash>().map(|value| value.to_string()).ok(),
        text.parse::<Tile>().map(|value| value.to_string()).ok(),
        text.parse::<Bundle>().map(|value| value.to_string()).ok(),
        NoteSignature::parse(text).map(|value| value.to_string()),
        NoteKeyName::new(text).map(|value| value.to_string()).ok(),
    ];
    for written in again.into_iter().flatten() {
        assert_eq!(written, text);
    }
}

/// Something of each kind that is accepted.
fn good() -> Vec<String> {
    let key = SignerKey::from_seed(NoteKeyName::new("log.example").unwrap(), &[1; 32]).unwrap();
    let head = TreeHead { size: 70_000, root: Hash::from([2; 32]) };
    let checkpoint = Checkpoint::new("log.example", head).unwrap().with_extension("ext").unwrap();
    let note = checkpoint.sign(&key).unwrap();
    let inclusion = InclusionProof { index: 5, hashes: vec![Hash::EMPTY, Hash::from([3; 32])] };
    let proof = TlogProof::new(inclusion, note.clone()).with_extra(b"extra").unwrap();
    vec![
        checkpoint.to_string(),
        note.signatures()[0].to_string(),
        note.to_string(),
        proof.to_string(),
        key.verifier().unwrap().to_string(),
        Hash::EMPTY.to_string(),
        "tile/1/x001/x234/067.p/8".to_owned(),
        "tile/entries/x001/x234/067".to_owned(),
        "\0\u{2}ab\0\0\0\u{1}c".to_owned(),
    ]
}

#[test]
fn what_is_good_is_read() {
    let good = good();
    let count = |is_read: &dyn Fn(&str) -> bool| good.iter().filter(|text| is_read(text)).count();
    assert_eq!(count(&|text| text.parse::<Checkpoint>().is_ok()), 1);
    // A proof file has the form of a note as well; its signatures are not for that text.
    assert_eq!(count(&|text| SignedNote::parse(text.as_bytes()).is_ok()), 2);
    assert_eq!(count(&|text| TlogProof::parse(text.as_bytes()).is_ok()), 1);
    assert_eq!(count(&|text| NoteSignature::parse(text).is_some()), 1);
    assert_eq!(count(&|text| text.parse::<VerifierKey>().is_ok()), 1);
    assert_eq!(count(&|text| text.parse::<Hash>().is_ok()), 1);
    assert_eq!(count(&|text| text.parse::<Tile>().is_ok()), 1);
    assert_eq!(count(&|text| text.parse::<Bundle>().is_ok()), 1);
    assert_eq!(count(&|text| Bundle::new(0, 3).unwrap().parse(text.as_bytes()).is_ok()), 1);
}

/// What is often confused with something else.
const PIECES: &[&str] = &[
    "\n",
    "\n\n",
    " ",
    "  ",
    "\t",
    "\r\n",
    "\0",
    "—",
    "— ",
    "-",
    "+",
    "=",
    "==",
    "0",
    "00",
    "9",
    "A",
    "_",
    "/",
    ".p/",
    "x",
    "extra ",
    "index ",
    "\u{a0}",
    "\u{85}",
    "é",
    "18446744073709551616",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        try_all(&bytes);
    }

    #[test]
    fn good_texts_with_changes(
        which in 0..9_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..5_u8, 0..PIECES.len(), any::<u8>()), 1..4),
    ) {
        let mut bytes = good()[which].clone().into_bytes();
        for (at, change, piece, byte) in changes {
            let at = at.index(bytes.len() + 1);
            match change {
                0 => drop(bytes.splice(at..at, PIECES[piece].bytes())),
                1 => bytes.truncate(at),
                2 => drop(bytes.splice(at..(at + 1).min(bytes.len()), [byte])),
                3 => drop(bytes.splice(at..(at + 1).min(bytes.len()), [])),
                _ => drop(bytes.splice(at..(at + 1).min(bytes.len()), PIECES[piece].bytes())),
            }
        }
        try_all(&bytes);
    }
}
