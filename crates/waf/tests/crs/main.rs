//! The regression tests of the OWASP Core Rule Set 4.28.0 against the rules themselves, unmodified.
//!
//! Rules and tests lie in a folder `shared/data/crs` beside a checkout, or where `PORTCULLIS_SHARED` says that `shared`
//! is. They are no part of this repository.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the failure report"
)]

mod files;

use std::collections::BTreeSet;

use files::{Folder, crs};
use portcullis_waf::Rules;
use portcullis_waf::ftw::{self, File, Outcome, Verdict};

const SKIPPED: &str = "skipped: there is no `shared/data/crs`; PORTCULLIS_SHARED names the folder `shared`";

/// What a web server before the engine does to the request; an engine alone cannot pass these.
const FRONT_END: &[&str] = &["920181-1", "920430-5", "920620-1", "920640-5", "921140-1"];

fn verdicts(rules: &Rules, folder: &Folder) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for (name, text) in folder.tests() {
        let file = File::parse(&text).unwrap_or_else(|problem| panic!("{name}: {problem}"));
        verdicts.extend(file.tests.iter().map(|test| ftw::run(rules, test)));
    }
    verdicts
}

#[test]
fn every_test_of_the_core_rule_set_that_looks_at_the_log_passes() {
    let Some(mut folder) = crs() else {
        eprintln!("{SKIPPED}");
        return;
    };
    let rules = files::rules(&mut folder, 4);
    let verdicts = verdicts(&rules, &folder);
    let mut failed = BTreeSet::new();
    let (mut passed, mut skipped) = (0, 0);
    for Verdict { rule_id, test_id, outcome } in &verdicts {
        match outcome {
            Outcome::Passed => passed += 1,
            Outcome::Skipped(_) => skipped += 1,
            Outcome::Failed(why) => {
                let name = format!("{rule_id}-{test_id}");
                if !FRONT_END.contains(&name.as_str()) {
                    eprintln!("{name}: {why}");
                    failed.insert(name);
                }
            }
        }
    }
    eprintln!("{passed} passed, {} failed, {skipped} skipped", failed.len());
    assert_eq!(failed, BTreeSet::new());
    assert!(passed > 3_800 && skipped < 25, "{passed} passed, {skipped} skipped");
}

#[test]
fn the_core_rule_set_loads_whole() {
    let Some(mut folder) = crs() else {
        eprintln!("{SKIPPED}");
        return;
    };
    let rules = files::rules(&mut folder, 4);
    // 630 rules and actions, crs-setup's own among them, and the six of the profile.
    assert_eq!(rules.count(), 630 + 6);
    assert_eq!(rules.settings().components, ["OWASP_CRS/4.28.0"]);
    let notes: Vec<String> = rules.notes().iter().map(ToString::to_string).collect();
    assert_eq!(notes.len(), 1, "{notes:?}");
}

#[test]
fn rules_that_are_skipped_would_not_have_matched() {
    let Some(mut folder) = crs() else {
        eprintln!("{SKIPPED}");
        return;
    };
    let filtered = files::rules(&mut folder, 4);
    let plain = filtered.unfiltered();
    for (name, text) in folder.tests() {
        for test in File::parse(&text).unwrap().tests {
            for stage in &test.stages {
                let [filtered, plain] =
                    [&filtered, &plain].map(|rules| ftw::play(rules, stage, "x").unwrap());
                assert_eq!(filtered.matches(), plain.matches(), "{name} {}", test.id);
                assert_eq!(filtered.scores(), plain.scores(), "{name} {}", test.id);
            }
        }
    }
}
