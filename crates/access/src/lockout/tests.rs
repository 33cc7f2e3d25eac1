//! Tests of lockout: each rule by name, tries side by side, and what no attack can do.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

const RULES: &Rules = &Rules::DEFAULT;

fn at(seconds: u64) -> Monotonic {
    Monotonic(seconds * 1_000_000_000)
}

fn lockout() -> Lockout {
    Lockout::new(1024, [1, 2])
}

fn from(address: u32, account: &str) -> Try<'_> {
    Try { prefix: Prefix::V4(Ipv4Addr::from_bits(address)), account, known_device: None }
}

fn owner(address: u32) -> Try<'static> {
    Try { known_device: Some(b"the owner's"), ..from(address, "ada") }
}

/// One try from beginning to end: `ok`, the blocks that begin with it, or the one that stands.
fn once(lockout: &Lockout, tried: &Try<'_>, outcome: Outcome, now_s: u64) -> String {
    let show = |block: &Block| format!("{:?} until {}", block.subject, block.until.0 / 1_000_000_000);
    match lockout.begin(tried, RULES, at(now_s)) {
        Err(block) => format!("refused: {}", show(&block)),
        Ok(counted) => {
            let begun = lockout.settle(counted, outcome, RULES, at(now_s));
            let begun: Vec<String> = begun.iter().map(show).collect();
            if begun.is_empty() { "ok".to_owned() } else { begun.join(", ") }
        }
    }
}

fn wrong(lockout: &Lockout, tried: &Try<'_>, now_s: u64) -> String {
    once(lockout, tried, Outcome::Wrong, now_s)
}

#[test]
fn five_failures_block_an_address_for_a_quarter_of_an_hour() {
    let lockout = lockout();
    for now_s in 1..5 {
        assert_eq!(wrong(&lockout, &from(1, &format!("name-{now_s}")), now_s), "ok");
    }
    assert_eq!(wrong(&lockout, &from(1, "nobody"), 5), "Address until 905");
    assert_eq!(wrong(&lockout, &from(1, "ada"), 904), "refused: Address until 905");
    assert_eq!(wrong(&lockout, &from(2, "ada"), 904), "ok");
    assert_eq!(wrong(&lockout, &from(1, "ada"), 905), "ok");
}

#[test]
fn each_block_lasts_twice_as_long_up_to_a_day_and_is_forgotten_a_day_later() {
    let lockout = lockout();
    let mut now_s = 0;
    let mut lasted = Vec::new();
    for round in 0..9 {
        for name in 0..4 {
            assert_eq!(wrong(&lockout, &from(1, &format!("{round}-{name}")), now_s), "ok");
        }
        let begun = wrong(&lockout, &from(1, &format!("{round}-last")), now_s);
        let until: u64 = begun.strip_prefix("Address until ").unwrap().parse().unwrap();
        lasted.push((until - now_s) / 60);
        now_s = until;
    }
    assert_eq!(lasted, [15, 30, 60, 120, 240, 480, 960, 1440, 1440]);
    now_s += 24 * 3600;
    for name in 0..4 {
        assert_eq!(wrong(&lockout, &from(1, &format!("later-{name}")), now_s), "ok");
    }
    assert_eq!(wrong(&lockout, &from(1, "later"), now_s), format!("Address until {}", now_s + 900));
}

#[test]
fn failures_older_than_an_hour_do_not_count() {
    let lockout = lockout();
    for now_s in [0, 1, 2, 3, 3600, 3601, 3602, 3603] {
        assert_eq!(wrong(&lockout, &from(1, &format!("name-{now_s}")), now_s), "ok", "{now_s}");
    }
    assert_eq!(wrong(&lockout, &from(1, "name"), 3604), "Address until 4504");
}

#[test]
fn an_account_is_held_after_ten_failures_from_anywhere_and_then_after_each() {
    for account in ["ada", "a name that nobody has"] {
        let lockout = lockout();
        for address in 1..10 {
            assert_eq!(wrong(&lockout, &from(address, account), 0), "ok");
        }
        assert_eq!(wrong(&lockout, &from(10, account), 0), "Account until 60");
        assert_eq!(wrong(&lockout, &from(11, account), 59), "refused: Account until 60");
        let mut now_s = 60;
        let mut held = Vec::new();
        for address in 11..17 {
            let begun = wrong(&lockout, &from(address, account), now_s);
            let until: u64 = begun.strip_prefix("Account until ").unwrap().parse().unwrap();
            held.push(until - now_s);
            now_s = until;
        }
        assert_eq!(held, [120, 240, 480, 900, 900, 900]);
    }
}

#[test]
fn a_hundred_wrong_passwords_from_ten_addresses_do_not_lock_the_owner_out_on_a_known_device() {
    let lockout = lockout();
    for round in 0..10 {
        for address in 1..=10 {
            let _ = wrong(&lockout, &from(address, "ada"), round);
        }
    }
    assert_eq!(once(&lockout, &from(99, "ada"), Outcome::Right, 10), "refused: Account until 60");
    for address in [99, 1] {
        assert_eq!(once(&lockout, &owner(address), Outcome::Right, 10), "ok");
    }
}

