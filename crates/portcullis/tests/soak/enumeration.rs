//! Who has an account cannot be told by how long a refused log-in takes: five hundred tries for each kind of account, in
//! random order, each from an address of its own, as somebody with many machines would do it.
//!
//! **How kinds are compared.** By ranks (Mann and Whitney): how often does one kind take longer than the unknown names,
//! and how far is that from half of all pairs, in standard deviations of what chance does to equal kinds? Ranks do
//! not mind that times have a long tail. Chance alone is farther off than [`FAR`] once in 16,000 times. What was measured
//! also says which difference would have been seen; a machine too busy to show one fails the test.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use portcullis_testkit::{Gate, Random, Upstream};
use serde_json::Value;

use crate::people::{
    ARGON2, Form, PASSWORD, asked, config, import, somewhere, status_of, token_bytes, types,
};
use crate::{is_wanted, say, start};

/// Rounds, and in each of them so many tries of each kind. A locked account is locked for a minute, so it is locked in
/// the round in which it is tried.
const ROUNDS: u32 = 10;
const TRIES: u32 = 50;
/// Tries for one account, fewer than lock it.
const FOR_ONE: u32 = 5;
/// Wrong passwords that lock an account.
const TO_LOCK: u32 = 10;
/// So many standard deviations are not chance.
const FAR: f64 = 4.0;
/// The difference that must be seen if it is there, as a part of what a log-in takes.
const TO_BE_SEEN: f64 = 0.1;
const WRONG: &str = "incorrect horse battery staple";
/// [`PASSWORD`] under bcrypt at cost 8, made by htpasswd of apache2-utils 2.4.71.
const BCRYPT: &str = "$2y$08$mjRdxKzvG3gfRkogJ0OugO/Lf8TdYnRsBPBLvFFfVla/vtQ0bsd0C";

/// What an account can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    /// Nobody has the name.
    Unknown,
    /// It has a password, which is not the one that is tried.
    Known,
    /// There were too many wrong passwords.
    Locked,
    /// It was closed. The password that is tried is the right one.
    Disabled,
    /// Its owner has chosen no password yet.
    WithoutPassword,
    /// Its password came from another program.
    Imported,
}

impl Kind {
    /// Equally long for all, so that nothing else differs.
    fn name(self, number: u32) -> String {
        let letter = match self {
            Self::Unknown => 'u',
            Self::Known => 'k',
            Self::Locked => 'l',
            Self::Disabled => 'd',
            Self::WithoutPassword => 'w',
            Self::Imported => 'i',
        };
        format!("{letter}-{number:04}")
    }

    /// What the ledger says of its log-ins.
    fn reason(self) -> &'static str {
        match self {
            Self::Unknown | Self::WithoutPassword => "no such account, or it has no password",
            Self::Known | Self::Imported => "the password is wrong",
            Self::Locked => "too many wrong passwords before; this one was not looked at",
            Self::Disabled => "the account is disabled",
        }
    }

    fn password(self) -> &'static str {
        if self == Self::Disabled { PASSWORD } else { WRONG }
    }

    /// Makes its accounts.
    fn make(self, gate: &Gate) {
        let names = (0..ROUNDS * TRIES / FOR_ONE).map(|number| self.name(number));
        match self {
            Self::Unknown => {}
            Self::Known | Self::Locked => import(gate, names, ARGON2),
            Self::Imported => import(gate, names, BCRYPT),
            Self::Disabled => {
                import(gate, names.clone(), ARGON2);
                names.for_each(|name| drop(types(gate, &format!("user disable {name}"))));
            }
            Self::WithoutPassword => {
                names.for_each(|name| drop(types(gate, &format!("user add {name} --role user"))));
            }
        }
    }
}

/// Where log-in is asked for.
enum Way {
    Page(Form),
    Program,
}

impl Way {
    fn bytes(&self, name: &str, password: &str) -> Vec<u8> {
        match self {
            Self::Page(form) => form.bytes(name, password),
            Self::Program => token_bytes(name, password),
        }
    }
}

/// Somebody who tries, from a new address each time.
struct Attacker {
    public: SocketAddr,
    way: Way,
    tries: u32,
}

