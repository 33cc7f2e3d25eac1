//! A ledger in memory that takes, waits, refuses or breaks as a test says, and keeps what it was handed in its order.

use std::sync::Mutex;

use portcullis_contract::ports::{Audit, EventLost, Keeping, NotKept, Urgency};
use portcullis_model::audit::{Entry, Outcome, Personal, Told};
use tokio::sync::watch;

/// What the ledger does with what it is handed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Takes it at once.
    Takes,
    /// Takes it, and lets whoever waits come back a few times.
    Slowly,
    /// Takes it, and lets whoever waits do so until there is another verdict.
    Holds,
    /// Takes what nobody waits for and intents, and no answers.
    RefusesAnswers,
    /// Takes nothing, and says before that there is no room.
    Full,
    /// Takes nothing, and says before that there is room.
    Fails,
    /// Panics.
    Breaks,
}

/// What the ledger was handed.
#[derive(Debug, Clone)]
pub(crate) struct Handed {
    pub(crate) entry: Entry<Personal>,
    /// How urgent it was to whoever waited for it; `None` when nobody did.
    pub(crate) awaited: Option<Urgency>,
    /// Whether it was taken.
    pub(crate) is_taken: bool,
}

impl Handed {
    /// Whether it tells how a request ended.
    pub(crate) fn is_final(&self) -> bool {
        self.entry.outcome != Outcome::Intended
    }

    /// When it was told, for a request.
    pub(crate) fn told(&self) -> Option<Told> {
        self.entry.request.as_ref().map(|request| request.told)
    }

    /// The status that it tells.
    pub(crate) fn status(&self) -> Option<u16> {
        self.entry.request.as_ref()?.status
    }
}

pub(crate) struct Ledger {
    handed: Mutex<Vec<Handed>>,
    verdict: watch::Sender<Verdict>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { handed: Mutex::default(), verdict: watch::Sender::new(Verdict::Takes) }
    }
}

impl Ledger {
    pub(crate) fn will(&self, verdict: Verdict) {
        self.verdict.send_replace(verdict);
    }

    pub(crate) fn handed(&self) -> Vec<Handed> {
        self.handed.lock().unwrap().clone()
    }

    pub(crate) fn forget(&self) {
        self.handed.lock().unwrap().clear();
    }

    /// Puts an entry down, and where it lies.
    fn put(&self, entry: Entry<Personal>, awaited: Option<Urgency>, is_taken: bool) -> usize {
        let mut handed = self.handed.lock().unwrap();
        handed.push(Handed { entry, awaited, is_taken });
        handed.len() - 1
    }

    async fn takes(&self, entry: Entry<Personal>, urgency: Urgency) -> bool {
        let is_final = entry.outcome != Outcome::Intended;
        // Whoever no longer waits has handed it over.
        let place = self.put(entry, Some(urgency), true);
        let mut verdicts = self.verdict.subscribe();
        let verdict = *verdicts.wait_for(|verdict| *verdict != Verdict::Holds).await.unwrap();
        let takes = match verdict {
            Verdict::Takes | Verdict::Holds => true,
            Verdict::Slowly => {
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
                true
            }
            Verdict::RefusesAnswers => !is_final,
            Verdict::Full | Verdict::Fails => false,
            Verdict::Breaks => {
                self.handed.lock().unwrap()[place].is_taken = false;
                panic!("the ledger breaks");
            }
        };
        self.handed.lock().unwrap()[place].is_taken = takes;
        takes
    }
}

impl Audit for Ledger {
    fn note(&self, entry: Box<Entry<Personal>>) -> Result<(), EventLost> {
        let verdict = *self.verdict.borrow();
        assert!(verdict != Verdict::Breaks, "the ledger breaks");
        let takes = !matches!(verdict, Verdict::Full | Verdict::Fails);
        self.put(*entry, None, takes);
        if takes { Ok(()) } else { Err(EventLost) }
    }

    fn keep(&self, entry: Box<Entry<Personal>>, urgency: Urgency) -> Keeping<'_> {
        Box::pin(async move {
            if self.takes(*entry, urgency).await { Ok(()) } else { Err(NotKept("the disk is full".into())) }
        })
    }

    fn has_room(&self) -> bool {
        *self.verdict.borrow() != Verdict::Full
    }
}
