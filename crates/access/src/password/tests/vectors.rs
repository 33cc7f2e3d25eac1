//! Hashes of other programs: verified, or refused with a clear word.
//!
//! Made on Debian 12 with Python 3.11's argon2-cffi 25.1.0 (`low_level.hash_secret`), bcrypt 5.0.0 (`hashpw`) and passlib
//! 1.7.4 (`pbkdf2_*.using(rounds=1200)`), htpasswd of apache2-utils 2.4.71 (`-nb`), and mkpasswd of whois 5.5.17 over
//! libcrypt 4.4.33 (`-m`), of the two passwords below; costs are low so that the tests are quick.

use super::*;

const ASCII: &str = "correct horse battery staple";
const UMLAUTS: &str = "Gr\u{fc}\u{df}e aus K\u{f6}ln 2026";

/// The same with each umlaut as a letter and a mark, as some keyboards write it.
const UMLAUTS_NFD: &str = "Gru\u{308}\u{df}e aus Ko\u{308}ln 2026";

/// 72 characters, all that bcrypt looks at.
const LONG: &str = "0123456789012345678901234567890123456789012345678901234567890123456789ab";

/// Made by, of, to.
const VERIFIED: [(&str, &str, &str); 19] = [
    (
        "argon2-cffi 25.1.0",
        ASCII,
        "$argon2id$v=19$m=64,t=2,p=1$c2l4dGVlbiBvZiBzYWx0IQ$rhCO0eglLqnSRLcV4zOob+I7p4P5ActraK42ZZSSw2c",
    ),
    (
        "argon2-cffi 25.1.0",
        ASCII,
        "$argon2i$v=19$m=64,t=2,p=1$c2l4dGVlbiBvZiBzYWx0IQ$vfsMmjm44vcSAdCL36D4+u1NzGHznyH+AE+SL8Ax7Q0",
    ),
    (
        "argon2-cffi 25.1.0",
        ASCII,
        "$argon2d$v=19$m=64,t=2,p=1$c2l4dGVlbiBvZiBzYWx0IQ$dvLgDsGMYql32PIaP7765L/2o7ZS0QKmQLSwRcMojGg",
    ),
    (
        "argon2-cffi 25.1.0",
        ASCII,
        "$argon2id$v=19$m=256,t=3,p=4$c2l4dGVlbiBvZiBzYWx0IQ$8dYGVJBNxkHPPhFBzOW7zdy9HW9u6rW6UrfAKH+Ei6w",
    ),
    (
        "argon2-cffi 25.1.0",
        ASCII,
        "$argon2id$v=19$m=19456,t=2,p=1$c2l4dGVlbiBvZiBzYWx0IQ$wbnOex0AoiXbZwXc54jk1RYadLEmwjqQDlfrtGolLxk",
    ),
    ("bcrypt 5.0.0", ASCII, "$2b$04$zQ4QT5HToJYD8e/WfJmF6.pi9.xtxWsSHpM5OZUmyw1M8kBQG6.yO"),
    ("bcrypt 5.0.0, prefix 2a", UMLAUTS, "$2a$04$NGbb6XJNmV4rqscMoQj14u3AznJVW.cVmPUebQdLTHo4oigEj9Vb."),
    ("htpasswd -B -C 5", ASCII, "$2y$05$/PJoSsA5STRG3dpgTn/q6.eJEtO9FiAEJM43CkZe6o.SScv0E1L9K"),
    ("htpasswd -2", ASCII, "$5$bXojwT6zBE.3ebKW$DP55vHVgtBy8bPBoESoicJ2AVhBkNbnwJ5vellN0soD"),
    (
        "htpasswd -5",
        ASCII,
        "$6$AzdkHXfviHiPO481$J9ixAuPTyQE7AIm1w/D7AJUBE7CEMQP4s9vJ9ycJzS.hLJeMe7wZDLTsiMs/M6JZcy.0fLe0n9ujP5JZ0YMq2.",
    ),
    (
        "mkpasswd sha-512",
        ASCII,
        "$6$wf3v1buASGpHbWBL$w8BxBntMFifcU8mP52zEqtv0IzdZUtoPnDpR6ggcbF8U2tX0QRJOyqRx5j.J3gRjNIMr88P5h1n35gfv88g62.",
    ),
    (
        "mkpasswd sha-512 -R 1500",
        UMLAUTS,
        "$6$rounds=1500$Uy/RgtY.SexbmUbJ$JY0lYbB8Xp8BMsLn9AfIjD/.zEjcnzxmG.TzdvFsprroA/2wDaa3XGLLg3ZsMy4DQyRGQT/sUb4POnVXMmwll1",
    ),
    ("mkpasswd sha-256", ASCII, "$5$fnwRLYiJAVyO1ScM$CgvTagtYoa2buFil2C7G8oyP7wEBTjYoLALjVdVd6bA"),
    (
        "mkpasswd sha-256 -R 1500",
        UMLAUTS,
        "$5$rounds=1500$eNRiikZicAn122Xb$S1LkHg3zfhwJzgid6ECyu9Bh31OEaoMmdABs/C10bN1",
    ),
    ("passlib 1.7.4", ASCII, "$pbkdf2$1200$1HqvtZaS8p4TorQ25pwzJg$Ok8W6qTs0NBTC9OVfBbzytuu0cc"),
    (
        "passlib 1.7.4",
        ASCII,
        "$pbkdf2-sha256$1200$2RtjTCklhLC2NqZ0bq0Vgg$dq8LKhDounliWJAKH3NAqlRy4c8GjZgD4UHAPrkBI.E",
    ),
    (
        "passlib 1.7.4",
        ASCII,
        "$pbkdf2-sha512$1200$0lqLsRYiJORcC2FMKWUMwQ$iVaKH9yqVa0uDOEh/gPypXMOPMGlceXH822jxS0Sk3ugvNetciT38a7QUZq902MlkfXwotvdu/koAAC5BHfcoA",
    ),
    (
        "hashlib.pbkdf2_hmac, sha384",
        ASCII,
        "$pbkdf2-sha384$900$cxEiD0Nd3r8r8mvgE8OQhQ$8c3ATCJMgw3h1Hf7s5UEem0/MI/JgHRpt4eV4Eyoue/RGgMvkvlA3yFKBrnpNQez",
    ),
    (
        "hashlib.pbkdf2_hmac, sha512, a salt of `.`",
        ASCII,
        "$pbkdf2-sha512$900$/.../.../.../.../.../...$0BbK3JbVv.OXUX2UQdvJ3Dbx2U53IAps06xlHdI444zFq2QkdZ2sP7VxPD7/eR8Pq.kHv/exCW1zEJnRnYAjxw",
    ),
];

