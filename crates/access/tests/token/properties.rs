//! What holds for all inputs: what was issued is good, what was changed is not, and nothing breaks the parser.

use portcullis_access::token::jwk::{parse_public_set, parse_shared_set};
use portcullis_access::token::{Algorithm, Claims, KeyRing, SharedSecret, TokenUse};
use portcullis_model::{ApplicationName, Permission, RoleName};
use proptest::prelude::*;

use crate::forge::{HOUR, NOW_S, at, claims, profile, ring, schedule, sign, verifier};

fn text() -> impl Strategy<Value = Box<str>> {
    "[^\\p{Cc}]{1,40}".prop_map(Into::into)
}

fn any_claims() -> impl Strategy<Value = Claims> {
    let role = "[a-z][a-z0-9._-]{0,12}".prop_map(|name| RoleName::parse(&name).unwrap());
    let permission = "[a-z]{1,8}:[a-z]{1,8}".prop_map(|name| Permission::parse(&name).unwrap());
    let scope = "[!#-\\[\\]-~]{1,12}".prop_map(Into::into);
    (
        (text(), proptest::option::of(text()), proptest::option::of(text()), text()),
        proptest::option::of(text()),
        proptest::collection::vec(role, 0..6),
        proptest::collection::vec(scope, 0..6),
        proptest::collection::vec(permission, 0..6),
    )
        .prop_map(|((subject, user_id, session, token_id), client, roles, scope, permissions)| Claims {
            subject,
            user_id,
            session,
            token_id: Some(token_id),
            client,
            roles,
            scope,
            permissions: permissions.into_iter().collect(),
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_issued_is_read_back(
        claims in any_claims(),
        seed: [u8; 32],
        after_s in 0_i64..3600,
        es256: bool,
    ) {
        let algorithm = if es256 { Algorithm::Es256 } else { Algorithm::EdDsa };
        let now = at(NOW_S);
        for token_use in [TokenUse::Access, TokenUse::Assertion] {
            let ring = KeyRing::begin(token_use, &schedule(algorithm), now, &seed).unwrap();
            let token = ring.issue(&profile(token_use), &claims, now, HOUR).unwrap();
            let verifier = ring.verifier(profile(token_use)).unwrap();
            let verified = verifier.verify(&token, at(NOW_S + after_s)).unwrap();
            prop_assert_eq!(&verified.claims, &claims);
            prop_assert_eq!((verified.issued, verified.expires), (now, at(NOW_S + 3600)));
        }
        let shared = ApplicationName::parse("tasks").unwrap();
        let secret = SharedSecret::new(shared.clone(), &[&seed[..], b"!"].concat(), HOUR).unwrap();
        let token = secret.issue(&claims, now, HOUR).unwrap();
        prop_assert_eq!(secret.verify(&shared, &token, at(NOW_S + after_s)).unwrap().claims, claims);
    }

    #[test]
    fn nothing_that_is_presented_breaks_the_parser(bytes: Vec<u8>, header in ".{0,80}", payload in ".{0,80}") {
        let text = String::from_utf8_lossy(&bytes);
        for text in [&*text, &header, &payload] {
            prop_assert!(verifier().verify(text, at(NOW_S)).is_err());
            prop_assert!(parse_public_set(text).is_err());
            prop_assert!(parse_shared_set(text).is_err());
        }
        prop_assert!(verifier().verify(&sign(&header, &payload), at(NOW_S)).is_err());
    }
}

#[test]
fn every_change_of_a_single_character_is_refused() {
    let access = ring(TokenUse::Access);
    let token = access.issue(&profile(TokenUse::Access), &claims(), at(NOW_S), HOUR).unwrap();
    let verifier = access.verifier(profile(TokenUse::Access)).unwrap();
    assert!(verifier.verify(&token, at(NOW_S)).is_ok());
    for at_byte in 0..token.len() {
        for bit in 0..7 {
            let mut bytes = token.clone().into_bytes();
            bytes[at_byte] ^= 1 << bit;
            let changed = String::from_utf8(bytes).unwrap();
            assert!(verifier.verify(&changed, at(NOW_S)).is_err(), "{changed}");
        }
        let mut shorter = token.clone();
        shorter.remove(at_byte);
        assert!(verifier.verify(&shorter, at(NOW_S)).is_err(), "{shorter}");
        let mut longer = token.clone();
        longer.insert(at_byte, 'A');
        assert!(verifier.verify(&longer, at(NOW_S)).is_err(), "{longer}");
    }
}
