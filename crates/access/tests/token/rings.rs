//! How keys change, step by step and over any course of time.

use std::time::Duration;

use portcullis_access::token::{
    Algorithm, Change, IssueProblem, KeyRing, KeyState, Refusal, RingProblem, Schedule, TokenUse,
};
use proptest::prelude::*;

use crate::forge::{HOUR, NOW_S, SEED, at, claims, profile, ring, schedule};

const HOUR_S: i64 = 3600;

/// What a ring looks like: each key's state, and the number of changes to get there.
fn shown(ring: &KeyRing) -> String {
    let state = |state| match state {
        KeyState::Next { .. } => "next",
        KeyState::Active { .. } => "active",
        KeyState::Retiring { .. } => "retiring",
    };
    ring.stored().iter().map(|key| state(key.state)).collect::<Vec<_>>().join(" ")
}

fn rotate(ring: &KeyRing, now_s: i64, seed: u8) -> KeyRing {
    ring.rotate(&schedule(Algorithm::EdDsa), at(now_s), &[seed; 32]).unwrap().0
}

#[test]
fn a_key_is_published_signs_retires_and_goes() {
    let begun = ring(TokenUse::Access);
    assert_eq!(shown(&begun), "active");
    assert_eq!(shown(&rotate(&begun, NOW_S + 23 * HOUR_S - 1, 1)), "active");
    let two = rotate(&begun, NOW_S + 23 * HOUR_S, 1);
    assert_eq!(shown(&two), "active next");
    assert_eq!(shown(&rotate(&two, NOW_S + 24 * HOUR_S - 1, 2)), "active next");
    let turned = rotate(&two, NOW_S + 24 * HOUR_S, 2);
    assert_eq!(shown(&turned), "retiring active");
    assert_eq!(shown(&rotate(&turned, NOW_S + 25 * HOUR_S - 1, 3)), "retiring active");
    assert_eq!(shown(&rotate(&turned, NOW_S + 25 * HOUR_S, 3)), "active");
}

#[test]
fn a_key_that_was_published_late_signs_late() {
    let late = rotate(&ring(TokenUse::Access), NOW_S + 100 * HOUR_S, 1);
    assert_eq!(shown(&late), "active next");
    assert_eq!(shown(&rotate(&late, NOW_S + 101 * HOUR_S - 1, 2)), "active next");
    assert_eq!(shown(&rotate(&late, NOW_S + 101 * HOUR_S, 2)), "retiring active");
}

#[test]
fn a_token_outlives_the_rotation_that_retires_its_key() {
    let profile = profile(TokenUse::Access);
    let two = rotate(&ring(TokenUse::Access), NOW_S + 23 * HOUR_S, 1);
    let last_s = NOW_S + 24 * HOUR_S;
    let token = two.issue(&profile, &claims(), at(last_s), HOUR).unwrap();
    let turned = rotate(&two, last_s, 2);
    let almost = rotate(&turned, last_s + HOUR_S - 1, 3);
    let verify = |ring: &KeyRing, now_s| ring.verifier(profile.clone()).unwrap().verify(&token, at(now_s));
    assert!(verify(&almost, last_s + HOUR_S - 1).is_ok());
    assert_eq!(verify(&almost, last_s + HOUR_S), Err(Refusal::Expired));
    assert_eq!(shown(&rotate(&almost, last_s + HOUR_S, 4)), "active");
}

#[test]
fn a_key_whose_tokens_lived_longer_once_stays_for_them() {
    let long = Schedule::new(Algorithm::EdDsa, 24 * HOUR, HOUR, 24 * HOUR).unwrap();
    let begun = ring(TokenUse::Access);
    let mut profile = profile(TokenUse::Access);
    profile.lifetime_max = 24 * HOUR;
    let refused = begun.issue(&profile, &claims(), at(NOW_S), 2 * HOUR);
    assert_eq!(refused, Err(IssueProblem::Lifetime), "before the ring has heard of the longer life");
    let (longer, changes) = begun.rotate(&long, at(NOW_S), &SEED).unwrap();
    assert_eq!(changes, []);
    assert!(longer.issue(&profile, &claims(), at(NOW_S), 24 * HOUR).is_ok());
    let two = rotate(&longer, NOW_S + 23 * HOUR_S, 1);
    let turned = rotate(&two, NOW_S + 24 * HOUR_S, 2);
    assert_eq!(shown(&rotate(&turned, NOW_S + 47 * HOUR_S, 3)), "retiring active next");
}

#[test]
fn a_withdrawn_key_is_believed_no_more_and_another_signs_at_once() {
    let profile = profile(TokenUse::Access);
    let begun = ring(TokenUse::Access);
    let now = at(NOW_S);
    let token = begun.issue(&profile, &claims(), now, HOUR).unwrap();
    let first = begun.verifier(profile.clone()).unwrap();
    assert!(first.verify(&token, now).is_ok());
    let id = active_id(&begun);
    for ring in [begun.clone(), rotate(&begun, NOW_S + 23 * HOUR_S, 1)] {
        let (without, changes) = ring.withdraw(&id, &schedule(Algorithm::EdDsa), now, &[9; 32]).unwrap();
        assert_eq!(changes[0], Change::Removed(id.as_str().into()));
        assert_eq!(shown(&without), "active");
        let verifier = without.verifier(profile.clone()).unwrap();
        assert_eq!(verifier.verify(&token, now), Err(Refusal::UnknownKey));
        let fresh = without.issue(&profile, &claims(), now, HOUR).unwrap();
        assert!(verifier.verify(&fresh, now).is_ok());
    }
    let unknown = begun.withdraw("another", &schedule(Algorithm::EdDsa), now, &SEED);
    assert_eq!(unknown.unwrap_err(), RingProblem::Unknown);
}

