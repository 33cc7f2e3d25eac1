//! Tests of passwords: which may be chosen, who is let in, and what it costs to say so.

mod vectors;

use proptest::prelude::*;

use super::stored::DONE;
use super::*;

const PASSWORD: &str = "nine lilac trombones, 1 kite";

/// A verifier that tests need not wait for.
fn cheap(others: &[Work]) -> Verifier {
    Verifier::new(Cost::TINY, others.iter().copied())
}

fn stored(text: &str) -> StoredPassword {
    StoredPassword::parse(text).unwrap()
}

#[track_caller]
fn check_policy(password: &str, expected: Result<(), &str>) {
    let own = ["ada.lovelace@analytical-engine.example", "Ada Lovelace", "tasks"];
    let judged = Policy::default().check(&Candidate::new(password), &own);
    assert_eq!(
        judged.map_err(|weakness| weakness.to_string()),
        expected.map_err(str::to_owned),
        "{password}"
    );
}

#[test]
fn long_passwords_of_any_characters_may_be_chosen() {
    for password in [
        PASSWORD,
        "kM9#vT2$xQ7!",
        "  four blanks around  ",
        "Schl\u{fc}sselbundverl\u{e4}ngerung",
        "\u{5c}u{1f511}\u{1f511}\u{1f30a}\u{1f332}kelp raft omen",
    ] {
        check_policy(password, Ok(()));
    }
    check_policy(&"quiet lamp orbit! ".repeat(7), Ok(()));
}

#[test]
fn short_long_and_unprintable_ones_may_not() {
    let short = "use at least 12 characters; some words in a row are easy to remember";
    check_policy("", Err(short));
    check_policy("kM9#vT2$xQ7", Err(short));
    check_policy(&PASSWORD.repeat(5), Err("use at most 128 characters"));
    check_policy(&"x".repeat(1_000_000), Err("use at most 128 characters"));
    let odd = "leave out control characters and characters that are not in Unicode yet";
    for c in ['\0', '\n', '\t', '\u{7f}', '\u{85}', '\u{378}', '\u{e000}', '\u{10ffff}'] {
        check_policy(&format!("{PASSWORD}{c}"), Err(odd));
    }
}

#[test]
fn characters_are_counted_after_normalization_and_not_in_bytes() {
    let composed = "\u{e9}".repeat(128);
    let decomposed = "e\u{301}".repeat(128);
    assert_eq!(Candidate::new(&composed).characters(), 128);
    assert_eq!(Candidate::new(&decomposed).characters(), 128);
    assert_eq!(Candidate::new(&format!("{composed}a")).characters(), 129);
    assert_eq!(Candidate::new(&"\u{1f511}".repeat(12)).characters(), 12);
}

#[test]
fn guessable_ones_may_not_and_the_users_own_words_are_guessable() {
    for password in [
        "password1234",
        "qwertyuiop123",
        "aaaaaaaaaaaaaaa",
        "Ada.Lovelace",
        "adalovelacetasks",
        "AdaLovelace-2026!",
        "analytical-engine",
    ] {
        let judged = Policy::default().check(
            &Candidate::new(password),
            &["ada.lovelace@analytical-engine.example", "Ada Lovelace", "tasks"],
        );
        assert!(matches!(judged, Err(Weakness::Guessable(_))), "{password}: {judged:?}");
    }
    // Good, until it is the user's own.
    let own = "Zyxomma-Vlindertrap";
    assert!(Policy::default().check(&Candidate::new(own), &[]).is_ok());
    assert!(Policy::default().check(&Candidate::new(own), &["zyxomma@vlindertrap.example"]).is_err());
}

#[test]
fn a_setting_can_ask_for_more_characters_and_not_for_fewer() {
    let candidate = Candidate::new("kM9#vT2$xQ7!");
    assert!(Policy::new(0).check(&candidate, &[]).is_ok());
    assert_eq!(Policy::new(15).check(&candidate, &[]), Err(Weakness::TooShort(15)));
    assert_eq!(Policy::new(usize::MAX).check(&candidate, &[]), Err(Weakness::TooShort(64)));
}

