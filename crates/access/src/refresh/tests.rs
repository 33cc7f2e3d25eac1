//! Tests of refresh tokens: each step by name, and any course against a model that forgets nothing.

use proptest::prelude::*;

use super::*;

const LIFETIMES: Lifetimes =
    Lifetimes { idle: Duration::from_secs(3600), absolute: Duration::from_secs(24 * 3600) };

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// A client with the tokens that it was ever answered, in order, and the store.
struct Course {
    family: Family,
    tokens: Vec<RefreshToken>,
}

impl Course {
    fn begin() -> Self {
        let (family, token) = Family::begin("s-1", "portal", LIFETIMES, at(0), &[1; 48]);
        Self { family, tokens: vec![token] }
    }

    /// Uses the token of that number.
    fn present(&mut self, token: usize, seconds: i64) -> Result<usize, RefreshRefusal> {
        self.present_as("portal", token, seconds)
    }

    fn present_as(&mut self, client: &str, token: usize, seconds: i64) -> Result<usize, RefreshRefusal> {
        let presented = Presented::parse(self.tokens[token].expose()).unwrap();
        let mut random = [2; 32];
        random[0] = self.tokens.len() as u8;
        let (family, answer) = self.family.clone().step(&presented, client, LIFETIMES, at(seconds), &random);
        self.family = family;
        self.tokens.push(answer?);
        Ok(self.tokens.len() - 1)
    }
}

#[test]
fn each_token_is_used_once_and_answers_the_next() {
    let mut course = Course::begin();
    for token in 0..20 {
        assert_eq!(course.present(token, 100 * token as i64), Ok(token + 1));
    }
    let texts: std::collections::BTreeSet<&str> = course.tokens.iter().map(RefreshToken::expose).collect();
    assert_eq!(texts.len(), 21);
    assert_eq!(course.family.version, 20);
}

#[test]
fn an_old_token_ends_the_family_for_the_thief_and_the_owner() {
    let mut course = Course::begin();
    course.present(0, 0).unwrap();
    course.present(1, 100).unwrap();
    assert_eq!(course.present(0, 101), Err(RefreshRefusal::Reused));
    assert_eq!(course.present(2, 102), Err(RefreshRefusal::Revoked));
}

#[test]
fn a_lost_answer_is_answered_again_for_a_short_while() {
    let mut course = Course::begin();
    course.present(0, 0).unwrap();
    assert_eq!(course.present(0, RETRY_S), Ok(2));
    assert_eq!(course.present(2, 20), Ok(3));
    let mut late = Course::begin();
    late.present(0, 0).unwrap();
    assert_eq!(late.present(0, RETRY_S + 1), Err(RefreshRefusal::Reused));
}

#[test]
fn retries_are_counted_and_end_with_the_first_use_of_an_answer() {
    let mut many = Course::begin();
    for answer in 1..=SUCCESSORS_MAX {
        assert_eq!(many.present(0, 1), Ok(answer));
    }
    assert_eq!(many.present(0, 1), Err(RefreshRefusal::Reused));
    let mut used = Course::begin();
    used.present(0, 0).unwrap();
    used.present(1, 1).unwrap();
    assert_eq!(used.present(0, 2), Err(RefreshRefusal::Reused));
}

#[test]
fn a_thief_who_retries_in_time_is_found_at_the_next_use() {
    for (first, second) in [(1, 2), (2, 1)] {
        let mut course = Course::begin();
        course.present(0, 0).unwrap();
        course.present(0, 1).unwrap();
        assert_eq!(course.present(first, 1000), Ok(3));
        assert_eq!(course.present(second, 1001), Err(RefreshRefusal::Reused));
        assert_eq!(course.present(3, 1002), Err(RefreshRefusal::Revoked));
    }
}

#[test]
fn another_client_cannot_use_it_and_gives_the_theft_away() {
    let mut course = Course::begin();
    assert_eq!(course.present_as("other", 0, 0), Err(RefreshRefusal::OtherClient));
    assert_eq!(course.present(0, 1), Err(RefreshRefusal::Revoked));
}

#[test]
fn a_family_ends_when_it_idles_and_in_any_case() {
    let mut idle = Course::begin();
    assert_eq!(idle.present(0, 3599), Ok(1));
    assert_eq!(idle.present(1, 3599 + 3600), Err(RefreshRefusal::Expired));
    let mut busy = Course::begin();
    let mut token = 0;
    for hour in 1..48 {
        token = busy.present(token, hour * 1800 - 1).unwrap();
    }
    assert_eq!(busy.present(token, 24 * 3600), Err(RefreshRefusal::Expired));
    assert!(!busy.family.revoked);
}

