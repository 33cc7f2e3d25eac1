//! A flood of anonymous refusals: what it may cost, and whom it may not hold up.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use portcullis_contract::ports::{Audit as _, Urgency};
use portcullis_model::audit::{Kind, Outcome, action};
use portcullis_testkit::WAIT;

use super::world::{World, block_on, bytes_of_files, read};

/// Refusals of a minute at ten thousand a second.
const FLOOD: u64 = 600_000;

#[test]
fn a_minute_of_refusals_costs_less_than_ten_mebibytes_and_holds_up_nobody() {
    let temp = tempfile::tempdir().unwrap();
    let (world, path) = (World::new(1), temp.path().join("ledger"));
    let (recorder, journal, _) = world.start_in(&path);
    let handle = recorder.handle();
    let (is_over, long) = (AtomicBool::new(false), Box::<str>::from("/long".repeat(1600)));
    let (mut kept, mut slowest) = (0, Duration::ZERO);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..FLOOD {
                // As many prefixes as refusals for a while, then the same ones again.
                let client = format!("2001:db8:{:x}:{:x}::1", number % 7, number % 60_000);
                let mut refusal = world.refusal(&client);
                refusal.personal.path = Some(long.clone());
                while !handle.has_room() {
                    std::thread::yield_now();
                }
                handle.note(refusal).unwrap();
                world.clock.pass(Duration::from_micros(100));
            }
            is_over.store(true, Ordering::SeqCst);
        });
        while !is_over.load(Ordering::SeqCst) {
            let began = Instant::now();
            block_on(handle.keep(world.request(Some("ada"), "192.0.2.1", "/transfer"), Urgency::Priority))
                .unwrap();
            (kept, slowest) = (kept + 1, slowest.max(began.elapsed()));
        }
    });
    recorder.end(WAIT).unwrap();
    assert!(kept > 10, "{kept}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");

    let entries = read(&journal, &world);
    let written = entries
        .iter()
        .filter(|entry| entry.action == action::REQUEST && entry.outcome == Outcome::Refused)
        .count() as u64;
    let aggregates: Vec<_> = entries.iter().filter(|entry| entry.action == action::REFUSALS).collect();
    let counted: u64 = aggregates.iter().map(|entry| entry.aggregate.as_ref().unwrap().count).sum();
    assert_eq!(written + counted, FLOOD, "each is written or counted once");
    assert!(written <= 300 + 20 * 61, "{written}");
    let prefixes: BTreeSet<_> =
        aggregates.iter().filter_map(|entry| entry.personal.personal()?.client).collect();
    assert!(prefixes.len() > 100, "{}", prefixes.len());
    assert!(entries.iter().filter(|entry| entry.route.is_some()).all(|entry| entry.application.is_some()));
    assert!(entries.iter().all(|entry| entry.action != action::ENTRIES_LOST));
    let others = kept * 2000 * 2;
    let bytes = bytes_of_files(&path);
    assert!(bytes < (10 << 20) + others, "{bytes} bytes, {written} written, {} aggregates", aggregates.len());
}

#[test]
fn a_refusal_that_is_counted_is_answered_at_once_and_told_when_the_minute_is_over() {
    let temp = tempfile::tempdir().unwrap();
    let world = World::new(2);
    let (recorder, journal, _) = world.start_in(&temp.path().join("ledger"));
    let handle = recorder.handle();
    for _ in 0..8 {
        block_on(handle.keep(world.refusal("192.0.2.1"), Urgency::Ordinary)).unwrap();
        world.clock.pass(Duration::from_secs(1));
    }
    // Somebody who is known is never counted.
    for _ in 0..8 {
        let mut known = world.refusal("192.0.2.1");
        known.personal.principal = Some("ada".into());
        block_on(handle.keep(known, Urgency::Ordinary)).unwrap();
    }
    assert_eq!(handle.status().counted, 3);
    world.clock.pass(Duration::from_secs(60));
    // A turn of the recorder finds the minute over.
    block_on(handle.keep(world.request(None, "192.0.2.1", "/x"), Urgency::Ordinary)).unwrap();
    recorder.end(WAIT).unwrap();
    let entries = read(&journal, &world);
    let told: Vec<_> = entries.iter().filter(|entry| entry.action == action::REFUSALS).collect();
    let [told] = told[..] else { panic!("{told:?}") };
    let aggregate = told.aggregate.as_ref().unwrap();
    assert_eq!((aggregate.count, aggregate.status), (3, Some(429)));
    assert_eq!(
        (aggregate.first.to_string(), aggregate.last.to_string()),
        ("2026-03-01T12:00:05Z".to_owned(), "2026-03-01T12:00:07Z".to_owned())
    );
    assert_eq!((told.kind, told.outcome), (Kind::SecurityViolation, Outcome::Refused));
    assert_eq!(told.personal.personal().unwrap().client, "192.0.2.1".parse().ok());
    let refused =
        entries.iter().filter(|entry| entry.action == action::REQUEST && entry.outcome == Outcome::Refused);
    assert_eq!(refused.count(), 5 + 8);
}
