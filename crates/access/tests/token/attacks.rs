//! Every attack on a token by its name. All are presented with a good signature where the attacker could have one, so
//! that it is the named check that refuses.

use jiff::Timestamp;
use portcullis_access::token::{Algorithm, HEADER_BYTES_MAX, LEEWAY_S, TOKEN_BYTES_MAX};
use portcullis_access::token::{Refusal, SigningKey, TokenUse};
use serde_json::{Value, json};

use crate::forge::{
    HOUR, NOW_S, at, authenticate, claims, encode, header, key, payload, profile, ring, sign, verifier, with,
};

#[track_caller]
fn check(token: &str, expected: Refusal) {
    assert_eq!(verifier().verify(token, at(NOW_S)), Err(expected), "{token}");
}

/// A token that differs from a good one in a member of its header.
fn with_header(member: &str, to: Value) -> String {
    sign(&with(header(), member, to).to_string(), &payload().to_string())
}

/// A token that differs from a good one in a claim.
fn with_claim(member: &str, to: Value) -> String {
    sign(&header().to_string(), &with(payload(), member, to).to_string())
}

#[test]
fn the_token_that_all_others_here_are_made_of_is_good() {
    let token = sign(&header().to_string(), &payload().to_string());
    let verified = verifier().verify(&token, at(NOW_S)).unwrap();
    assert_eq!((&*verified.claims.subject, verified.expires), ("ada", at(NOW_S + 3600)));
}

#[test]
fn algorithm_none_in_every_spelling() {
    for name in ["none", "None", "NONE", "nOnE", "", "null"] {
        check(&with_header("alg", json!(name)), Refusal::Algorithm);
        let header = with(header(), "alg", json!(name)).to_string();
        check(&format!("{}.{}.", encode(header), encode(payload().to_string())), Refusal::Algorithm);
    }
    check(&with_header("alg", Value::Null), Refusal::Algorithm);
    check(&with_header("alg", json!(["EdDSA"])), Refusal::Json);
}

#[test]
fn algorithm_confusion_with_the_public_key_as_the_secret() {
    let public = key().verification_key().unwrap();
    let set = portcullis_access::token::jwk::write_public_set([&public]);
    let jwk: Value = serde_json::from_str(&set).unwrap();
    let x = jwk["keys"][0]["x"].as_str().unwrap();
    let raw = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, x).unwrap();
    let header = with(header(), "alg", json!("HS256"));
    for secret in [raw.as_slice(), x.as_bytes(), set.as_bytes(), b""] {
        check(&authenticate(&header, &payload(), secret), Refusal::Algorithm);
    }
}

#[test]
fn another_asymmetric_algorithm_than_the_keys() {
    for name in ["ES256", "RS256", "PS256", "HS256", "eddsa", "EdDSA ", "Ed25519", "ES512", "RSA1_5"] {
        check(&with_header("alg", json!(name)), Refusal::Algorithm);
    }
}

#[test]
fn a_key_brought_along_or_named_by_address() {
    let mine = SigningKey::from_secret(Algorithm::EdDsa, &[7; 32]).unwrap().verification_key().unwrap();
    let set: Value = serde_json::from_str(&portcullis_access::token::jwk::write_public_set([&mine])).unwrap();
    for (member, value) in [
        ("jwk", set["keys"][0].clone()),
        ("jku", json!("https://attacker.example/jwks.json")),
        ("x5u", json!("https://attacker.example/chain.pem")),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AAAA")),
    ] {
        check(&with_header(member, value), Refusal::Header);
    }
}

#[test]
fn a_key_name_that_is_a_path_a_query_or_somebody_elses() {
    for name in ["../../../../dev/null", "/dev/null", "' UNION SELECT 'x", "key\0", "", "default", "*"] {
        check(&with_header("kid", json!(name)), Refusal::UnknownKey);
    }
    check(&with_header("kid", json!(0)), Refusal::Json);
    check(&with_header("kid", json!({ "$ne": "" })), Refusal::Json);
}

#[test]
fn extensions_that_must_be_understood() {
    for (member, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
        ("cty", json!("JWT")),
    ] {
        check(&with_header(member, value), Refusal::Header);
    }
}