const OF_UMLAUTS: &str =
    "$argon2id$v=19$m=64,t=1,p=1$c2l4dGVlbiBvZiBzYWx0IQ$zLh7mFQ6LAg0OIiPIs+5SdaABpx//pCu5SLI0sN52ZU";
const OF_UMLAUTS_NFD: &str =
    "$argon2id$v=19$m=64,t=1,p=1$c2l4dGVlbiBvZiBzYWx0IQ$gAA5uH2mF7T+4wSwDcgNLgo2F5NHdSV2jVkPQKowsiA";
const BCRYPT_OF_LONG: &str = "$2b$04$cE6blJy1NbfFY.PGo4vjM.9tv0cWoLRe9TdlZ63Dmq2sZXwoRzBO2";

fn verdict(stored: &str, password: &str) -> Verdict {
    let password_hash = StoredPassword::parse(stored).unwrap();
    let account = Account::Known { password: &password_hash, standing: Standing::Active };
    cheap(&[]).verify(&Candidate::new(password), account)
}

#[test]
fn the_hashes_of_other_programs_are_verified_and_replaced() {
    for (made_by, password, stored) in VERIFIED {
        let is_right = matches!(verdict(stored, password), Verdict::Accepted { .. });
        assert!(is_right, "{made_by}: {stored}");
        let is_kept = stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$");
        let is_behind = StoredPassword::parse(stored).unwrap().is_behind(Cost::OWASP);
        assert_eq!(is_behind, !is_kept, "{made_by}: {stored}");
        for other in ["", &password[1..], &format!("{password} "), &password.to_uppercase()] {
            let refused = Verdict::Refused(Reason::WrongPassword);
            assert_eq!(verdict(stored, other), refused, "{made_by}: {stored}: {other}");
        }
    }
}

