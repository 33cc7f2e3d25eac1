//! Intents whose outcome is not durable yet: what a mark says of them, and which of them the node must end itself.

use std::collections::{HashMap, VecDeque};
use std::io;

use portcullis_model::RequestId;
use portcullis_model::audit::{Entry, Mark, Outcome, SealedPersonal, Told, action};
use serde::Deserialize;

use crate::journal::Journal;

/// Intents that are open at most: as many requests wait for their outcome.
pub(super) const OPEN_MAX: usize = 64 << 10;
/// Entries that are looked at first for the newest mark, from the end of the log; then eight times as many.
const LOOK_BACK: u64 = 4096;

/// The open intents.
#[derive(Debug, Default)]
pub(super) struct Intents {
    open: HashMap<RequestId, Open>,
    /// Those that will have no outcome of their own.
    owed: VecDeque<RequestId>,
}

#[derive(Debug)]
struct Open {
    /// Its index, or one that is not higher.
    since: u64,
    /// Its index, once it is durable.
    index: Option<u64>,
    /// It is among those that will have no outcome of their own.
    is_owed: bool,
}

impl Intents {
    /// Those that a log which was opened has left.
    pub(super) fn recover(journal: &Journal) -> io::Result<Self> {
        let end = journal.status().durable;
        let (mut back, mut from) = (LOOK_BACK, end.saturating_sub(LOOK_BACK));
        loop {
            let looked = Looked::at(journal, from)?;
            match looked.begin {
                Some(begin) if begin < from => from = begin,
                None if from > 0 => {
                    back = back.saturating_mul(8);
                    from = end.saturating_sub(back);
                }
                _ => {
                    let begin = looked.begin.unwrap_or(0);
                    let mut open: Vec<_> =
                        looked.open.into_iter().filter(|(_, index)| *index >= begin).collect();
                    open.sort_by_key(|(_, index)| *index);
                    return Ok(Self {
                        owed: open.iter().map(|(id, _)| *id).collect(),
                        open: open
                            .into_iter()
                            .map(|(id, at)| (id, Open { since: at, index: Some(at), is_owed: true }))
                            .collect(),
                    });
                }
            }
        }
    }

    /// An intent was handed to the journal, when so many entries were durable; false when there are too many.
    pub(super) fn begin(&mut self, request: RequestId, durable: u64) -> bool {
        let has_room = self.open.len() < OPEN_MAX;
        if has_room {
            self.open.insert(request, Open { since: durable, index: None, is_owed: false });
        }
        has_room
    }

    /// An intent is durable.
    pub(super) fn durable(&mut self, request: RequestId, index: u64) {
        if let Some(open) = self.open.get_mut(&request) {
            (open.since, open.index) = (index, Some(index));
        }
    }

    /// A request has its outcome, or its intent is not in the log.
    pub(super) fn end(&mut self, request: RequestId) {
        self.open.remove(&request);
    }

    /// Whether a request has an intent without an outcome.
    pub(super) fn is_open(&self, request: RequestId) -> bool {
        self.open.contains_key(&request)
    }

    /// A request will have no outcome of its own.
    pub(super) fn owe(&mut self, request: RequestId) {
        if let Some(open) = self.open.get_mut(&request)
            && !std::mem::replace(&mut open.is_owed, true)
        {
            self.owed.push_back(request);
        }
    }

    /// The next request that the node must end, and the index of its intent.
    pub(super) fn next_owed(&mut self) -> Option<(RequestId, u64)> {
        for _ in 0..self.owed.len() {
            let request = self.owed.pop_front()?;
            match self.open.get(&request).map(|open| open.index) {
                Some(Some(index)) => return Some((request, index)),
                // Its intent is still on its way.
                Some(None) => self.owed.push_back(request),
                None => {}
            }
        }
        None
    }

    /// The node could not end it yet.
    pub(super) fn owe_again(&mut self, request: RequestId) {
        self.owed.push_back(request);
    }

    /// How many are open.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// What a mark says.
    pub(super) fn open_since(&self) -> Option<u64> {
        self.open.values().map(|open| open.since).min()
    }
}

/// The intent at an index.
pub(super) fn read(journal: &Journal, index: u64) -> io::Result<Option<Entry<SealedPersonal>>> {
    match journal.entries(index).next_entry()? {
        Some((at, entry)) if at == index => Ok(serde_json::from_slice(entry).ok()),
        _ => Ok(None),
    }
}

/// What was seen in the log from some place on.
struct Looked {
    /// Where the newest mark says that one must begin.
    begin: Option<u64>,
    open: HashMap<RequestId, u64>,
}

/// Of an entry, what recovery needs to know.
#[derive(Deserialize)]
struct Glance {
    id: RequestId,
    action: String,
    outcome: Outcome,
    #[serde(default)]
    mark: Option<Mark>,
    #[serde(default)]
    request: Option<GlanceRequest>,
}

#[derive(Deserialize)]
struct GlanceRequest {
    id: RequestId,
    told: Told,
}

impl Looked {
    fn at(journal: &Journal, from: u64) -> io::Result<Self> {
        let mut looked = Self { begin: None, open: HashMap::new() };
        let mut entries = journal.entries(from);
        while let Some((index, entry)) = entries.next_entry()? {
            // What is not of this form is no intent of ours.
            let Ok(glance) = serde_json::from_slice::<Glance>(entry) else { continue };
            if let (action::MARK, Some(mark)) = (glance.action.as_str(), glance.mark) {
                looked.begin = Some(mark.open_since.unwrap_or(index));
            }
            match glance.request {
                Some(GlanceRequest { id, told: Told::Intent }) => drop(looked.open.insert(id, index)),
                Some(GlanceRequest { id, .. }) => drop(looked.open.remove(&id)),
                None if glance.outcome == Outcome::Intended => drop(looked.open.insert(glance.id, index)),
                None => drop(looked.open.remove(&glance.id)),
            }
        }
        Ok(looked)
    }
}
