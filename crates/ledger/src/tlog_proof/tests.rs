//! Proof files: written, read, checked, and refused.

use super::*;
use crate::key::{NoteKeyName, SignerKey};
use crate::tree::{Node, TreeHead};

/// The beginning of the example of c2sp.org/tlog-proof. Its signatures are cut short there, so its own end is not a note.
const EXAMPLE: &str = "c2sp.org/tlog-proof@v1\n\
    extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6kYXJ3aW4tYXJ\n\
    index 73894\n\
    gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\n\
    B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n\
    EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=\n\
    RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=\n\
    AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=\n\
    \n\
    example.com/fancylog\n\
    109482\n\
    sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=\n\
    \n";

fn key() -> SignerKey {
    SignerKey::from_seed(NoteKeyName::new("log.example").unwrap(), &[4; 32]).unwrap()
}

/// A proof of the second of three entries.
fn proof() -> TlogProof {
    let leaves = [b"a", b"b", b"c"].map(|entry| *LeafHash::of(entry).hash());
    let mut reader = |node: Node| -> Result<Hash, ()> {
        if node.level == 0 { Ok(leaves[node.index as usize]) } else { Ok(Hash::node(&leaves[0], &leaves[1])) }
    };
    let root = Hash::node(&Hash::node(&leaves[0], &leaves[1]), &leaves[2]);
    let note = Checkpoint::new("log.example", TreeHead { size: 3, root }).unwrap().sign(&key()).unwrap();
    TlogProof::new(InclusionProof::build(1, 3, &mut reader).unwrap(), note)
}

fn check(proof: &TlogProof, entry: &[u8]) -> Result<u64, TlogProofError> {
    let keys = [key().verifier().unwrap()];
    proof.check(&LeafHash::of(entry), "log.example", &keys).map(|checkpoint| checkpoint.head().size)
}

fn problem(text: &str) -> TlogProofError {
    TlogProof::parse(text.as_bytes()).unwrap_err()
}

#[test]
fn the_example_of_the_specification_is_read() {
    let note = format!("{EXAMPLE}— example.com/fancylog hI2DJwAA\n— witness1.example mJirIkAA\n");
    let proof = TlogProof::parse(note.as_bytes()).unwrap();
    assert_eq!((proof.inclusion().index, proof.inclusion().hashes.len()), (73_894, 5));
    assert!(proof.extra().starts_with(b"age-v1.2.1-darwin-arm64.tar.gz"));
    assert_eq!(proof.checkpoint().signatures().len(), 2);
    assert_eq!(proof.to_string(), note);
}

#[test]
fn a_proof_convinces_who_has_the_key() {
    let proof = proof();
    let read = TlogProof::parse(proof.to_string().as_bytes()).unwrap();
    assert_eq!(read, proof);
    assert_eq!(check(&read, b"b"), Ok(3));
    assert_eq!(check(&read, b"a"), Err(ProofError::Root.into()));

    let with_extra = proof.with_extra(b"context").unwrap();
    assert_eq!(TlogProof::parse(with_extra.to_string().as_bytes()), Ok(with_extra.clone()));
    assert_eq!((check(&with_extra, b"b"), with_extra.extra()), (Ok(3), &b"context"[..]));

    let leaf = LeafHash::of(b"b");
    let keys = [key().verifier().unwrap()];
    assert!(matches!(
        with_extra.check(&leaf, "other.example", &keys),
        Err(TlogProofError::Checkpoint(CheckpointError::OtherLog(_)))
    ));
    assert!(with_extra.check(&leaf, "log.example", &[]).is_err());
}

#[test]
fn what_is_not_a_proof_file_is_refused() {
    let text = proof().to_string();
    let hash = text.lines().nth(2).unwrap().to_owned();
    for (from, to, expected) in [
        ("@v1", "@v2", TlogProofError::Version),
        ("c2sp", "\nc2sp", TlogProofError::Version),
        ("index 1", "extra \nindex 1", TlogProofError::Extra),
        ("index 1", "extra AB==\nindex 1", TlogProofError::Extra),
        ("index 1", "extra AA==\nextra AA==\nindex 1", TlogProofError::Index),
        ("index 1", "index 01", TlogProofError::Index),
        ("index 1", "index +1", TlogProofError::Index),
        ("index 1", "index", TlogProofError::Index),
        ("index 1", "index 99999999999999999999", TlogProofError::Index),
        ("index 1\n", "", TlogProofError::Index),
        (hash.as_str(), "AAAA", TlogProofError::Hash(0)),
        (hash.as_str(), &hash[1..], TlogProofError::Hash(0)),
        ("\n\nlog", "\nlog", TlogProofError::Hash(2)),
        ("\n\nlog", "\n \nlog", TlogProofError::Hash(2)),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_eq!(problem(&changed), expected, "{changed}");
    }
    assert_eq!(problem(""), TlogProofError::Version);
    assert_eq!(problem("c2sp.org/tlog-proof@v1\nindex 1\n"), TlogProofError::Hash(0));
    assert_eq!(problem("c2sp.org/tlog-proof@v1\nindex 1\n\n"), NoteError::Unsigned.into());
    assert_eq!(problem(&text.replacen("log.example\n", "log.example\r\n", 1)), NoteError::Characters.into());
    let many = text.replacen(&hash, &vec![hash.clone(); 65].join("\n"), 1);
    assert_eq!(problem(&many), TlogProofError::TooLong);
    assert_eq!(problem(&"a".repeat(TLOG_PROOF_BYTES_MAX + 1)), TlogProofError::TooLong);
    assert_eq!(proof().with_extra(&vec![0; EXTRA_BYTES_MAX + 1]), Err(TlogProofError::TooLong));
    let cut = format!("{EXAMPLE}— example.com/fancylog hI2DJw[...]1roloI=\n");
    assert_eq!(problem(&cut), NoteError::SignatureLine(1).into());
}
