//! The 518 proofs of github.com/transparency-dev/merkle (`testdata`), 482 of which must be refused.
//!
//! They lie in a folder `shared/data/tlog-merkle` beside a checkout, or where `PORTCULLIS_SHARED` says that `shared` is.
//! Where they are not, the test says so and returns.

use std::path::{Path, PathBuf};

use portcullis_ledger::{ConsistencyProof, Hash, InclusionProof, LeafHash, Subtree, TreeHead};
use serde_json::Value;

/// One file.
struct Vector {
    path: PathBuf,
    value: Value,
    /// Whether all its hashes have 32 bytes. Some vectors have a short text in place of a hash.
    is_hashes: bool,
}

#[test]
fn all_public_proofs_are_judged_as_they_should_be() {
    let Some(folder) = folder() else {
        println!(
            "skipped: there is no `shared/data/tlog-merkle`; PORTCULLIS_SHARED names the folder `shared`"
        );
        return;
    };
    let (mut counted, mut refused, mut without_hashes) = (0, 0, 0);
    for kind in ["inclusion", "consistency", "subtreeinclusion", "subtreeconsistency"] {
        for path in files(&folder.join("testdata").join(kind)) {
            let vector = Vector::read(path);
            let is_wrong = vector.value["wantErr"].as_bool().unwrap();
            let is_good = match kind {
                "inclusion" => vector.inclusion(),
                "consistency" => vector.consistency(),
                "subtreeinclusion" => vector.subtree_inclusion(),
                _ => vector.subtree_consistency(),
            };
            // A hash that is none is refused before anything is proved. Where such a proof is to be refused for another
            // reason or to pass, it is judged with the text in the place of the hash.
            let is_refused = !is_good || (is_wrong && !vector.is_hashes);
            assert_eq!(is_refused, is_wrong, "{}", vector.path.display());
            counted += 1;
            refused += u32::from(is_refused);
            without_hashes += u32::from(is_good && is_wrong);
        }
    }
    assert_eq!((counted, refused), (518, 482));
    // `empty-root-and-leaf` twice and as a subtree: nothing is wrong with them but that nothing is a hash.
    assert_eq!(without_hashes, 3, "refused only for the length of a hash");
}

impl Vector {
    fn read(path: PathBuf) -> Self {
        let value: Value = serde_json::from_slice(&read(&path)).unwrap();
        let texts = ["root", "leafHash", "root1", "root2"].map(|name| &value[name]);
        let texts = texts.into_iter().filter(|text| text.is_string());
        let proof = value["proof"].as_array().into_iter().flatten();
        let is_hashes = texts.chain(proof).all(|text| text.as_str().unwrap().parse::<Hash>().is_ok());
        Self { path, value, is_hashes }
    }

    fn number(&self, name: &str) -> u64 {
        self.value[name].as_u64().unwrap()
    }

    fn hash(&self, name: &str) -> Hash {
        padded(self.value[name].as_str().unwrap())
    }

    fn proof(&self) -> Vec<Hash> {
        self.value["proof"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|text| padded(text.as_str().unwrap()))
            .collect()
    }

    fn inclusion(&self) -> bool {
        let proof = InclusionProof { index: self.number("leafIdx"), hashes: self.proof() };
        let head = TreeHead { size: self.number("treeSize"), root: self.hash("root") };
        proof.verify(&LeafHash::known(self.hash("leafHash")), &head).is_ok()
    }

    fn consistency(&self) -> bool {
        let head = |size, root| TreeHead { size: self.number(size), root: self.hash(root) };
        let proof = ConsistencyProof { hashes: self.proof() };
        proof.verify(&head("size1", "root1"), &head("size2", "root2")).is_ok()
    }

    fn subtree_inclusion(&self) -> bool {
        let leaf = LeafHash::known(self.hash("leafHash"));
        let Ok(subtree) = Subtree::new(self.number("start"), self.number("end")) else { return false };
        subtree.verify_inclusion(&self.hash("root"), self.number("leafIdx"), &leaf, &self.proof()).is_ok()
    }

    fn subtree_consistency(&self) -> bool {
        let head = TreeHead { size: self.number("size"), root: self.hash("root2") };
        let Ok(subtree) = Subtree::new(self.number("start"), self.number("end")) else { return false };
        subtree.verify_consistency(&self.hash("root1"), &head, &self.proof()).is_ok()
    }
}

/// The hash, or the text in its place filled up with zeros.
fn padded(text: &str) -> Hash {
    use base64::Engine as _;
    let mut bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    bytes.resize(32, 0);
    Hash::try_from(bytes.as_slice()).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "where the vectors are is a setting of the machine")]
fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("PORTCULLIS_SHARED").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("shared"));
    let mut folders = named.into_iter().chain(beside).map(|folder| folder.join("data/tlog-merkle"));
    folders.find(|folder| folder.is_dir())
}

#[expect(clippy::disallowed_methods, reason = "the vectors are files")]
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if path.extension().is_some_and(|ending| ending == "json") {
            files.push(path);
        }
    }
    files
}

#[expect(clippy::disallowed_methods, reason = "the vectors are files")]
fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}
