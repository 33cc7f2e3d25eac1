//! Other implementations: their tokens here, and ours as they have verified them.
//!
//! The tokens of PyPI's joserfc 1.8.0 and PyJWT 2.15.1 (Python 3.11) were made with the keys and claims of `forge.rs`:
//! `joserfc.jwt.encode({"typ": "at+jwt", "alg": ..., "kid": key.thumbprint()}, claims, key)` and
//! `jwt.encode(claims, secret, algorithm="HS256")`. Ours (signatures of Ed25519 and HMACs have one text) were verified
//! with joserfc, PyJWT and npm's jose 6.2.17, each given our published set or the secret, algorithm, issuer and audience.

use portcullis_access::token::{Algorithm, KeySet, SharedSecret, SigningKey, TokenUse, Verifier, jwk};
use portcullis_model::ApplicationName;

use crate::forge::{HOUR, NOW_S, SEED, at, claims, profile, ring};

const SECRET: &[u8] = b"a secret of one application, and of no other";

/// By joserfc, EdDSA.
const JOSERFC_EDDSA: &str = concat!(
    "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFZERTQSIsImtpZCI6InBVWFVKaXY2YXJzdFlzcmZ6WUdLQ1NmYy1LYk9jMDZYazZabzVF",
    "RVI3ZTQifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUiLCJhdWQiOiJ0YXNrcyIsInR5cGUiOiJhY2Nlc3MiLCJzdWIiO",
    "iJhZGEiLCJqdGkiOiJ0LTEiLCJpYXQiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMzYwMCwicm9sZXMiOlsidXNlciJdLCJwZXJta",
    "XNzaW9ucyI6WyJyZWFkOnRhc2tzIl19.Pnuu1ZpgYm1XW8ju5HxGuyj9mPyViPV51ARLN5musFE2y-O_jbVTmtozNZoyOzo4-Ctf",
    "mOqLFG1P97dSIp3ZDA",
);

/// By joserfc, ES256.
const JOSERFC_ES256: &str = concat!(
    "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFUzI1NiIsImtpZCI6ImxQbkVnd0MzR3ZMUGNmZk9PVjRUSEo5Vk1uYTRpMWs0Ul9rbkhT",
    "TVZDS0UifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUiLCJhdWQiOiJ0YXNrcyIsInR5cGUiOiJhY2Nlc3MiLCJzdWIiO",
    "iJhZGEiLCJqdGkiOiJ0LTEiLCJpYXQiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMzYwMCwicm9sZXMiOlsidXNlciJdLCJwZXJta",
    "XNzaW9ucyI6WyJyZWFkOnRhc2tzIl19.XkjNZfb2Aef3IkpfBXlGurIdop20qQxvy-RCLMLdGPVzVv6F7CulMwt3lpRhfmKKVZLf",
    "87mOUI2qiStanEjPrg",
);

/// By PyJWT, HS256.
const PYJWT_HS256: &str = concat!(
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhZGEiLCJpYXQiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMzYwMCw",
    "idHlwZSI6ImFjY2VzcyJ9.T7HNqN8eEPdepo58V8JWA2bdAqqpMi2V7vWSGZfHnOo",
);

/// Ours, EdDSA: verified by joserfc, PyJWT and jose.
const OURS_EDDSA: &str = concat!(
    "eyJhbGciOiJFZERTQSIsImtpZCI6InBVWFVKaXY2YXJzdFlzcmZ6WUdLQ1NmYy1LYk9jMDZYazZabzVFRVI3ZTQiLCJ0eXAiOiJh",
    "dCtqd3QifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUiLCJhdWQiOiJ0YXNrcyIsInR5cGUiOiJhY2Nlc3MiLCJzdWIiO",
    "iJhZGEiLCJ1c2VyX2lkIjoiNDcxMSIsInNpZCI6InMtMSIsImp0aSI6InQtMSIsImNsaWVudF9pZCI6InBvcnRhbCIsInJvbGVzI",
    "jpbInVzZXIiXSwic2NvcGUiOiJvcGVuaWQgdGFza3MiLCJwZXJtaXNzaW9ucyI6WyJyZWFkOnRhc2tzIl0sImlhdCI6MTgwMDAwM",
    "DAwMCwiZXhwIjoxODAwMDAzNjAwfQ.51MD5BegziOYOqHvbphD3d_Edhy-JLdjbKxp08VPMn9aGPCkaoTmyK3phBJDn_CRAxH1SY",
    "aGr7fjzFvk6Gu4Cw",
);

