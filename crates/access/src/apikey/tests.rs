//! Tests of API keys: their text, their hash, and the ring.

use portcullis_model::Permission;
use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;

const IMPORTED: &str = "q8fJ2-kZr_0VbN7wYtLx4mPdSgHc9aTe";
const SECRET: &[u8] = b"a hash key of more than 32 bytes, for tests only";

fn fresh(seed: u8) -> String {
    let mut random = [0; 32];
    for (index, byte) in random.iter_mut().enumerate() {
        *byte = seed.wrapping_mul(31).wrapping_add(index as u8 * 7);
    }
    generate(&random).expose_secret().to_owned()
}

fn hash_key() -> HashKey {
    HashKey::new(SECRET).unwrap()
}

#[track_caller]
fn check_text(presented: &str, expected: Result<(), KeyFormProblem>) {
    assert_eq!(check_form(presented), expected, "{presented}");
}

#[test]
fn the_text_of_a_key_has_one_exact_form() {
    let zero = generate(&[0; 32]);
    assert_eq!(zero.expose_secret(), "pcl_00000000000000000000000000000000000000000002x8AOb");
    let ones = generate(&[0xFF; 32]);
    assert_eq!(ones.expose_secret(), "pcl_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp10CEHPR");
    let counting = generate(&std::array::from_fn(|index| index as u8));
    assert_eq!(counting.expose_secret(), "pcl_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf2ZF8c1");
}

#[test]
fn a_key_that_was_made_here_is_in_form() {
    check_text(&fresh(1), Ok(()));
    check_text(generate(&[0; 32]).expose_secret(), Ok(()));
}

#[test]
fn an_imported_key_needs_no_checksum() {
    check_text(IMPORTED, Ok(()));
    check_text("3b1f8c0e-5a7d-4e2b-9c64-0d8f1a2b3c4e", Ok(()));
}

#[test]
fn what_is_not_visible_ascii_or_too_long_is_malformed() {
    for text in
        ["with a blank in it, and long enough for a key", "tab\there, and long enough for a key, really"]
    {
        check_text(text, Err(KeyFormProblem::Malformed));
    }
    check_text("schlüssel-der-lang-genug-wäre-um-zu-gelten", Err(KeyFormProblem::Malformed));
    check_text(&"aB3".repeat(171), Err(KeyFormProblem::Malformed));
}

#[test]
fn a_short_key_is_refused() {
    check_text("", Err(KeyFormProblem::TooShort(0)));
    check_text("s3cr3t", Err(KeyFormProblem::TooShort(6)));
    check_text(&IMPORTED[1..], Err(KeyFormProblem::TooShort(31)));
}

#[test]
fn keys_out_of_documentation_are_refused() {
    for text in [
        "your-secure-api-key-here",
        "YOUR_SECURE_API_KEY_HERE_32_CHARACTERS_MIN",
        "your-256-bit-api-key-here-0123456789",
        "changeme",
        "change-me-change-me-change-me-change-me",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "sk_live_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "testtesttesttesttesttesttesttesttest",
        "this-is-an-example-key-for-the-manual",
        "placeholder-placeholder-placeholder",
        "<your-production-credential-goes-in-here>",
        "${PORTCULLIS_CLIENT_CREDENTIAL_FROM_ENV}",
        "{{client_credential_from_the_template}}",
        "12345678901234567890123456789012",
        "0123456789abcdef0123456789abcdef",
        "abcdefghijklmnopqrstuvwxyzabcdef",
        "pcl_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "pcl_...",
    ] {
        check_text(text, Err(KeyFormProblem::Placeholder));
    }
}

