//! The vectors of github.com/C2SP/wycheproof for signatures (401) and keys (26) of JOSE.
//!
//! They lie in a folder `shared/data/wycheproof` beside a checkout, or where `PORTCULLIS_SHARED` says that `shared` is.
//! Where they are not, the tests say so and return.

use std::path::{Path, PathBuf};

use portcullis_access::token::KeySet;
use portcullis_access::token::jwk::{parse_public_set, parse_shared_set};
use serde_json::{Value, json};

const SKIPPED: &str =
    "skipped: there is no `shared/data/wycheproof`; PORTCULLIS_SHARED names the folder `shared`";

/// The cases that we judge otherwise, and why.
const DEVIATIONS: [(u64, &str); 8] = [
    // Figures of RFC 7520 whose key names another algorithm than the header, or one that does not exist. A key is bound
    // to its algorithm here.
    (346, "the key says PS256, the header PS384"),
    (347, "the key says ES521, which is no algorithm"),
    (350, "the key says PS256, the header PS384"),
    (351, "the key says ES521, which is no algorithm"),
    // Named invalid for their padding, but byte for byte the valid case 357: nobody can tell them apart.
    (367, "the text is that of case 357"),
    (370, "the text is that of case 357"),
    // Valid for a parser that drops characters which are not of the alphabet; RFC 7515 §2 knows none such.
    (372, "a `?` stands in the header's base64url"),
    (373, "a `?` stands in the payload's base64url"),
];

#[test]
fn signatures_are_judged_as_the_vectors_say() {
    let Some(groups) = groups("json_web_signature_test.json") else {
        println!("{SKIPPED}");
        return;
    };
    let (mut counted, mut agreed, mut deviating) = (0, 0, Vec::new());
    for group in &groups {
        let key = if group["public"].is_object() { &group["public"] } else { &group["private"] };
        let keys = set(std::slice::from_ref(key));
        for case in group["tests"].as_array().unwrap() {
            counted += 1;
            if is_judged_alike(keys.as_ref(), case) {
                agreed += 1;
            } else {
                deviating.push(case["tcId"].as_u64().unwrap());
            }
        }
    }
    assert_eq!(deviating, DEVIATIONS.map(|(case, _)| case));
    assert_eq!((counted, agreed), (401, 393));
    assert_eq!(jws(&groups, 367), jws(&groups, 357));
    assert_eq!(jws(&groups, 370), jws(&groups, 357));
}

#[test]
fn keys_are_judged_as_the_vectors_say() {
    let Some(groups) = groups("json_web_key_test.json") else {
        println!("{SKIPPED}");
        return;
    };
    let mut counted = 0;
    for group in &groups {
        let set_of = if group["public"].is_object() { &group["public"] } else { &group["private"] };
        let keys = set(set_of["keys"].as_array().unwrap());
        for case in group["tests"].as_array().unwrap() {
            counted += 1;
            assert!(is_judged_alike(keys.as_ref(), case), "{case}");
        }
    }
    assert_eq!(counted, 26);
}

/// The keys, if they are acceptable: all secrets, or all public.
fn set(keys: &[Value]) -> Option<KeySet> {
    let text = json!({ "keys": keys }).to_string();
    let shared = keys.iter().any(|key| key["kty"] == "oct");
    if shared { parse_shared_set(&text).ok() } else { parse_public_set(&text).ok() }
}

/// A token under keys that are not acceptable is refused.
fn is_judged_alike(keys: Option<&KeySet>, case: &Value) -> bool {
    let is_good = keys.is_some_and(|keys| keys.open(case["jws"].as_str().unwrap_or_default()).is_ok());
    is_good == (case["result"] == "valid")
}

fn jws(groups: &[Value], id: u64) -> &str {
    let mut cases = groups.iter().flat_map(|group| group["tests"].as_array().unwrap());
    cases.find(|case| case["tcId"] == id).unwrap()["jws"].as_str().unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the vectors are files beside the repository, where a setting says"
)]
fn groups(name: &str) -> Option<Vec<Value>> {
    let named = std::env::var_os("PORTCULLIS_SHARED").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("shared"));
    let mut folders = named.into_iter().chain(beside).map(|folder| folder.join("data/wycheproof"));
    let folder = folders.find(|folder| folder.is_dir())?;
    let text = std::fs::read_to_string(folder.join("testvectors_v1").join(name)).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    Some(file["testGroups"].as_array().unwrap().clone())
}
