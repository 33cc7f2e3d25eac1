//! The text of keys: what is written, and what is refused.

use portcullis_access::token::jwk::{SET_BYTES_MAX, parse_public_set, parse_shared_set, write_public_set};
use portcullis_access::token::{Algorithm, KeyProblem, SigningKey, VerificationKey};
use serde_json::{Value, json};

use crate::forge::{SEED, with};

fn public(algorithm: Algorithm) -> VerificationKey {
    SigningKey::from_secret(algorithm, &SEED).unwrap().verification_key().unwrap()
}

fn jwk(algorithm: Algorithm) -> Value {
    let set: Value = serde_json::from_str(&write_public_set([&public(algorithm)])).unwrap();
    set["keys"][0].clone()
}

fn parse(keys: &[Value]) -> Result<usize, KeyProblem> {
    parse_public_set(&json!({ "keys": keys }).to_string()).map(|set| set.keys().len())
}

#[track_caller]
fn check_refused(key: &Value) {
    assert!(parse(std::slice::from_ref(key)).is_err(), "{key}");
}

#[test]
fn the_set_that_is_published_is_read_back_and_holds_nothing_private() {
    let keys = [public(Algorithm::EdDsa), public(Algorithm::Es256)];
    let text = write_public_set(&keys);
    let read = parse_public_set(&text).unwrap();
    assert_eq!(write_public_set(read.keys()), text);
    for (key, written) in read.keys().iter().zip(&keys) {
        assert_eq!((key.id(), key.algorithm()), (written.id(), written.algorithm()));
        assert_eq!(key.thumbprint().as_deref(), Some(key.id()));
    }
    let value: Value = serde_json::from_str(&text).unwrap();
    for key in value["keys"].as_array().unwrap() {
        let mut members: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
        members.retain(|member| !["alg", "crv", "kid", "kty", "use", "x", "y"].contains(member));
        assert_eq!(members, [""; 0]);
    }
}