#[test]
fn a_password_that_was_hashed_here_is_right_and_no_other_is() {
    let verifier = Verifier::new(Cost::OWASP, []);
    let hash = verifier.hash(&Candidate::new(PASSWORD), b"sixteen of salt!").unwrap();
    assert!(
        hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$c2l4dGVlbiBvZiBzYWx0IQ$"),
        "{}",
        hash.as_str()
    );
    assert_eq!(stored(hash.as_str()), hash);
    let account = Account::Known { password: &hash, standing: Standing::Active };
    assert_eq!(verifier.verify(&Candidate::new(PASSWORD), account), Verdict::Accepted { rehash: false });
    assert_eq!(verifier.verify(&Candidate::new("another"), account), Verdict::Refused(Reason::WrongPassword));
    assert_eq!(verifier.memory_kib(), 19 * 1024);
    assert!(!format!("{hash:?}").contains("salt!"));
    assert_eq!(format!("{:?}", Candidate::new(PASSWORD)), "Candidate(hidden)");
}

#[test]
fn a_hash_is_replaced_when_the_cost_rises_and_not_when_it_falls() {
    let low = cheap(&[]);
    let high = Verifier::new(Cost::OWASP, []);
    let candidate = Candidate::new(PASSWORD);
    let of_low = low.hash(&candidate, b"sixteen of salt!").unwrap();
    let of_high = high.hash(&candidate, b"sixteen of salt!").unwrap();
    let verify = |verifier: &Verifier, password| {
        verifier.verify(&candidate, Account::Known { password, standing: Standing::Active })
    };
    assert_eq!(verify(&high, &of_low), Verdict::Accepted { rehash: true });
    assert_eq!(verify(&low, &of_high), Verdict::Accepted { rehash: false });
}

#[test]
fn a_cost_below_owasps_or_beyond_all_measure_is_refused() {
    for (memory_kib, passes, lanes) in
        [(47_104, 1, 1), (19_456, 2, 1), (12_288, 3, 1), (9216, 4, 1), (7168, 5, 1), (262_144, 4, 16)]
    {
        assert!(Cost::new(memory_kib, passes, lanes).is_ok(), "{memory_kib} {passes}");
    }
    for (memory_kib, passes, lanes) in [
        (19_456, 1, 1),
        (7167, 100, 1),
        (0, 0, 0),
        (262_145, 1, 1),
        (262_144, 5, 1),
        (19_456, 2, 0),
        (19_456, 2, 17),
        (u32::MAX, u32::MAX, 1),
    ] {
        assert_eq!(Cost::new(memory_kib, passes, lanes), Err(CostProblem), "{memory_kib} {passes}");
    }
}

const BCRYPT: &str = "$2b$04$nEBAepyZ3TnpmR4nu.Gu4O98I50EWmAzP8i/Miz9a4iOEoro/I8tW";
const SHA_CRYPT: &str = "$5$6Mx8eZ2Plf93ueUl$ffMr6STPdB/GSJeKNq3cCk2hUda.8wXBPOxb06oggP9";
const PBKDF2: &str = "$pbkdf2-sha256$1200$QKh1bq31PgcgxJizljIGQA$hllcrEUXcv3aou/LXdrnhN6qfJ5D2ToSmKYB26nwq9M";

