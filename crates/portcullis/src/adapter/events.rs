//! Events as lines of the log, written by one thread so that no request waits for a slow terminal or pipe.
//!
//! The queue is bounded. When its reader is too slow, events are lost and the log and the metrics say how many; the
//! journal's issue brings events that are never lost.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use portcullis_contract::ports::{EventLost, Events};
use portcullis_model::{Outcome, RequestEvent, Verdict};
use serde_json::json;

use crate::log::{Colour, Form};

/// Lines waiting to be written: some ten megabytes at most.
const LINES_WAITING_MAX: usize = 8192;

/// Events as lines on standard error.
pub(crate) struct EventLog {
    form: Form,
    lines: SyncSender<Line>,
    lost: Arc<AtomicU64>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

enum Line {
    /// A line to write.
    Text(String),
    /// Nothing more will come.
    Last,
}

impl EventLog {
    /// Begins to write.
    pub(crate) fn begin(form: Form) -> std::io::Result<Self> {
        let (lines, waiting) = sync_channel(LINES_WAITING_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        let thread = std::thread::Builder::new().name("event-log".into());
        let writer = thread.spawn(move || write_all(form, &waiting, &counted))?;
        Ok(Self { form, lines, lost, writer: Mutex::new(Some(writer)) })
    }

    /// Says where a listener was bound: port 0 is of use only to who learns the port.
    pub(crate) fn announce(&self, listener: &str, address: SocketAddr) {
        let line = match self.form {
            Form::Json => json!({"kind": "listening", "listener": listener, "address": address}).to_string(),
            Form::Text(colour) => format!("{} {listener}: http://{address}", colour.paint(36, "listening")),
        };
        let _ = self.lines.send(Line::Text(line));
    }

    /// Writes what is waiting and ends. Later events are lost.
    pub(crate) fn end(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let _ = self.lines.send(Line::Last);
            let _ = writer.join();
        }
    }
}

impl Events for EventLog {
    fn record(&self, event: &RequestEvent) -> Result<(), EventLost> {
        let line = match self.form {
            Form::Json => serde_json::to_string(event).map_err(|_| EventLost)?,
            Form::Text(colour) => for_people(event, colour),
        };
        self.lines.try_send(Line::Text(line)).map_err(|_| {
            self.lost.fetch_add(1, Ordering::Relaxed);
            EventLost
        })
    }
}

fn write_all(form: Form, lines: &Receiver<Line>, lost: &AtomicU64) {
    while let Ok(Line::Text(mut line)) = lines.recv() {
        line.push('\n');
        // Locked for one line only: panics and other messages go the same way.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
        let missing = lost.swap(0, Ordering::Relaxed);
        if missing > 0 {
            let said = match form {
                Form::Json => json!({"kind": "events_lost", "count": missing}).to_string(),
                Form::Text(colour) => format!("{} {missing} events", colour.paint(31, "lost")),
            };
            let _ = writeln!(std::io::stderr().lock(), "{said}");
        }
    }
}

/// One line that a person can follow while trying things out.
fn for_people(event: &RequestEvent, colour: Colour) -> String {
    let status = event.status.map_or("---".into(), |status| status.to_string());
    let code = match (event.outcome, event.status) {
        (Outcome::Answered, Some(0..400)) => 32,
        (Outcome::Answered, _) => 33,
        (Outcome::Refused, _) => 35,
        _ => 31,
    };
    let (application, route) = (event.application.as_ref(), event.route.as_ref());
    let target = format!(
        "{}/{}",
        application.map_or("-", |name| name.as_str()),
        route.map_or("-", |name| name.as_str())
    );
    let who = event.principal.as_deref().unwrap_or("anonymous");
    let milliseconds = event.duration_us as f64 / 1000.0;
    let mut line = format!(
        "{} {:<6} {} {} {who} {} {milliseconds:.1}ms",
        colour.paint(code, &status),
        event.method,
        event.path,
        colour.paint(2, &target),
        event.client,
    );
    let mut say = |label: &str, text: &str| {
        line.push_str(&format!("\n      {} {text}", colour.paint(2, label)));
    };
    if event.outcome != Outcome::Answered {
        let reason = event.reason.as_deref().unwrap_or("");
        say(&format!("{} at {}:", event.outcome.as_str(), event.stage), reason);
    }
    let worth_saying = |verdict: Verdict| matches!(verdict, Verdict::WouldRefuse | Verdict::Note);
    for decision in event.decisions.iter().filter(|d| worth_saying(d.verdict)) {
        let label = if decision.verdict == Verdict::Note { "note" } else { "would refuse" };
        say(&format!("{label} at {}:", decision.stage), &decision.detail);
    }
    line
}
