//! The stored forms, byte for byte, as another implementation of the same primitives wrote them (Python's `cryptography`,
//! AES-256-GCM-SIV, HMAC-SHA-256). What is stored must open for ever: a change here is a new version and not an edit.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the failure report")]

use portcullis_protect::{DataKey, Place, Purpose, RootKey, Sealed, WrappedKey};
use zeroize::Zeroizing;

const WRAPPED: &str = "01e6a96f1186a271a201030303030303030303030303030303030909090909090909090909093b5efbd4f286c0defd850ce37e\
                       313e686d018978b2f2e9f8b214741f5f469ad854c33186972119c6d202d7201eeedb38";
const SEALED: &str = "01030303030303030303030303030303030505050505050505050505059d9d0c5b88423dcdbfa06d7c1ac340ae0a1797193f\
                      4109715da9461871e26d";
const INDEX: &str = "f587e2bd448b5961bdbd6a8633c75381561ecef4c800a5e523efb4f390430160";

fn root() -> RootKey {
    RootKey::generate(Zeroizing::new(std::array::from_fn(|at| 1 + at as u8))).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

#[test]
fn keys_and_fields_are_stored_as_others_would_store_them() {
    let key = Zeroizing::new(std::array::from_fn(|at| 100 + at as u8));
    let key = DataKey::generate([3; 16], key, Purpose::Subject);
    assert_eq!(hex(&key.wrap(&root(), [9; 12]).unwrap().to_bytes()), WRAPPED);
    let here = Place::Cell { table: "user", column: "email", row: b"7" };
    assert_eq!(hex(&Sealed::new(&key, here, [5; 12], b"ada@example.org").unwrap().to_bytes()), SEALED);
    assert_eq!(hex(&root().blind_index("user", "email").of_value(b"ada")), INDEX);
}

#[test]
fn what_others_stored_opens() {
    let key = WrappedKey::parse(&bytes(WRAPPED)).unwrap().unwrap_with(&root()).unwrap();
    let here = Place::Cell { table: "user", column: "email", row: b"7" };
    let text = Sealed::parse(&bytes(SEALED)).unwrap().open(&key, here).unwrap();
    assert_eq!((key.purpose(), text.as_slice()), (Purpose::Subject, &b"ada@example.org"[..]));
}