#[test]
fn a_mistyped_or_cut_key_is_refused_by_its_checksum() {
    let key = fresh(2);
    let swapped =
        if key.contains('q') { key.replacen('q', "r", 1) } else { key.replacen(&key[10..11], "q", 1) };
    check_text(&swapped, Err(KeyFormProblem::Checksum));
    check_text(&key[..key.len() - 1], Err(KeyFormProblem::Checksum));
    check_text(&format!("{key}0"), Err(KeyFormProblem::Checksum));
    check_text(&key.to_uppercase().replacen("PCL_", "pcl_", 1), Err(KeyFormProblem::Checksum));
}

#[test]
fn problems_do_not_repeat_the_text() {
    assert_eq!(
        check_form("hunter2").unwrap_err().to_string(),
        "an api key has at least 32 characters, this one has 7"
    );
}

proptest! {
    #[test]
    fn every_generated_key_is_in_form_and_its_own(random: [u8; 32], other: [u8; 32]) {
        let key = generate(&random);
        prop_assert_eq!(key.expose_secret().len(), 53);
        prop_assert_eq!(check_form(key.expose_secret()), Ok(()));
        prop_assert_eq!(random == other, key.expose_secret() == generate(&other).expose_secret());
    }

    #[test]
    fn one_wrong_character_never_passes(random: [u8; 32], place in 4..53_usize, wrong in "[0-9A-Za-z]") {
        let key = generate(&random);
        let mut text = key.expose_secret().to_owned();
        prop_assume!(text[place..=place] != wrong);
        text.replace_range(place..=place, &wrong);
        prop_assert!(check_form(&text).is_err());
    }

    #[test]
    fn no_text_makes_the_check_fail(text in ".{0,80}") {
        let _ = check_form(&text);
        let _ = KeyHash::parse(&text);
    }
}

#[test]
fn the_hash_is_hmac_sha256() {
    // From `openssl dgst -sha256 -hmac`.
    let expected = "hmac-sha256:9ffec7de80b5f34ce270a91d1055c5f9229a59edebd1e439ebd33e7ac954fa1e";
    assert_eq!(hash_key().hash(IMPORTED).to_string(), expected);
}

#[test]
fn a_hash_is_read_as_it_is_written() {
    let hash = hash_key().hash(IMPORTED);
    assert_eq!(KeyHash::parse(&hash.to_string()), Ok(hash));
    let digits = "0f".repeat(32);
    assert_eq!(
        KeyHash::parse(&format!("hmac-sha256:{}", digits.to_uppercase())),
        KeyHash::parse(&format!("hmac-sha256:{digits}"))
    );
    for text in ["", "hmac-sha256:", &digits, &format!("sha256:{digits}"), &format!("hmac-sha256:{digits}0")]
    {
        assert_eq!(KeyHash::parse(text), Err(KeyHashError), "{text}");
    }
    assert_eq!(KeyHash::parse(&format!("hmac-sha256:g{}", &digits[1..])), Err(KeyHashError));
    assert_eq!(KeyHash::parse(&format!("hmac-sha256:é{}", &digits[2..])), Err(KeyHashError));
}

#[test]
fn a_hash_key_must_be_long_and_drawn_at_random() {
    assert_eq!(HashKey::new(&[1; 31]).unwrap_err(), HashKeyError::TooShort(31));
    assert_eq!(HashKey::new(&[1; 64]).unwrap_err(), HashKeyError::Repeated);
    assert!(HashKey::new(&SECRET[..32]).is_ok());
}

