//! Checkpoints: the examples of the specifications, and what is refused.

use super::*;
use crate::key::NoteKeyName;

/// The example of c2sp.org/tlog-cosignature; c2sp.org/tlog-checkpoint has it without the witness's line.
const COSIGNED: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";

const ROOT: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";

fn key(name: &str) -> SignerKey {
    SignerKey::from_seed(NoteKeyName::new(name).unwrap(), &[3; 32]).unwrap()
}

fn problem(text: &str) -> CheckpointError {
    text.parse::<Checkpoint>().unwrap_err()
}

#[test]
fn the_examples_of_the_specifications_are_read() {
    let note = SignedNote::parse(COSIGNED.as_bytes()).unwrap();
    assert_eq!(note.to_string(), COSIGNED);
    let checkpoint: Checkpoint = note.text_unverified().parse().unwrap();
    assert_eq!((checkpoint.origin(), checkpoint.head().size), ("example.com/behind-the-sofa", 20_852_163));
    assert_eq!(checkpoint.head().root.to_string(), ROOT);
    assert_eq!(checkpoint.to_string(), note.text_unverified());
    let ids: Vec<_> = note.signatures().iter().map(|signature| signature.id().to_string()).collect();
    assert_eq!(ids, ["033de0ae", "8d66cf3f"]);
    // A cosignature is a time and a signature: room for it is left.
    assert_eq!(note.signatures()[1].bytes().len(), 8 + 64);
}

#[test]
fn a_signed_checkpoint_opens_with_its_key_and_its_origin() {
    let head = TreeHead { size: 7, root: Hash::from([1; 32]) };
    let checkpoint = Checkpoint::new("log.example", head).unwrap().with_extension("ext 1").unwrap();
    let signer = key("log.example");
    let keys = [signer.verifier().unwrap()];
    let note = checkpoint.sign(&signer).unwrap();
    assert_eq!(Checkpoint::open(&note, "log.example", &keys), Ok(checkpoint.clone()));
    assert_eq!(checkpoint.extensions(), ["ext 1"]);
    assert_eq!(
        Checkpoint::open(&note, "other.example", &keys),
        Err(CheckpointError::OtherLog("log.example".into()))
    );
    let strange = [key("log.example2").verifier().unwrap()];
    assert_eq!(Checkpoint::open(&note, "log.example", &strange), Err(NoteError::UnknownKeys.into()));
    // Signed well, but no checkpoint.
    let note = SignedNote::sign("log.example\n".to_owned(), &signer).unwrap();
    assert_eq!(Checkpoint::open(&note, "log.example", &keys), Err(CheckpointError::Lines));
}

#[test]
fn what_is_not_a_checkpoint_is_refused() {
    for text in ["", "\n", "a\n1\n", &format!("a\n1\n{ROOT}"), "a"] {
        assert_eq!(problem(text), CheckpointError::Lines, "{text:?}");
    }
    for size in [
        "",
        "00",
        "01",
        "+1",
        "-1",
        " 1",
        "1 ",
        "1.0",
        "0x1",
        "１",
        "9223372036854775808",
        "99999999999999999999",
    ] {
        assert_eq!(problem(&format!("a\n{size}\n{ROOT}\n")), CheckpointError::Size, "{size:?}");
    }
    assert!(format!("a\n9223372036854775807\n{ROOT}\n").parse::<Checkpoint>().is_ok());
    for root in
        ["", "AAAA", &ROOT[1..], &ROOT.replace("2I=", "2J="), &ROOT.replace('=', ""), &format!("{ROOT} ")]
    {
        assert_eq!(problem(&format!("a\n1\n{root}\n")), CheckpointError::Root, "{root:?}");
    }
    assert_eq!(problem(&format!("\n1\n{ROOT}\n")), CheckpointError::Origin);
    assert_eq!(problem(&format!("a\r\n1\n{ROOT}\n")), CheckpointError::Origin);
    assert_eq!(problem(&format!("{}\n1\n{ROOT}\n", "a".repeat(256))), CheckpointError::Origin);
    assert_eq!(problem(&format!("a\n1\n{ROOT}\n\n")), CheckpointError::Extension);
    assert_eq!(problem(&format!("a\n1\n{ROOT}\nb\tc\n")), CheckpointError::Extension);
    assert_eq!(
        problem(&format!("a\n1\n{ROOT}\n{}\n", "b".repeat(CHECKPOINT_BYTES_MAX))),
        CheckpointError::TooLong
    );
}

#[test]
fn the_empty_log_has_one_root() {
    let empty = Checkpoint::new("a", TreeHead::EMPTY).unwrap();
    assert_eq!(empty.to_string(), "a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
    assert_eq!(problem(&format!("a\n0\n{ROOT}\n")), CheckpointError::Root);
    assert_eq!(
        Checkpoint::new("a", TreeHead { size: 0, root: Hash::from([1; 32]) }),
        Err(CheckpointError::Root)
    );
    assert_eq!(
        Checkpoint::new("a", TreeHead { size: u64::MAX, root: Hash::EMPTY }),
        Err(CheckpointError::Size)
    );
    assert_eq!(Checkpoint::new("a\nb", TreeHead::EMPTY), Err(CheckpointError::Origin));
    assert_eq!(empty.with_extension(""), Err(CheckpointError::Extension));
}