#[test]
fn everybody_costs_the_same_works_in_the_same_order() {
    let imported = [BCRYPT, SHA_CRYPT, PBKDF2].map(stored);
    let verifier = cheap(&imported.each_ref().map(StoredPassword::work));
    let own = verifier.hash(&Candidate::new(PASSWORD), b"sixteen of salt!").unwrap();
    let works = |candidate: &str, account| {
        DONE.take();
        let _ = verifier.verify(&Candidate::new(candidate), account);
        DONE.take()
    };
    for candidate in [PASSWORD, "correct horse battery staple", "wrong", "", &"x".repeat(5000)] {
        let unknown = works(candidate, Account::Unknown);
        assert_eq!(unknown.len(), 4, "{candidate}");
        for password in imported.iter().chain([&own]) {
            for standing in [Standing::Active, Standing::Locked, Standing::Disabled] {
                let known = works(candidate, Account::Known { password, standing });
                assert_eq!(known, unknown, "{candidate}: {password:?} {standing:?}");
            }
        }
    }
    // Typed so that it has two forms: twice the work, for everybody.
    let unknown = works("u\u{308}ber alle Berge", Account::Unknown);
    let known =
        works("u\u{308}ber alle Berge", Account::Known { password: &own, standing: Standing::Active });
    assert_eq!((unknown.len(), &known), (8, &unknown));
}

#[test]
fn nobody_is_let_in_who_is_locked_disabled_or_unknown_however_right_the_password_is() {
    let verifier = cheap(&[]);
    let candidate = Candidate::new(PASSWORD);
    let password = &verifier.hash(&candidate, b"sixteen of salt!").unwrap();
    for (standing, reason) in [(Standing::Locked, Reason::Locked), (Standing::Disabled, Reason::Disabled)] {
        for candidate in [&candidate, &Candidate::new("wrong")] {
            let verdict = verifier.verify(candidate, Account::Known { password, standing });
            assert_eq!(verdict, Verdict::Refused(reason));
        }
    }
    assert_eq!(verifier.verify(&candidate, Account::Unknown), Verdict::Refused(Reason::Unknown));
}

#[test]
fn what_stands_for_a_password_that_is_too_long_is_nobodys_password() {
    let verifier = cheap(&[]);
    let of_nothing = verifier.hash(&Candidate::new(""), b"sixteen of salt!").unwrap();
    let account = Account::Known { password: &of_nothing, standing: Standing::Active };
    for long in ["x".repeat(129), "x".repeat(5000)] {
        assert_eq!(verifier.verify(&Candidate::new(&long), account), Verdict::Refused(Reason::WrongPassword));
        assert!(verifier.hash(&Candidate::new(&long), b"sixteen of salt!").is_none());
    }
}

#[test]
fn the_works_that_are_evened_out_are_few() {
    let bcrypt = (4..=14).map(|cost| Work::Bcrypt { cost });
    let verifier = Verifier::new(Cost::OWASP, bcrypt.chain([Work::Bcrypt { cost: 4 }]));
    assert_eq!(verifier.memory_kib(), 19 * 1024);
    DONE.take();
    let few = cheap(&[stored(BCRYPT).work(), stored(BCRYPT).work()]);
    let _ = few.verify(&Candidate::new(PASSWORD), Account::Unknown);
    assert_eq!(DONE.take().len(), 2);
    assert!(format!("{verifier:?}").matches("Bcrypt").count() == WORKS_MAX - 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_breaks_the_reader_of_stored_forms(
        text in ".{0,120}",
        name in "argon2id|argon2i|2a|2b|5|6|pbkdf2|pbkdf2-sha256|apr1",
        rest in "[$=,a-z0-9./+]{0,80}",
    ) {
        prop_assert!(StoredPassword::parse(&text).is_err());
        // What passes all the same is bounded.
        if let Ok(stored) = StoredPassword::parse(&format!("${name}${rest}")) {
            prop_assert!(stored.work().memory_kib() <= 256 * 1024);
        }
    }
}

proptest! {
    // zxcvbn is slow without optimisation.
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_password_can_be_judged(text in "\\PC{0,140}", own in "\\PC{0,40}") {
        let candidate = Candidate::new(&text);
        let judged = Policy::default().check(&candidate, &[&own]);
        if judged.is_ok() {
            prop_assert!((CHARACTERS_MIN..=CHARACTERS_MAX).contains(&candidate.characters()));
        }
    }
}