/// The name of the key that signs, as everybody reads it in a token.
fn active_id(ring: &KeyRing) -> String {
    let stored = ring.stored();
    let active = stored.iter().find(|key| matches!(key.state, KeyState::Active { .. })).unwrap();
    let key = portcullis_access::token::SigningKey::from_secret(active.algorithm, &active.secret);
    key.unwrap().id().to_owned()
}

#[test]
fn a_clock_that_was_ahead_and_went_back_holds_nothing_up() {
    let ahead = rotate(&ring(TokenUse::Access), NOW_S + 10_000 * HOUR_S, 1);
    assert_eq!(shown(&ahead), "active next");
    let back = rotate(&ahead, NOW_S + 2 * HOUR_S, 2);
    assert_eq!(shown(&rotate(&back, NOW_S + 24 * HOUR_S, 3)), "retiring active");
    let turned = rotate(&rotate(&ahead, NOW_S + 10_001 * HOUR_S, 2), NOW_S + 2 * HOUR_S, 3);
    assert_eq!(shown(&turned), "retiring active");
    assert_eq!(shown(&rotate(&turned, NOW_S + 3 * HOUR_S + 30, 3)), "active");
}

#[test]
fn what_was_stored_is_read_back_and_what_is_no_ring_is_refused() {
    let two = rotate(&ring(TokenUse::Access), NOW_S + 23 * HOUR_S, 1);
    let stored = two.stored();
    let restored = KeyRing::restore(TokenUse::Access, &stored).unwrap();
    assert_eq!(restored.public_set(), two.public_set());
    assert_eq!(shown(&restored), shown(&two));
    let refused = |stored: &[_]| KeyRing::restore(TokenUse::Access, stored).unwrap_err();
    assert_eq!(refused(&[]), RingProblem::Stored);
    assert_eq!(refused(&stored[1..]), RingProblem::Stored);
    assert_eq!(refused(&[stored[0].clone(), stored[0].clone()]), RingProblem::Stored);
    let twice = [stored[0].clone(), stored[1].clone(), stored[1].clone()];
    assert_eq!(refused(&twice), RingProblem::Stored);
    assert!(!format!("{stored:?}").contains("secret"), "{stored:?}");
}

#[test]
fn a_schedule_that_never_turns_is_refused() {
    let new = |active, published, lifetime| Schedule::new(Algorithm::EdDsa, active, published, lifetime);
    assert_eq!(new(HOUR, HOUR, HOUR).unwrap_err(), RingProblem::Schedule);
    assert_eq!(new(2 * HOUR, HOUR, Duration::from_millis(999)).unwrap_err(), RingProblem::Schedule);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Over any course of time that goes forward: one key signs, every token verifies until it ends, each key was
    /// published long enough before it signed, and the ring stays small.
    #[test]
    fn no_rotation_loses_a_token(steps in proptest::collection::vec((0_i64..40 * HOUR_S, 1_u64..=3600), 1..40)) {
        let profile = profile(TokenUse::Access);
        let schedule = schedule(Algorithm::EdDsa);
        let mut ring = ring(TokenUse::Access);
        let mut published = std::collections::BTreeMap::from([(active_id(&ring), None)]);
        let mut tokens = Vec::new();
        let mut now_s = NOW_S;
        for (step, (passed_s, lifetime_s)) in steps.into_iter().enumerate() {
            now_s += passed_s;
            let now = at(now_s);
            let mut seed = [step as u8; 32];
            seed[31] = 1;
            let (rotated, changes) = ring.rotate(&schedule, now, &seed).unwrap();
            let (again, none) = rotated.rotate(&schedule, now, &[200; 32]).unwrap();
            prop_assert_eq!(none, []);
            prop_assert_eq!(shown(&again), shown(&rotated));
            ring = rotated;
            for change in changes {
                if let Change::Published(id) = change {
                    published.insert(id.into_string(), Some(now_s));
                }
            }
            let since = published[&active_id(&ring)];
            prop_assert!(since.is_none_or(|since| now_s - since >= HOUR_S));
            prop_assert!(ring.stored().len() <= 3);
            let token = ring.issue(&profile, &claims(), now, Duration::from_secs(lifetime_s)).unwrap();
            tokens.push((token, now_s + lifetime_s as i64));
            let verifier = ring.verifier(profile.clone()).unwrap();
            for (token, expires_s) in &tokens {
                prop_assert_eq!(verifier.verify(token, now).is_ok(), *expires_s > now_s);
            }
        }
    }
}