#[test]
fn a_shared_secret_is_never_published() {
    let text = r#"{"keys":[{"kty":"oct","alg":"HS256","kid":"a","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}]}"#;
    let set = parse_shared_set(text).unwrap();
    assert_eq!(write_public_set(set.keys()), r#"{"keys":[]}"#);
    assert!(parse_public_set(text).is_err());
    assert_eq!(set.keys()[0].thumbprint(), None);
}

#[test]
fn thumbprints_are_those_of_the_standards() {
    // RFC 7638 §3.1.
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let rsa = json!({ "kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29" });
    let set = parse_public_set(&json!({ "keys": [rsa] }).to_string()).unwrap();
    assert_eq!(set.keys()[0].thumbprint().as_deref(), Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
    // RFC 8037 appendix A: the key pair, and its thumbprint in A.3.
    let seed = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
    let seed = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, seed).unwrap();
    let key = SigningKey::from_secret(Algorithm::EdDsa, seed.as_slice().try_into().unwrap()).unwrap();
    assert_eq!(key.id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn a_key_with_a_private_member_is_refused_whole() {
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        check_refused(&with(jwk(Algorithm::EdDsa), member, json!("AAAA")));
    }
}

#[test]
fn a_key_for_another_use_or_algorithm_is_refused() {
    let good = jwk(Algorithm::Es256);
    assert_eq!(parse(std::slice::from_ref(&good)), Ok(1));
    assert_eq!(parse(&[with(good.clone(), "key_ops", json!(["verify"]))]), Ok(1));
    assert_eq!(parse(&[with(good.clone(), "use", Value::Null)]), Ok(1));
    for (member, value) in [
        ("use", json!("enc")),
        ("use", json!(["sig"])),
        ("key_ops", json!(["encrypt"])),
        ("key_ops", json!(["verify", "deriveKey"])),
        ("key_ops", json!(["sign"])),
        ("key_ops", json!([])),
        ("key_ops", json!("verify")),
        ("alg", json!("EdDSA")),
        ("alg", json!("HS256")),
        ("alg", json!("none")),
        ("alg", json!("ECDH-ES")),
        ("alg", Value::Null),
        ("kty", json!("OKP")),
        ("kty", Value::Null),
        ("crv", json!("P-384")),
        ("crv", json!("secp256k1")),
        ("crv", Value::Null),
        ("kid", Value::Null),
        ("kid", json!("")),
        ("kid", json!(1)),
    ] {
        check_refused(&with(good.clone(), member, value));
    }
}

#[test]
fn a_point_that_is_not_on_the_curve_is_refused() {
    let good = jwk(Algorithm::Es256);
    check_refused(&with(good.clone(), "x", good["y"].clone()));
    check_refused(&with(good.clone(), "y", json!("AAAA")));
    check_refused(&with(good.clone(), "y", Value::Null));
    check_refused(&with(good.clone(), "x", json!(format!("{}=", good["x"].as_str().unwrap()))));
    let zero = json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    check_refused(&with(with(good, "x", zero.clone()), "y", zero));
    check_refused(&with(jwk(Algorithm::EdDsa), "x", json!("AAAA")));
}

#[test]
fn a_weak_rsa_key_is_refused() {
    let key = |bytes: usize, e: &str| {
        let mut n = vec![0xC5; bytes];
        n[bytes - 1] = 0x35;
        json!({ "kty": "RSA", "alg": "RS256", "kid": "k", "e": e, "n": crate::forge::encode(n) })
    };
    assert_eq!(parse(&[key(256, "AQAB")]), Ok(1));
    check_refused(&key(255, "AQAB"));
    check_refused(&key(1025, "AQAB"));
    for e in ["AQ", "Aw", "EQ", "AQAA", "AAEAAQ", "", "AQABAQABAQAB"] {
        check_refused(&key(256, e));
    }
}

#[test]
fn a_key_that_can_be_factored_for_its_makers_fault_is_refused() {
    // Of CVE-2017-15361, from case 7 of Wycheproof's `json_web_key`; its exponent is 65537 and its length 2049 bits.
    let n = concat!(
        "AanFpofbj7KjD4Lf-N2hVMKR7yewSyXhhbirIMTGpfYEhZ_lnt5UoK98DnKIgArXGTu3MaW_HhFw16HGaTDUHq",
        "PrId7fe4r11CqRw09yBFuW79V8sYIwHdzCaWflUI6auImYbVfoN9_nD5n8N8SY9DwXw7mwZM9wREPXoDPgOoIW",
        "l6q_MPsp7n0zs3Z5ZaiQWOOzl1S9OhwAfSiiOwz6efnXEaxuTEtPd7BjSx7NaFka8Dx9U7YqXy2RFj1O9PjyaD",
        "GuRh7YXsX3iMUSP_wSyHQg_c_qHRtKUsNSGCT7OZg0hzm2KphtjnayKJvC64vAbROBR4Ubg6Bxg9IQVZ-QYyE",
    );
    let key = json!({ "kty": "RSA", "alg": "RS256", "kid": "k", "e": "AQAB", "n": n });
    assert_eq!(parse(&[key]), Err(KeyProblem::Weak));
}

#[test]
fn a_set_that_is_empty_ambiguous_or_no_set_is_refused() {
    let key = jwk(Algorithm::EdDsa);
    assert!(parse(&[]).is_err());
    assert!(parse(&[key.clone(), key.clone()]).is_err());
    let renamed = |at: usize| with(key.clone(), "kid", json!(format!("{at}")));
    assert_eq!(parse(&(0..32).map(renamed).collect::<Vec<_>>()), Ok(32));
    assert!(parse(&(0..33).map(renamed).collect::<Vec<_>>()).is_err());
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[1]}"#, r#"{"keys":[],"keys":[]}"#] {
        assert!(parse_public_set(text).is_err(), "{text}");
    }
    let padded = json!({ "keys": [key] }).to_string() + &" ".repeat(SET_BYTES_MAX);
    assert!(parse_public_set(&padded).is_err());
}

#[test]
fn a_secret_that_is_no_key_of_the_curve_is_refused() {
    for secret in [[0; 32], [0xFF; 32]] {
        assert_eq!(SigningKey::from_secret(Algorithm::Es256, &secret).unwrap_err(), KeyProblem::Material);
    }
    let other = SigningKey::from_secret(Algorithm::Rs256, &SEED);
    assert_eq!(other.unwrap_err(), KeyProblem::NotForSigning);
}
