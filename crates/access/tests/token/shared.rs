//! Tokens under a secret that one application shares (HS256).

use portcullis_access::token::{KeyProblem, Refusal, SharedSecret};
use portcullis_model::ApplicationName;
use serde_json::{Value, json};

use crate::forge::{HOUR, NOW_S, at, authenticate, claims, header, key, payload, sign, with};

const SECRET: &[u8] = b"a secret of one application, and of no other";

fn application(name: &str) -> ApplicationName {
    ApplicationName::parse(name).unwrap()
}

fn shared() -> SharedSecret {
    SharedSecret::new(application("tasks"), SECRET, HOUR).unwrap()
}

#[track_caller]
fn check(token: &str, expected: Result<&str, Refusal>) {
    let verified = shared().verify(&application("tasks"), token, at(NOW_S));
    assert_eq!(
        verified.as_ref().map(|verified| &*verified.claims.subject),
        expected.as_ref().copied(),
        "{token}"
    );
}

/// What an application makes of these claims with the usual library.
fn made(claims: &Value) -> String {
    authenticate(&json!({ "alg": "HS256", "typ": "JWT" }), claims, SECRET)
}

#[test]
fn what_was_issued_is_good_for_the_application_and_for_no_other() {
    let token = shared().issue(&claims(), at(NOW_S), HOUR).unwrap();
    check(&token, Ok("ada"));
    let other = application("billing");
    assert_eq!(shared().verify(&other, &token, at(NOW_S)), Err(Refusal::Audience));
    let other_secret = SharedSecret::new(other.clone(), &[SECRET, b"!"].concat(), HOUR).unwrap();
    assert_eq!(other_secret.verify(&other, &token, at(NOW_S)), Err(Refusal::Signature));
}

#[test]
fn a_token_that_the_application_made_itself_is_good_with_the_few_claims_that_it_has() {
    let claims = json!({ "sub": "ada", "iat": NOW_S, "exp": NOW_S + 3600, "type": "access" });
    check(&made(&claims), Ok("ada"));
    check(&made(&with(claims.clone(), "aud", json!("tasks"))), Ok("ada"));
    check(&made(&with(claims.clone(), "aud", json!("billing"))), Err(Refusal::Audience));
    for other in [json!("refresh"), json!("password-reset"), Value::Null] {
        check(&made(&with(claims.clone(), "type", other)), Err(Refusal::Type));
    }
    check(&made(&with(claims.clone(), "exp", json!(NOW_S))), Err(Refusal::Expired));
    check(&made(&with(claims.clone(), "exp", json!(NOW_S + 3601))), Err(Refusal::LivesTooLong));
    check(&made(&with(claims, "iat", json!(NOW_S + 60))), Err(Refusal::IssuedInFuture));
}

#[test]
fn our_own_tokens_and_other_algorithms_are_none_of_the_applications() {
    check(&sign(&header().to_string(), &payload().to_string()), Err(Refusal::UnknownKey));
    let unnamed = with(header(), "kid", Value::Null);
    check(&sign(&unnamed.to_string(), &payload().to_string()), Err(Refusal::Algorithm));
    for name in ["none", "HS384", "HS512", "EdDSA"] {
        let header = json!({ "alg": name, "typ": "JWT" });
        check(&authenticate(&header, &payload(), SECRET), Err(Refusal::Algorithm));
    }
    let typ = json!({ "alg": "HS256", "typ": "at+jwt" });
    check(&authenticate(&typ, &payload(), SECRET), Err(Refusal::Type));
}

#[test]
fn a_secret_that_is_missing_short_or_not_drawn_is_refused() {
    let secrets: [&[u8]; 4] = [b"", b"secret", &SECRET[..31], &[b'x'; 64]];
    for secret in secrets {
        let refused = SharedSecret::new(application("tasks"), secret, HOUR);
        assert_eq!(refused.unwrap_err(), KeyProblem::WeakSecret);
    }
    assert!(SharedSecret::new(application("tasks"), &SECRET[..32], HOUR).is_ok());
}

#[test]
fn neither_secret_is_shown() {
    let shown = format!("{:?} {:?}", shared(), key());
    assert!(!shown.contains("secret of"), "{shown}");
    assert!(!shown.contains("seed"), "{shown}");
}