#[test]
fn duplicate_members_with_two_meanings() {
    let id = key().id().to_owned();
    let good = payload().to_string();
    let header = header().to_string();
    for twice in [
        format!(r#"{{"alg":"none","alg":"EdDSA","kid":"{id}","typ":"at+jwt"}}"#),
        format!(r#"{{"alg":"EdDSA","kid":"{id}","typ":"at+jwt","typ":"at+jwt"}}"#),
        format!(r#"{{"alg":"EdDSA","\u0061lg":"EdDSA","kid":"{id}","typ":"at+jwt"}}"#),
    ] {
        check(&sign(&twice, &good), Refusal::Json);
    }
    check(&sign(&header, &good.replacen('{', r#"{"sub":"root","#, 1)), Refusal::Json);
    check(&sign(&header, &good.replacen('{', r#"{"\u0073ub":"root","#, 1)), Refusal::Json);
    check(&sign(&header, &good.replacen('{', r#"{"x":{"a":1,"a":2},"#, 1)), Refusal::Json);
}

#[test]
fn a_token_of_another_type() {
    for typ in ["JWT", "jwt", "AT+JWT", "application/at+jwt", "portcullis-assertion+jwt", "", "at+jwt "] {
        check(&with_header("typ", json!(typ)), Refusal::Type);
    }
    check(&with_header("typ", Value::Null), Refusal::Type);
    for claim in
        [json!("refresh"), json!("assertion"), json!("ACCESS"), json!(1), json!(["access"]), Value::Null]
    {
        check(&with_claim("type", claim), Refusal::Type);
    }
}

#[test]
fn an_assertion_for_an_upstream_is_no_access_token_even_under_one_key() {
    let assertions = ring(TokenUse::Assertion);
    let now = at(NOW_S);
    let token = assertions.issue(&profile(TokenUse::Assertion), &claims(), now, HOUR).unwrap();
    check(&token, Refusal::Type);
    assert!(assertions.verifier(profile(TokenUse::Assertion)).unwrap().verify(&token, now).is_ok());
    assert!(assertions.verifier(profile(TokenUse::Access)).is_err());
    assert!(assertions.issue(&profile(TokenUse::Access), &claims(), now, HOUR).is_err());
}

#[test]
fn another_issuer_or_audience() {
    for other in [
        json!("https://login.example/"),
        json!("HTTPS://LOGIN.EXAMPLE"),
        json!("https://login.example.attacker.example"),
        json!(""),
        json!(["https://login.example"]),
        Value::Null,
    ] {
        check(&with_claim("iss", other), Refusal::Issuer);
    }
    for other in [
        json!("billing"),
        json!("Tasks"),
        json!(["tasks"]),
        json!(["tasks", "billing"]),
        json!([]),
        Value::Null,
    ] {
        check(&with_claim("aud", other), Refusal::Audience);
    }
}

#[test]
fn an_ended_token_is_told_apart_from_others_but_only_when_it_was_ours() {
    for expires in [NOW_S, NOW_S - 1, 0] {
        let token = sign(
            &header().to_string(),
            &with(with(payload(), "iat", json!(0)), "exp", json!(expires)).to_string(),
        );
        check(&token, Refusal::Expired);
        let mut other = token.clone();
        other.replace_range(other.len() - 8..other.len() - 6, "AA");
        check(&other, Refusal::Signature);
        assert_eq!(Refusal::Expired.public(), "Token has expired");
        assert_eq!(Refusal::Signature.public(), "Invalid token");
    }
    check(&with_claim("exp", Value::Null), Refusal::Claim("exp"));
}

#[test]
fn times_that_are_no_whole_seconds_since_1970() {
    for time in [
        json!("1800003600"),
        json!(1.8e9),
        json!(-1),
        json!(i64::MAX),
        json!(u64::MAX),
        json!([1]),
        json!(true),
    ] {
        check(&with_claim("exp", time.clone()), Refusal::Claim("exp"));
        check(&with_claim("iat", time.clone()), Refusal::Claim("iat"));
        check(&with_claim("nbf", time), Refusal::Claim("nbf"));
    }
}

#[test]
fn a_token_from_the_future() {
    check(&with_claim("iat", json!(NOW_S + LEEWAY_S + 1)), Refusal::IssuedInFuture);
    check(&with_claim("nbf", json!(NOW_S + LEEWAY_S + 1)), Refusal::NotYet);
    check(&with_claim("iat", Value::Null), Refusal::Claim("iat"));
    for member in ["iat", "nbf"] {
        let token = with_claim(member, json!(NOW_S + LEEWAY_S));
        assert!(verifier().verify(&token, at(NOW_S)).is_ok(), "{member}");
    }
}

#[test]
fn a_token_that_never_ends() {
    check(&with_claim("exp", json!(NOW_S + 3601)), Refusal::LivesTooLong);
    check(&with_claim("exp", json!(253_402_000_000_i64)), Refusal::LivesTooLong);
}

#[test]
fn claims_that_mean_more_than_they_say() {
    check(&with_claim("sub", json!("")), Refusal::Claim("sub"));
    check(&with_claim("sub", json!("ada\r\nX-Portcullis-Roles: admin")), Refusal::Claim("sub"));
    check(&with_claim("sub", json!(["ada"])), Refusal::Claim("sub"));
    check(&with_claim("sub", json!("a".repeat(257))), Refusal::Claim("sub"));
    check(&with_claim("sub", Value::Null), Refusal::Claim("sub"));
    check(&with_claim("jti", Value::Null), Refusal::Claim("jti"));
    check(&with_claim("roles", json!("admin")), Refusal::Claim("roles"));
    check(&with_claim("roles", json!(["user", "Admin"])), Refusal::Claim("roles"));
    check(&with_claim("permissions", json!(["read:tasks", "*"])), Refusal::Claim("permissions"));
    check(&with_claim("permissions", json!({ "0": "admin" })), Refusal::Claim("permissions"));
    check(&with_claim("scope", json!("openid  tasks")), Refusal::Claim("scope"));
}

#[test]
fn base64_in_another_spelling() {
    let good = sign(&header().to_string(), &payload().to_string());
    for other in [
        good.replacen('.', "=.", 1),
        format!("{good}="),
        format!("{good}\n"),
        format!(" {good}"),
        good.replacen('.', "..", 1),
        format!("{good}."),
        format!("{good}.AAAA"),
        good.replace('.', "%2E"),
    ] {
        check(&other, Refusal::Form);
    }
    // 64 bytes of signature leave four bits of the last character unused; 16 texts would be one signature.
    let (rest, last) = good.split_at(good.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut accepted = 0;
    for other in alphabet.chars() {
        accepted += u32::from(verifier().verify(&format!("{rest}{other}"), at(NOW_S)).is_ok());
    }
    assert_eq!(accepted, 1, "only with `{last}`");
}

#[test]
fn a_token_in_the_json_serialization() {
    let good = sign(&header().to_string(), &payload().to_string());
    let parts: Vec<&str> = good.split('.').collect();
    let json = json!({ "protected": parts[0], "payload": parts[1], "signature": parts[2] });
    check(&json.to_string(), Refusal::Form);
    check("", Refusal::Form);
    check("..", Refusal::Json);
    check(&format!("{}..{}", parts[0], parts[2]), Refusal::Signature);
}

#[test]
fn a_token_that_is_long_or_deep() {
    let long = json!("x".repeat(TOKEN_BYTES_MAX));
    check(&with_claim("x", long), Refusal::TooLong);
    let padded = format!("{}{}", " ".repeat(HEADER_BYTES_MAX), header());
    check(&sign(&padded, &payload().to_string()), Refusal::TooLong);
    let deep = "[".repeat(2000) + &"]".repeat(2000);
    check(&sign(&header().to_string(), &deep), Refusal::Json);
    check(&sign(&deep[..HEADER_BYTES_MAX], &payload().to_string()), Refusal::Json);
}

#[test]
fn the_time_is_the_callers_and_no_clocks() {
    let token = sign(&header().to_string(), &payload().to_string());
    assert!(verifier().verify(&token, at(NOW_S + 3599)).is_ok());
    assert_eq!(verifier().verify(&token, at(NOW_S + 3600)), Err(Refusal::Expired));
    assert_eq!(verifier().verify(&token, Timestamp::UNIX_EPOCH), Err(Refusal::IssuedInFuture));
    assert_eq!(verifier().verify(&token, Timestamp::MAX), Err(Refusal::Expired));
}
