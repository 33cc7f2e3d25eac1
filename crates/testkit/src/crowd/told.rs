//! What the ledger must tell of a crowd: each change that was acknowledged once, and of each account its whole history.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::person::{Person, Told};

/// Entries of one action that are read.
const ENTRIES_MAX: usize = 10_000;
const ACTIONS: [&str; 10] = [
    "user.create",
    "user.change",
    "password.change",
    "session.end",
    "auth.login",
    "auth.logout",
    "auth.refresh_reuse",
    "apikey.create",
    "apikey.rotate",
    "apikey.delete",
];

/// Checks the ledger of a node that does not run, by the commands that operators use.
pub fn check_ledger(binary: &Path, folder: &Path, people: &[Person]) {
    audit(binary, folder, &["verify", "--against", "checkpoints"]);
    for action in ACTIONS {
        let arguments =
            ["search", "--format", "json", "--limit", &ENTRIES_MAX.to_string(), "--action", action];
        let text = audit(binary, folder, &arguments);
        let entries: Vec<Value> =
            text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["entry"].take()).collect();
        assert!(entries.len() < ENTRIES_MAX, "there may be more");
        for person in people {
            let of_person: Vec<&Value> =
                entries.iter().filter(|entry| is_about(entry, &person.name)).collect();
            check_intents(&of_person);
            person.check_told(action, &of_person);
        }
    }
}

fn audit(binary: &Path, folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(binary);
    command.current_dir(folder).arg("audit").args(arguments).args(["--config", "portcullis.toml"]);
    let output = command.output().expect("the command runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

fn is_about(entry: &Value, name: &str) -> bool {
    entry["about"]["principal"] == name || entry["personal"]["principal"] == name
}

fn is_done(entry: &Value) -> bool {
    entry["outcome"] == "success" || entry["action"] == "auth.refresh_reuse" && entry["outcome"] == "refused"
}

/// Whatever was to be done has exactly one outcome, which may be that nobody knows it.
fn check_intents(entries: &[&Value]) {
    for intent in entries.iter().filter(|entry| entry["outcome"] == "intended") {
        let outcomes =
            entries.iter().filter(|entry| entry["id"] == intent["id"] && entry["outcome"] != "intended");
        assert_eq!(outcomes.count(), 1, "outcomes of {intent}");
    }
}

impl Person {
    /// Checks the entries of one action about this person, the oldest first.
    fn check_told(&self, action: &str, all: &[&Value]) {
        let entries: Vec<&Value> = all.iter().copied().filter(|entry| is_done(entry)).collect();
        let count = |told: &[Told]| told.iter().filter(|told| told.action == action).count();
        let (told, unsure) = (count(&self.told), count(&self.unsure));
        let who = &self.name;
        assert!(
            (told..=told + unsure).contains(&entries.len()),
            "{who}: {} entries of {action}, and {told} to {} were done: {entries:#?}",
            entries.len(),
            told + unsure
        );
        for id in self.told.iter().filter(|told| told.action == action).filter_map(|told| told.names.as_ref())
        {
            let named = entries.iter().filter(|entry| entry.to_string().contains(&**id)).count();
            // A key can be given another text often.
            let times = self.told.iter().chain(&self.unsure);
            let times = times.filter(|told| told.action == action && told.names.as_ref() == Some(id)).count();
            assert!((1..=times).contains(&named), "{who}: {action} of {id} has {named} entries");
        }
        if action == "user.change" {
            self.check_history(all);
        }
    }

    /// Each change begins where the one before ended, and the last one is what holds. One of which nobody knows whether it
    /// was made, was or was not.
    fn check_history(&self, entries: &[&Value]) {
        let mut may_be =
            vec![State::from([("user.roles", "user".to_owned()), ("user.state", "active".to_owned())])];
        for entry in entries {
            let was_made = may_be.iter().filter_map(|state| made(state, &entry["change"]));
            may_be = match entry["outcome"].as_str() {
                Some("success") => was_made.collect(),
                Some("unknown") => was_made.chain(may_be.iter().cloned()).collect(),
                _ => continue,
            };
            assert!(!may_be.is_empty(), "{}: a change is missing before {entry}", self.name);
        }
        let state = if self.is_active { "active" } else { "disabled" };
        let holds = State::from([("user.roles", self.roles.join(",")), ("user.state", state.to_owned())]);
        assert!(
            may_be.contains(&holds),
            "{}: the last change is missing: {holds:?} of {may_be:?}",
            self.name
        );
    }
}

/// Settings of an account.
type State = BTreeMap<&'static str, String>;

/// What a change makes of it, if it begins there.
fn made(state: &State, change: &Value) -> Option<State> {
    let of = |field: &str| change[field].as_str().unwrap_or_default();
    let mut state = state.clone();
    let value = state.get_mut(of("setting")).filter(|value| **value == of("old"))?;
    of("new").clone_into(value);
    Some(state)
}
