//! What the machine's administrators ask: to read the ledger, and to erase a subject. Whoever asks is recorded before it is
//! done; without that it is not done.

use std::collections::VecDeque;
use std::sync::Arc;

use portcullis_contract::admin::{Actor, AdminProblem, Erased, FOUND_MAX, LocalUser, Search};
use portcullis_contract::ports::{Administration, Reading};
use portcullis_model::audit::{Entry, Kind, Outcome, Personal, Severity, action};
use portcullis_store::Journal;
use portcullis_store::audit::{KeyRing, Opened, ReadError, Reader};
use serde_json::json;

use super::Scribe;
use super::search::fits;

/// Entries that are looked at in one step back.
const STEP: u64 = 4096;
/// Lines that are given at once.
const LINES: usize = 128;

/// The ledger, and the keys that open what is in it.
#[derive(Clone)]
pub(super) struct Access {
    pub(super) journal: Journal,
    pub(super) origin: Arc<str>,
    pub(super) ring: Arc<KeyRing>,
}

/// Does what administrators ask, and records it.
#[derive(Clone)]
pub(crate) struct LocalAdministration {
    access: Access,
    scribe: Scribe,
}

impl LocalAdministration {
    pub(super) fn new(access: Access, scribe: Scribe) -> Self {
        Self { access, scribe }
    }

    fn entry(&self, by: &Actor, kind: Kind, action: &'static str, outcome: Outcome) -> Entry<Personal> {
        let severity = if action == action::LEDGER_READ { Severity::Info } else { Severity::Medium };
        let mut entry = self.scribe.entry(kind, action, severity, outcome);
        entry.personal = by.personal();
        entry
    }

    fn keep(&self, entry: Entry<Personal>) -> Result<(), AdminProblem> {
        self.scribe.keep(entry).map_err(AdminProblem::of)
    }
}

impl Administration for LocalAdministration {
    fn read(&self, by: &Actor, search: &Search) -> Result<Box<dyn Reading>, AdminProblem> {
        let end = self.access.journal.status().durable;
        let mut entry = self.entry(by, Kind::DataAccess, action::LEDGER_READ, Outcome::Success);
        let conditions = search.conditions();
        let which =
            if conditions.is_empty() { "all".to_owned() } else { format!("by {}", conditions.join(", ")) };
        let on = if search.follow { ", and what follows" } else { "" };
        let limit = search.limit.min(FOUND_MAX);
        entry.details = Some(format!("{which}; the newest {limit} of {end} entries{on}").into());
        self.keep(entry)?;
        let before = search.before.unwrap_or(end).min(end);
        let found = self.access.newest(search, before, limit as usize)?;
        let (access, search) = (self.access.clone(), search.clone());
        Ok(Box::new(Searching { access, search, found, next: end }))
    }

    fn erase(&self, user: LocalUser, subject: &str) -> Result<Erased, AdminProblem> {
        let by = Actor::Local(user);
        let entry = |outcome| self.entry(&by, Kind::UserAction, action::SUBJECT_ERASE, outcome);
        let intent = entry(Outcome::Intended);
        let id = intent.id;
        self.keep(intent)?;
        let destroyed = self.access.ring.erase_subject(subject);
        let (outcome, said) = match &destroyed {
            Ok(Some(key)) => (Outcome::Success, format!("key {key}")),
            Ok(None) => (Outcome::Failure, "there is no key of this subject".to_owned()),
            Err(_) => (Outcome::Error, "nobody knows whether the key is gone".to_owned()),
        };
        // The same id: an intent without an outcome is told at the next start as one whose outcome nobody knows.
        let kept = self.keep(Entry { id, details: Some(said.into()), ..entry(outcome) });
        let key = destroyed.map_err(|why| AdminProblem::of(format!("{why}; do it again")))?;
        kept.map_err(|why| AdminProblem::of(format!("it was done, but that is not recorded: {why}")))?;
        Ok(Erased { key: key.map(|key| key.to_string().into()) })
    }
}

/// A search that has found the newest entries, and may go on with those that come.
struct Searching {
    access: Access,
    search: Search,
    /// The places of what was found and not given yet.
    found: VecDeque<u64>,
    /// The first entry that was not looked at.
    next: u64,
}

impl Reading for Searching {
    fn next_lines(&mut self) -> Result<Vec<String>, AdminProblem> {
        let mut lines = Vec::new();
        while let Some(index) = self.found.pop_front() {
            self.access
                .each(index, index.saturating_add(1), |index, entry| lines.push(line(index, entry)))?;
            if lines.len() >= LINES {
                return Ok(lines);
            }
        }
        if !lines.is_empty() || !self.search.follow {
            return Ok(lines);
        }
        let durable = self.access.journal.status().durable;
        let end = durable.min(self.next.saturating_add(STEP));
        self.access.each(self.next, end, |index, entry| {
            if entry.as_ref().map_or(true, |entry| fits(&self.search, entry)) {
                lines.push(line(index, entry));
            }
        })?;
        self.next = end;
        Ok(lines)
    }
}

impl Access {
    /// The places of the newest entries before `end` that fit, in their order; at most so many.
    fn newest(&self, search: &Search, end: u64, limit: usize) -> Result<VecDeque<u64>, AdminProblem> {
        let (mut found, mut end) = (VecDeque::new(), end);
        while end > 0 && found.len() < limit {
            let from = end.saturating_sub(STEP);
            let mut here = Vec::new();
            self.each(from, end, |index, entry| {
                if entry.map_or(true, |entry| fits(search, &entry)) {
                    here.push(index);
                }
            })?;
            let room = limit - found.len();
            here.into_iter().rev().take(room).for_each(|index| found.push_front(index));
            end = from;
        }
        Ok(found)
    }

    /// Each entry of an interval, opened as far as it can be; the error is what is wrong with its form.
    fn each(
        &self,
        from: u64,
        end: u64,
        mut each: impl FnMut(u64, Result<Entry<Opened>, String>),
    ) -> Result<(), AdminProblem> {
        let entries = self.journal.files().entries(from, end);
        let mut reader = Reader::new(entries, &self.origin, Arc::clone(&self.ring));
        loop {
            match reader.next_entry() {
                Ok(Some((index, entry))) => each(index, Ok(entry)),
                Ok(None) => return Ok(()),
                Err(ReadError::Form { index, why }) => each(index, Err(why.to_string())),
                Err(why) => return Err(AdminProblem::of(why)),
            }
        }
    }
}

fn line(index: u64, entry: Result<Entry<Opened>, String>) -> String {
    match entry {
        Ok(entry) => json!({ "index": index, "entry": entry }).to_string(),
        Err(why) => json!({ "index": index, "unreadable": why }).to_string(),
    }
}