/// Ours, HS256: verified by PyJWT and jose, without being told of an audience.
const OURS_HS256: &str = concat!(
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0eXBlIjoiYWNjZXNzIiwic3ViIjoiYWRhIiwidXNlcl9pZCI6IjQ3MTEiLCJ",
    "zaWQiOiJzLTEiLCJqdGkiOiJ0LTEiLCJjbGllbnRfaWQiOiJwb3J0YWwiLCJyb2xlcyI6WyJ1c2VyIl0sInNjb3BlIjoib3Blbml",
    "kIHRhc2tzIiwicGVybWlzc2lvbnMiOlsicmVhZDp0YXNrcyJdLCJpYXQiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMzYwMH0.zww",
    "mPPbelXs2KeW3Jd6omCZIBVPxkCKcEZJFueKdqa0",
);

/// Ours: both thumbprints were computed by joserfc and jose too, and the set verified a token of ours by ES256.
const OURS_SET: &str = concat!(
    r#"{"keys":[{"crv":"P-256","kty":"EC","x":"3tmRv6eO-3KhK36AjMakE7biT_ngGsd92o2xxsczaBs","y":""#,
    r#"ul2uN91f8xVkrAi4SqAVdeZBHOqz9naPa87BV2rlxds","kid":"lPnEgwC3GvLPcffOOV4THJ9VMna4i1k4R_knHS"#,
    r#"MVCKE","alg":"ES256","use":"sig"},{"crv":"Ed25519","kty":"OKP","x":"H3eDnzJ-LVZ6EHbbjeaxYM"#,
    r#"UXUa7ftJkYQzQUGNeW96s","kid":"pUXUJiv6arstYsrfzYGKCSfc-KbOc06Xk6Zo5EER7e4","alg":"EdDSA",""#,
    r#"use":"sig"}]}"#,
);

#[test]
fn their_tokens_are_good_here() {
    for (algorithm, token) in [(Algorithm::EdDsa, JOSERFC_EDDSA), (Algorithm::Es256, JOSERFC_ES256)] {
        // The header names the key by the thumbprint that they computed.
        let key = SigningKey::from_secret(algorithm, &SEED).unwrap().verification_key().unwrap();
        let verifier = Verifier::new(profile(TokenUse::Access), KeySet::new(vec![key]).unwrap());
        assert_eq!(&*verifier.verify(token, at(NOW_S)).unwrap().claims.subject, "ada");
    }
    let tasks = ApplicationName::parse("tasks").unwrap();
    let shared = SharedSecret::new(tasks.clone(), SECRET, HOUR).unwrap();
    assert_eq!(&*shared.verify(&tasks, PYJWT_HS256, at(NOW_S)).unwrap().claims.subject, "ada");
}

#[test]
fn ours_are_those_that_they_verified() {
    let now = at(NOW_S);
    let token = ring(TokenUse::Access).issue(&profile(TokenUse::Access), &claims(), now, HOUR).unwrap();
    assert_eq!(token, OURS_EDDSA);
    let tasks = ApplicationName::parse("tasks").unwrap();
    let shared = SharedSecret::new(tasks, SECRET, HOUR).unwrap();
    assert_eq!(shared.issue(&claims(), now, HOUR).unwrap(), OURS_HS256);
    let keys = [Algorithm::Es256, Algorithm::EdDsa]
        .map(|algorithm| SigningKey::from_secret(algorithm, &SEED).unwrap().verification_key().unwrap());
    assert_eq!(jwk::write_public_set(&keys), OURS_SET);
}