#[test]
fn another_hash_key_makes_another_hash() {
    let other = HashKey::new(b"another hash key of more than 32 bytes").unwrap();
    assert_ne!(other.hash(IMPORTED), hash_key().hash(IMPORTED));
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn application(name: &str) -> ApplicationName {
    ApplicationName::parse(name).unwrap()
}

fn declared(name: &str, text: &str) -> ApiKey {
    ApiKey {
        name: KeyName::parse(name).unwrap(),
        owner: "ann".into(),
        roles: vec![RoleName::parse("user").unwrap()],
        permissions: [Permission::parse("read:tasks").unwrap()].into_iter().collect(),
        applications: Vec::new(),
        expires: Some(time("2026-02-01T00:00:00Z")),
        hash: hash_key().hash(text),
    }
}

fn ring() -> KeyRing {
    let shop =
        ApiKey { applications: vec![application("shop")], expires: None, ..declared("shop", IMPORTED) };
    KeyRing::new(Some(hash_key()), vec![declared("ci", &fresh(1)), shop])
}

/// Presents a key to `ring` for an application at a time, and shows whose it is or why it is refused.
#[track_caller]
fn check(ring: &KeyRing, presented: &str, target: &str, now: &str, expected: &str) {
    let shown = match ring.verify(presented, &application(target), time(now)) {
        Ok(principal) => format!("{} of {}", principal.key, principal.owner),
        Err(refusal) => refusal.to_string(),
    };
    assert_eq!(shown, expected);
}

const JANUARY: &str = "2026-01-15T00:00:00Z";

#[test]
fn a_declared_key_stands_for_its_owner() {
    check(&ring(), &fresh(1), "tasks", JANUARY, "ci of ann");
    check(&ring(), IMPORTED, "shop", JANUARY, "shop of ann");
    let principal = ring().verify(&fresh(1), &application("tasks"), time(JANUARY)).unwrap();
    assert_eq!(principal.permissions.to_string(), "read:tasks");
    assert_eq!(principal.roles, [RoleName::parse("user").unwrap()]);
}

#[test]
fn a_key_ends_at_its_instant() {
    check(&ring(), &fresh(1), "tasks", "2026-01-31T23:59:59Z", "ci of ann");
    check(&ring(), &fresh(1), "tasks", "2026-02-01T00:00:00Z", "the api key has expired");
    check(&ring(), IMPORTED, "shop", "2999-01-01T00:00:00Z", "shop of ann");
}

#[test]
fn a_key_for_one_application_opens_no_other() {
    check(&ring(), IMPORTED, "tasks", JANUARY, "the api key is not good for this application");
}

#[test]
fn an_undeclared_key_is_unknown() {
    check(&ring(), &fresh(9), "tasks", JANUARY, "the api key is not known");
    check(&KeyRing::default(), &fresh(1), "tasks", JANUARY, "the api key is not known");
    let without_hash_key = KeyRing::new(None, vec![declared("ci", &fresh(1))]);
    check(&without_hash_key, &fresh(1), "tasks", JANUARY, "the api key is not known");
}

#[test]
fn the_stored_hash_itself_is_no_key() {
    let stored = hash_key().hash(&fresh(1)).to_string();
    check(&ring(), &stored, "tasks", JANUARY, "the api key is not known");
}

#[test]
fn a_key_out_of_form_is_refused_before_any_look_up() {
    let refused = ring().verify("changeme", &application("tasks"), time(JANUARY));
    assert_eq!(refused, Err(KeyRefusal::Form(KeyFormProblem::Placeholder)));
}

#[test]
fn of_two_keys_with_one_hash_the_first_counts() {
    let ring =
        KeyRing::new(Some(hash_key()), vec![declared("first", IMPORTED), declared("second", IMPORTED)]);
    assert_eq!(ring.len(), 1);
    check(&ring, IMPORTED, "tasks", JANUARY, "first of ann");
}

#[test]
fn debug_output_hides_every_secret() {
    assert_eq!(format!("{:?}", hash_key()), "HashKey(hidden)");
    assert_eq!(format!("{:?}", ring()), "KeyRing { keys: 2, .. }");
    assert!(!format!("{:?}", generate(&[7; 32])).contains("pcl_"));
}

#[test]
fn a_key_is_found_by_its_name_also_when_it_has_ended() {
    let ring = ring();
    let named = |name| ring.named(&KeyName::parse(name).unwrap()).map(|key| key.principal().owner);
    assert_eq!((named("ci").as_deref(), named("nobody")), (Some("ann"), None));
}