impl Attacker {
    /// What a try is answered, and how long that takes.
    async fn tries(&mut self, name: &str, password: &str) -> (String, Duration) {
        let bytes = self.way.bytes(name, password);
        self.tries += 1;
        let begun = Instant::now();
        let answer = asked(somewhere(self.tries), self.public, &bytes).await.unwrap();
        (answer, begun.elapsed())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_cannot_tell_who_has_an_account_by_time() {
    if !is_wanted("2,500 tries at tokens") {
        return;
    }
    let kinds = [Kind::Unknown, Kind::Known, Kind::Locked, Kind::Disabled, Kind::WithoutPassword];
    tell_apart("as a program", &kinds, async |_| Way::Program, 401).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsers_cannot_tell_who_has_an_account_by_time_while_imports_are_left() {
    if !is_wanted("3,000 tries at the log-in page") {
        return;
    }
    let kinds =
        [Kind::Unknown, Kind::Known, Kind::Locked, Kind::Disabled, Kind::WithoutPassword, Kind::Imported];
    tell_apart("by the page", &kinds, async |gate| Way::Page(Form::get(gate).await), 403).await;
}

/// Tries to tell these kinds apart, by the answers and by their times.
async fn tell_apart(how: &str, kinds: &[Kind], way: impl AsyncFn(&Gate) -> Way, refused: u16) {
    let upstream = Upstream::start().await;
    let gate = start(&config(&upstream)).await;
    kinds.iter().for_each(|kind| kind.make(&gate));
    let mut attacker = Attacker { public: gate.address("public"), way: way(&gate).await, tries: 0 };
    let seed = SystemTime::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_nanos() as u64);
    say(&format!("seed {seed}"));
    let mut random = Random::new(seed);
    let mut times: HashMap<Kind, Vec<f64>> = HashMap::new();
    let mut told: Option<String> = None;
    for round in 0..ROUNDS {
        let of_round = TRIES / FOR_ONE;
        for number in round * of_round..(round + 1) * of_round {
            for _ in 0..TO_LOCK {
                attacker.tries(&Kind::Locked.name(number), WRONG).await;
            }
        }
        for (kind, number) in order(kinds, &mut random) {
            let name = kind.name(round * of_round + number % of_round);
            let (answer, took) = attacker.tries(&name, kind.password()).await;
            assert_eq!(status_of(&answer), Some(refused), "{answer}");
            let answer = impersonal(&answer, &name);
            assert_eq!(told.get_or_insert_with(|| answer.clone()), &answer, "{kind:?}");
            times.entry(kind).or_default().push(took.as_secs_f64() * 1e3);
        }
    }
    check_reasons(&gate, kinds, attacker.tries);
    times.values_mut().for_each(|times| times.sort_by(f64::total_cmp));
    let unknown = &times[&Kind::Unknown];
    let mut apart = Vec::new();
    for kind in kinds {
        let times = &times[kind];
        let [low, half, high] = [5, 50, 95].map(|percent| times[(times.len() - 1) * percent / 100]);
        let (longer, far) = compare(times, unknown);
        say(&format!(
            "{how}, {kind:?}: p5 {low:.2} ms, median {half:.2} ms, p95 {high:.2} ms; longer than an unknown name in \
             {:.1} of 100 pairs, {far:+.2} standard deviations",
            longer * 100.0
        ));
        if far.abs() > FAR {
            apart.push(*kind);
        }
    }
    let (seen, half) = (least_seen(unknown), unknown[unknown.len() / 2]);
    say(&format!("{how}: a difference of {seen:.2} ms would have been seen"));
    assert_eq!(apart, [], "these take another time than unknown names");
    assert!(
        seen < half * TO_BE_SEEN,
        "the machine is too busy: {seen:.2} ms of {half:.2} ms would be overlooked"
    );
}

/// Each kind and each of its tries in one round, in random order.
fn order(kinds: &[Kind], random: &mut Random) -> Vec<(Kind, u32)> {
    let mut all: Vec<(Kind, u32)> =
        kinds.iter().flat_map(|kind| (0..TRIES).map(|number| (*kind, number))).collect();
    for at in (1..all.len()).rev() {
        all.swap(at, random.below(at as u64 + 1) as usize);
    }
    all
}

/// An answer without what is new in each: the request's name and the time; and without the name that was typed.
fn impersonal(answer: &str, name: &str) -> String {
    let value = |field: &str| {
        let line = answer.lines().find(|line| line.to_lowercase().starts_with(field)).unwrap();
        line.split_once(": ").unwrap().1.to_owned()
    };
    let [id, date] = ["x-request-id:", "date:"].map(value);
    answer.replace(&id, "ID").replace(&date, "DATE").replace(name, "NAME")
}

/// Whether the accounts were what they should be, all the time: the ledger knows.
fn check_reasons(gate: &Gate, kinds: &[Kind], tries: u32) {
    let mut due: HashMap<&str, u32> = HashMap::new();
    for kind in kinds {
        *due.entry(kind.reason()).or_default() += ROUNDS * TRIES;
    }
    // The tries that locked some.
    *due.entry(Kind::Known.reason()).or_default() += tries - kinds.len() as u32 * ROUNDS * TRIES;
    let text = types(gate, "audit search --format json --limit 100000");
    let mut found: HashMap<&str, u32> = HashMap::new();
    for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let details = line["entry"]["details"].as_str().unwrap_or_default();
        if let Some((reason, _)) = due.iter().find(|(reason, _)| details.starts_with(**reason)) {
            *found.entry(reason).or_default() += 1;
        }
    }
    assert_eq!(found, due);
}

/// In which part of all pairs the one takes longer than the other, which is in order; and how far that is from half of
/// them, in standard deviations.
fn compare(one: &[f64], other: &[f64]) -> (f64, f64) {
    let (n, m) = (one.len() as f64, other.len() as f64);
    let below = one.iter().map(|time| {
        let less = other.partition_point(|than| than < time);
        let no_more = other.partition_point(|than| than <= time);
        (less + no_more) as f64 / 2.0
    });
    let longer = below.sum::<f64>() / (n * m);
    (longer, (longer - 0.5) / ((n + m + 1.0) / (12.0 * n * m)).sqrt())
}

/// The least difference that would be told from chance, to a hundredth of a millisecond.
fn least_seen(times: &[f64]) -> f64 {
    let steps = (1..).map(|step| f64::from(step) / 100.0);
    let is_seen = |later: &f64| {
        let later: Vec<f64> = times.iter().map(|time| time + later).collect();
        compare(&later, times).1 > FAR
    };
    steps.take(100_000).find(is_seen).unwrap_or(f64::INFINITY)
}