#[test]
fn umlauts_are_the_same_however_they_are_typed_and_however_the_other_program_hashed_them() {
    for password in [UMLAUTS, UMLAUTS_NFD] {
        assert!(matches!(verdict(OF_UMLAUTS, password), Verdict::Accepted { .. }));
    }
    // What another program hashed without normalizing is right only as it was typed there, and only once: the new hash
    // is of the normal form.
    assert_eq!(verdict(OF_UMLAUTS_NFD, UMLAUTS_NFD), Verdict::Accepted { rehash: true });
    assert_eq!(verdict(OF_UMLAUTS_NFD, UMLAUTS), Verdict::Refused(Reason::WrongPassword));
}

#[test]
fn bcrypt_does_not_take_a_longer_password_for_the_72_bytes_that_it_knows() {
    assert_eq!(verdict(BCRYPT_OF_LONG, LONG), Verdict::Accepted { rehash: true });
    for other in [&LONG[..71], &format!("{LONG}c"), &format!("{LONG}\0"), &format!("{}\0", &LONG[..71])] {
        assert_eq!(verdict(BCRYPT_OF_LONG, other), Verdict::Refused(Reason::WrongPassword), "{other:?}");
    }
    // To most implementations this and the password without its end are the same.
    let (_, password, stored) =
        VERIFIED.into_iter().find(|(_, _, stored)| stored.starts_with("$2b")).unwrap();
    let with_zero = format!("{password}\0more");
    assert_eq!(verdict(stored, &with_zero), Verdict::Refused(Reason::WrongPassword));
}

#[track_caller]
fn check_refused(stored: &str, expected: HashProblem) {
    assert_eq!(StoredPassword::parse(stored).unwrap_err(), expected, "{stored}");
}

#[test]
fn forms_that_are_as_good_as_plain_text_or_not_built_are_named() {
    check_refused("$apr1$wm8jYE1n$wXyImKpWmbBQz/Ot7n8S0.", HashProblem::Weak("MD5-crypt"));
    check_refused("{SHA}q/eq1kOINtvlJqojGr3i0O73TUI=", HashProblem::Weak("{SHA}"));
    check_refused("/zAKcp.5hjZ.w", HashProblem::Unknown);
    let yescrypt = "$y$j9T$OcLit66NHwjITN6uwOq4L/$Xp5IrwQfkIiq8Ryxg2O93S7F0exc.zdkjeUnHprGe8A";
    check_refused(yescrypt, HashProblem::Unsupported("yescrypt"));
    let scrypt = "$7$CU..../....Yq6FK8hDix3in/vhK/in10$3wVgNDG67nCJhrgG4EowLEdEaQeTEHUJdNOQA3tmttD";
    check_refused(scrypt, HashProblem::Unsupported("scrypt"));
    check_refused("$scrypt$ln=16,r=8,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo", HashProblem::Unsupported("scrypt"));
    check_refused(&VERIFIED_BCRYPT.replace("$2b$", "$2x$"), HashProblem::Unsupported("bcrypt $2x$"));
    let sha224 = "$pbkdf2-sha224$310000$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNo";
    check_refused(sha224, HashProblem::Unsupported("pbkdf2-sha224"));
    check_refused("$bcrypt-sha256$v=2,t=2b,r=12$x$y", HashProblem::Unsupported("bcrypt-sha256"));
    for plain in ["", "hunter2", "correct horse battery staple", "$", "$$$$", "$unknown$x"] {
        check_refused(plain, HashProblem::Unknown);
    }
}

const VERIFIED_BCRYPT: &str = "$2b$04$zQ4QT5HToJYD8e/WfJmF6.pi9.xtxWsSHpM5OZUmyw1M8kBQG6.yO";