#[test]
fn a_known_device_is_counted_by_itself_and_is_of_no_use_for_another_account() {
    let lockout = lockout();
    for now_s in 0..9 {
        assert_eq!(wrong(&lockout, &owner(1), now_s), "ok");
    }
    assert_eq!(wrong(&lockout, &owner(1), 9), "Device until 69");
    assert_eq!(wrong(&lockout, &owner(2), 10), "refused: Device until 69");
    // Neither the account nor the address has failed.
    assert_eq!(wrong(&lockout, &from(1, "ada"), 10), "ok");
    // The same cookie with another name is another device.
    let other = Try { account: "bob", ..owner(1) };
    assert_eq!(wrong(&lockout, &other, 10), "ok");
}

#[test]
fn a_right_password_gives_back_its_own_try_and_no_other() {
    let lockout = lockout();
    for now_s in 0..4 {
        assert_eq!(wrong(&lockout, &from(1, "ada"), now_s), "ok");
        for _ in 0..20 {
            assert_eq!(once(&lockout, &from(1, "mallory"), Outcome::Right, now_s), "ok");
        }
    }
    assert_eq!(wrong(&lockout, &from(1, "ada"), 4), "Address until 904");
}

#[test]
fn of_tries_side_by_side_none_is_free() {
    let lockout = lockout();
    let counted: Vec<Counted> =
        (0..100).filter_map(|_| lockout.begin(&from(1, "ada"), RULES, at(0)).ok()).collect();
    assert_eq!(counted.len(), 5);
    let mut begun = Vec::new();
    for one in counted {
        begun.extend(lockout.settle(one, Outcome::Wrong, RULES, at(1)));
    }
    assert_eq!(begun, [Block { subject: Subject::Address, until: at(901) }]);
}

#[test]
fn a_try_that_is_never_settled_is_given_back_after_a_minute() {
    let lockout = lockout();
    for _ in 0..5 {
        let _ = lockout.begin(&from(1, "ada"), RULES, at(0)).unwrap();
    }
    let refused = Block { subject: Subject::Address, until: at(60) };
    assert_eq!(lockout.begin(&from(1, "ada"), RULES, at(59)).unwrap_err(), refused);
    assert_eq!(wrong(&lockout, &from(1, "ada"), 60), "ok");
}

#[test]
fn a_try_that_was_not_looked_at_counts_for_nothing() {
    let lockout = lockout();
    for _ in 0..100 {
        assert_eq!(once(&lockout, &from(1, "ada"), Outcome::NotTried, 0), "ok");
    }
    // Nor does one that the account's hold refused: the address has tried no password.
    for address in 10..20 {
        let _ = wrong(&lockout, &from(address, "held"), 0);
    }
    for _ in 0..100 {
        assert_eq!(wrong(&lockout, &from(1, "held"), 1), "refused: Account until 60");
    }
    assert_eq!(wrong(&lockout, &from(1, "ada"), 1), "ok");
}

#[test]
fn each_block_can_be_ended_by_hand() {
    let lockout = lockout();
    for address in 1..=10 {
        let _ = wrong(&lockout, &from(address, "ada"), 0);
        let _ = wrong(&lockout, &owner(address), 0);
        let _ = wrong(&lockout, &from(77, &format!("{address}")), 0);
    }
    assert!(lockout.unlock_account("ada") && lockout.unlock_device("ada", b"the owner's"));
    assert!(lockout.unlock_address(Prefix::V4(Ipv4Addr::from_bits(77))));
    for tried in [from(11, "ada"), owner(1), from(77, "bob")] {
        assert_eq!(wrong(&lockout, &tried, 1), "ok");
    }
    assert!(!lockout.unlock_account("nobody"));
}

#[test]
fn names_that_crowd_in_push_out_those_that_failed_least() {
    let lockout = Lockout::new(8, [1, 2]);
    for address in 0..10 {
        let _ = wrong(&lockout, &from(address, "ada"), 0);
    }
    for name in 0..1000 {
        let _ = wrong(&lockout, &from(1000 + name, &format!("name-{name}")), 1);
    }
    assert_eq!(wrong(&lockout, &from(5000, "ada"), 2), "refused: Account until 60");
}

proptest! {
    /// Whatever strangers do, from however many addresses and side by side: they try no more passwords of an account
    /// than the rule allows, and the owner gets in on a known device at any moment.
    #[test]
    fn no_attack_gets_more_tries_than_the_rule_or_locks_the_owner_out(
        steps in proptest::collection::vec((0_u32..40, 0_u64..40, 1_usize..12), 1..200),
    ) {
        let lockout = Lockout::new(4096, [3, 4]);
        let (mut now_s, mut tried) = (0, 0_u64);
        for (address, passed_s, at_once) in steps {
            now_s += passed_s;
            let begun: Vec<_> =
                (0..at_once).filter_map(|_| lockout.begin(&from(address, "ada"), RULES, at(now_s)).ok()).collect();
            for counted in begun {
                tried += 1;
                let _ = lockout.settle(counted, Outcome::Wrong, RULES, at(now_s));
            }
            prop_assert_eq!(once(&lockout, &owner(address), Outcome::Right, now_s), "ok");
            // Ten at first; then one at a time, after a minute, two, four, eight, and every quarter of an hour. The
            // first ten may be tried again when they are an hour old and no block was needed.
            let held_s = [0, 60, 180, 420, 900];
            let further = held_s.iter().filter(|after_s| now_s >= **after_s).count() as u64;
            let quarters = now_s.saturating_sub(900) / 900;
            prop_assert!(tried <= 9 + further + quarters + 9 * (now_s / 3600), "{tried} at {now_s}");
        }
    }
}