#[test]
fn a_made_up_secret_of_a_known_family_ends_it_and_one_of_another_changes_nothing() {
    let mut course = Course::begin();
    let (_, other) = Family::begin("s-2", "portal", LIFETIMES, at(0), &[9; 48]);
    course.tokens.push(other);
    assert_eq!(course.present(1, 0), Err(RefreshRefusal::OtherFamily));
    assert_eq!(course.family.version, 0);
    course.tokens.push(RefreshToken::write(&[1; 16], &[77; 32]));
    assert_eq!(course.present(2, 0), Err(RefreshRefusal::Reused));
    assert!(course.family.revoked);
}

#[test]
fn the_text_of_a_token_has_one_exact_form() {
    let (family, token) = Family::begin("s-1", "portal", LIFETIMES, at(0), &[0; 48]);
    assert_eq!(token.expose(), format!("pcr_{}", "A".repeat(64)));
    assert_eq!(Presented::parse(token.expose()).unwrap().family(), family.name);
    for text in [
        String::new(),
        "pcr_".to_owned(),
        "A".repeat(68),
        format!("pcr_{}", "A".repeat(63)),
        format!("pcr_{}", "A".repeat(65)),
        format!("pcr_{}=", "A".repeat(64)),
        format!("PCR_{}", "A".repeat(64)),
        format!("pcr_{}", "A".repeat(4000)),
        format!("pcr_{} ", "A".repeat(63)),
    ] {
        assert_eq!(Presented::parse(&text).err(), Some(RefreshRefusal::Form), "{text}");
    }
}

#[test]
fn neither_what_is_stored_nor_what_is_shown_holds_the_token() {
    let (family, token) =
        Family::begin("s-1", "portal", LIFETIMES, at(0), b"sixteen of name and thirty-two of secret, 16 + 3");
    let shown = format!("{family:?} {token:?}");
    assert!(!shown.contains("115, 105, 120") && !shown.contains(&token.expose()[4..]), "{shown}");
    let bytes = b"sixteen of name and thirty-two of secret, 16 + 3";
    for stored in [family.name, family.current[0]] {
        assert!(!bytes.windows(4).any(|part| stored.0.windows(4).any(|other| other == part)));
    }
}

/// What a simple mind would keep: every token with its parent and the time of its first use.
#[derive(Default)]
struct Model {
    tokens: Vec<(Option<usize>, Option<i64>)>,
    last_used: Option<usize>,
    dead: bool,
}

impl Model {
    fn present(&mut self, token: usize, now: i64) -> bool {
        let (parent, used) = self.tokens[token];
        let answers = self.tokens.iter().filter(|(parent, _)| *parent == Some(token)).count();
        let is_fresh = used.is_none() && parent == self.last_used;
        let is_retry = self.last_used == Some(token)
            && used.is_some_and(|used| now - used <= RETRY_S)
            && answers < SUCCESSORS_MAX;
        if self.dead || !(is_fresh || is_retry) {
            self.dead = true;
            return false;
        }
        if is_fresh {
            self.tokens[token].1 = Some(now);
            self.last_used = Some(token);
        }
        self.tokens.push((Some(token), None));
        true
    }
}

proptest! {
    /// Any client, any thief, any order: the machine, which stores three hashes, agrees with the model, which keeps
    /// everything; and there are never two lines of descent.
    #[test]
    fn the_machine_agrees_with_a_model_that_forgets_nothing(
        uses in proptest::collection::vec((0_usize..4, 0_i64..8), 1..60),
    ) {
        let mut course = Course::begin();
        let mut model = Model { tokens: vec![(None, None)], ..Model::default() };
        let mut now = 0;
        for (back, passed) in uses {
            now += passed;
            let token = course.tokens.len().saturating_sub(1 + back);
            let answered = course.present(token, now);
            prop_assert_eq!(answered.is_ok(), model.present(token, now), "token {} at {}", token, now);
            prop_assert_eq!(course.family.revoked, model.dead);
            prop_assert!(course.family.current.len() <= SUCCESSORS_MAX);
        }
    }

    #[test]
    fn no_text_breaks_the_reader(text in ".{0,90}", body in "[A-Za-z0-9_-]{60,68}") {
        prop_assert!(Presented::parse(&text).is_err());
        prop_assert_eq!(Presented::parse(&format!("pcr_{body}")).is_ok(), body.len() == 64);
    }
}
