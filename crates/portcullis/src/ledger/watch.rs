//! What probes and metrics tell of the ledger, beside what the gate tells of itself.

use std::fmt::Write;
use std::sync::Arc;

use portcullis_contract::ports::{Exposition, Readiness};
use portcullis_store::audit;
use portcullis_store::journal::Status;
use portcullis_store::{Journal, Refused};

use super::damage::Damage;
use super::progress::Progress;

/// The last line of OpenMetrics text.
const END: &str = "# EOF\n";

/// Looks at a ledger.
#[derive(Clone)]
pub(crate) struct LedgerWatch {
    journal: Journal,
    recorded: audit::Handle,
    shipped: Arc<Progress>,
    /// `None` where nothing is posted.
    posted: Option<Arc<Progress>>,
    damage: Damage,
}

/// The gate and the ledger as one node.
pub(crate) struct NodeWatch<G> {
    pub(crate) gate: Arc<G>,
    pub(crate) ledger: LedgerWatch,
}

impl LedgerWatch {
    pub(super) fn new(
        journal: Journal,
        recorded: audit::Handle,
        shipped: Arc<Progress>,
        posted: Option<Arc<Progress>>,
        damage: Damage,
    ) -> Self {
        Self { journal, recorded, shipped, posted, damage }
    }

    fn obstacle(&self) -> Option<String> {
        let ended = || {
            self.recorded.status().ended.map(|why| format!("nothing is recorded any more: {why}; restart"))
        };
        let stuck = || self.shipped.why_stuck().map(String::from);
        let refused = obstacle(self.journal.status().refuses.as_ref());
        refused.or_else(ended).or_else(stuck).or_else(|| self.damage.found())
    }

    fn text(&self) -> String {
        let Status { durable, covered, segment_bytes, batches, refuses } = self.journal.status();
        let sealed = matches!(refuses, Some(Refused::Sealed(_)));
        let audit::Status { waiting, lost, counted, open_intents, .. } = self.recorded.status();
        let mut text = String::new();
        let gauges = [
            ("durable_entries", "Entries of the ledger that are durable", durable),
            ("covered_entries", "Entries that the newest checkpoint covers", covered),
            ("segments_bytes", "Bytes of the journal that are not all in tiles yet", segment_bytes),
            (
                "sealed",
                "1 when the disk failed and the ledger takes nothing until a restart",
                u64::from(sealed),
            ),
            ("shipped_entries", "Entries that the newest shipped checkpoint covers", self.shipped.entries()),
            ("waiting_entries", "Entries that are not durable yet", waiting as u64),
            (
                "open_intents",
                "Requests whose intent is recorded and whose outcome is not",
                open_intents as u64,
            ),
        ];
        let counters = [
            ("batches", "Batches that were synced", batches),
            ("lost_entries", "Entries that found no room", lost),
            ("counted_refusals", "Anonymous refusals that were counted instead of written", counted),
            ("shipping_failures", "Failed attempts to ship a checkpoint", self.shipped.failures()),
        ];
        for (name, help, value) in gauges {
            family(&mut text, name, "gauge", help, value);
        }
        for (name, help, value) in counters {
            family(&mut text, name, "counter", help, value);
        }
        if let Some(posted) = &self.posted {
            let help = "Entries that the newest posted checkpoint covers";
            family(&mut text, "posted_entries", "gauge", help, posted.entries());
            let help = "Failed attempts to post a checkpoint";
            family(&mut text, "posting_failures", "counter", help, posted.failures());
        }
        text
    }
}

/// What keeps the node from serving.
fn obstacle(refuses: Option<&Refused>) -> Option<String> {
    match refuses? {
        Refused::Sealed(seal) => Some(format!(
            "the ledger is sealed, nothing is recorded any more: {seal}; see to the disk, then restart"
        )),
        Refused::DiskFull => Some("the disk of the ledger is full".to_owned()),
        Refused::TooLong(_) | Refused::Full | Refused::Closed => None,
    }
}

/// One family with one sample, as OpenMetrics 1.0 writes it.
fn family(text: &mut String, name: &str, kind: &str, help: &str, value: u64) {
    let name = format!("portcullis_ledger_{name}");
    let _ = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} {kind}");
    if let Some((_, "bytes")) = name.rsplit_once('_') {
        let _ = writeln!(text, "# UNIT {name} bytes");
    }
    let total = if kind == "counter" { "_total" } else { "" };
    let _ = writeln!(text, "{name}{total} {value}");
}

impl<G: Readiness> Readiness for NodeWatch<G> {
    fn obstacles(&self) -> Vec<String> {
        let mut obstacles = self.gate.obstacles();
        obstacles.extend(self.ledger.obstacle());
        obstacles
    }

    fn remarks(&self) -> Vec<String> {
        self.gate.remarks()
    }
}

impl<G: Exposition> Exposition for NodeWatch<G> {
    fn text(&self) -> String {
        let mut text = self.gate.text();
        if text.ends_with(END) {
            text.truncate(text.len() - END.len());
            text.push_str(&self.ledger.text());
            text.push_str(END);
        }
        text
    }
}
