//! Everything that goes to the log, written by one thread so that no request waits for a slow terminal or pipe.
//!
//! The queue is bounded. When its reader is too slow, lines are lost and the log and the metrics say how many; the
//! journal's issue brings events that are never lost. The process's own messages take the same way: one that waited for
//! its reader would hold a thread that serves requests, and an attacker who fills the log could stop the gate with it.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use portcullis_contract::ports::{EventLost, Events};
use portcullis_model::{Outcome, RequestEvent, Verdict};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::log::{Colour, Form};

/// Lines waiting to be written: some ten megabytes at most.
const LINES_WAITING_MAX: usize = 8192;

/// Bytes that are written at once, or a line more.
const WRITTEN_BYTES: usize = 64 << 10;

/// How long lines gather after some were written. Were the writer woken for each of them, that alone would be a fifth
/// of what a request costs.
const GATHERING: Duration = Duration::from_millis(1);

/// How long the end waits for the log's reader: a reader that has stalled must not keep the process from ending.
const LAST_LINES_MAX: Duration = Duration::from_secs(2);

/// Events as lines on standard error.
pub(crate) struct EventLog {
    form: Form,
    lines: Lines,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// Where lines wait for the writer.
#[derive(Clone)]
pub(crate) struct Lines {
    queue: SyncSender<Line>,
    lost: Arc<AtomicU64>,
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
        let (queue, waiting) = sync_channel(LINES_WAITING_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        let thread = std::thread::Builder::new().name("event-log".into());
        let writer = thread.spawn(move || write_all(form, &waiting, &counted))?;
        Ok(Self { form, lines: Lines { queue, lost }, writer: Mutex::new(Some(writer)) })
    }

    /// Where other lines for the same log can be put.
    pub(crate) fn lines(&self) -> Lines {
        self.lines.clone()
    }

    /// Says where a listener was bound: port 0 is of use only to who learns the port.
    pub(crate) fn announce(&self, listener: &str, address: SocketAddr) {
        let line = match self.form {
            Form::Json => json!({"kind": "listening", "listener": listener, "address": address}).to_string(),
            Form::Text(colour) => format!("{} {listener}: http://{address}", colour.paint(36, "listening")),
        };
        let _ = self.lines.put(line);
    }

    /// Writes what is waiting and ends, in bounded time. Later lines are lost.
    pub(crate) fn end(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(writer) = writer else { return };
        let (done, ended) = sync_channel(1);
        let queue = self.lines.queue.clone();
        // Apart, because both the full queue and the writer wait for whoever reads the log.
        let ending = std::thread::Builder::new().name("event-log-end".into()).spawn(move || {
            let _ = queue.send(Line::Last);
            let _ = writer.join();
            let _ = done.send(());
        });
        if ending.is_ok() {
            let _ = ended.recv_timeout(LAST_LINES_MAX);
        }
    }
}

impl Drop for EventLog {
    fn drop(&mut self) {
        // A node that could not start says why before it goes.
        self.end();
    }
}

impl Lines {
    /// Puts a line into the queue, or counts it as lost when that is full.
    fn put(&self, line: String) -> Result<(), EventLost> {
        self.queue.try_send(Line::Text(line)).map_err(|_| {
            self.lost.fetch_add(1, Ordering::Relaxed);
            EventLost
        })
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Message;

    fn make_writer(&'a self) -> Message {
        Message { lines: self.clone(), bytes: Vec::new() }
    }
}

/// A message of the process, collected until it is whole.
pub(crate) struct Message {
    lines: Lines,
    bytes: Vec<u8>,
}

impl Write for Message {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.bytes);
        let line = text.trim_end_matches('\n');
        if !line.is_empty() {
            let _ = self.lines.put(line.to_owned());
        }
    }
}

impl Events for EventLog {
    fn record(&self, event: &RequestEvent) -> Result<(), EventLost> {
        let line = match self.form {
            Form::Json => serde_json::to_string(event).map_err(|_| EventLost)?,
            Form::Text(colour) => for_people(event, colour),
        };
        self.lines.put(line)
    }
}

fn write_all(form: Form, lines: &Receiver<Line>, lost: &AtomicU64) {
    let mut text = Vec::new();
    let mut go_on = true;
    while go_on && let Ok(first) = lines.recv() {
        text.clear();
        go_on = gather(first, lines, &mut text);
        // Locked for these lines only: what a command says goes the same way.
        let _ = std::io::stderr().lock().write_all(&text);
        let missing = lost.swap(0, Ordering::Relaxed);
        if missing > 0 {
            let said = match form {
                Form::Json => json!({"kind": "events_lost", "count": missing}).to_string(),
                Form::Text(colour) => format!("{} {missing} lines", colour.paint(31, "lost")),
            };
            let _ = writeln!(std::io::stderr().lock(), "{said}");
        }
        if go_on {
            std::thread::park_timeout(GATHERING);
        }
    }
}

/// Adds `first` and what waits behind it to `text`; whether more may come.
fn gather(first: Line, lines: &Receiver<Line>, text: &mut Vec<u8>) -> bool {
    let mut next = Some(first);
    while let Some(Line::Text(line)) = next {
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
        if text.len() >= WRITTEN_BYTES {
            return true;
        }
        next = lines.try_recv().ok();
    }
    next.is_none()
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