#[test]
fn a_hostile_import_cannot_take_more_than_a_bounded_piece_of_memory_and_time() {
    for parameters in [
        "m=4294967295,t=1,p=1",
        "m=262145,t=1,p=1",
        "m=262144,t=5,p=1",
        "m=64,t=4294967295,p=1",
        "m=65536,t=1,p=17",
    ] {
        let stored = format!(
            "$argon2id$v=19${parameters}$c2l4dGVlbiBvZiBzYWx0IQ$rhCO0eglLqnSRLcV4zOob+I7p4P5ActraK42ZZSSw2c"
        );
        check_refused(&stored, HashProblem::TooExpensive);
    }
    for cost in ["15", "31"] {
        check_refused(&VERIFIED_BCRYPT.replace("$04$", &format!("${cost}$")), HashProblem::TooExpensive);
    }
    for (made_by, _, stored) in VERIFIED {
        let many = stored.replace("$1200$", "$2000001$").replace("=1500$", "=2000001$");
        if many != stored {
            assert_eq!(StoredPassword::parse(&many).unwrap_err(), HashProblem::TooExpensive, "{made_by}");
        }
    }
}

#[test]
fn a_form_that_was_cut_or_changed_is_malformed() {
    for (made_by, password, stored) in VERIFIED {
        for end in 0..stored.len() {
            let cut = StoredPassword::parse(&stored[..end]);
            // Argon2 makes another hash of another length, so a shorter one is a form, and nobody's. Those of much
            // memory are not computed, for the tests' sake.
            let is_right = cut.is_ok_and(|cut| cut.work().memory_kib() < 1024 && cut.is_of(password));
            assert!(!is_right, "{made_by}: {}", &stored[..end]);
        }
        assert!(StoredPassword::parse(&format!("{stored}$")).is_err(), "{made_by}");
        assert!(StoredPassword::parse(&format!("{stored}=")).is_err(), "{made_by}");
        assert!(StoredPassword::parse(&format!(" {stored}")).is_err(), "{made_by}");
    }
    for stored in [
        "$argon2id$m=64,t=2,p=1$c2l4dGVlbiBvZiBzYWx0IQ$rhCO0eglLqnSRLcV4zOob+I7p4P5ActraK42ZZSSw2c",
        "$argon2id$v=16$m=64,t=2,p=1$c2l4dGVlbiBvZiBzYWx0IQ$rhCO0eglLqnSRLcV4zOob+I7p4P5ActraK42ZZSSw2c",
        "$argon2id$v=19$m=64,t=2,p=1,keyid=AAAA$c2l4dGVlbiBvZiBzYWx0IQ$rhCO0eglLqnSRLcV4zOob+I7p4P5ActraK42ZZSSw2c",
        "$argon2id$v=19$m=64,t=2,p=0$c2l4dGVlbiBvZiBzYWx0IQ$rhCO0eglLqnSRLcV4zOob+I7p4P5ActraK42ZZSSw2c",
        "$2b$4$nEBAepyZ3TnpmR4nu.Gu4O98I50EWmAzP8i/Miz9a4iOEoro/I8tW",
        "$2b$+4$nEBAepyZ3TnpmR4nu.Gu4O98I50EWmAzP8i/Miz9a4iOEoro/I8tW",
        "$pbkdf2-sha256$01200$QKh1bq31PgcgxJizljIGQA$hllcrEUXcv3aou/LXdrnhN6qfJ5D2ToSmKYB26nwq9M",
        "$pbkdf2-sha256$0$QKh1bq31PgcgxJizljIGQA$hllcrEUXcv3aou/LXdrnhN6qfJ5D2ToSmKYB26nwq9M",
        "$5$rounds=999$6Mx8eZ2Plf93ueUl$ffMr6STPdB/GSJeKNq3cCk2hUda.8wXBPOxb06oggP9",
        "$5$rounds=+1500$6Mx8eZ2Plf93ueUl$ffMr6STPdB/GSJeKNq3cCk2hUda.8wXBPOxb06oggP9",
        "$5$$ffMr6STPdB/GSJeKNq3cCk2hUda.8wXBPOxb06oggP9",
    ] {
        check_refused(stored, HashProblem::Malformed);
    }
}
