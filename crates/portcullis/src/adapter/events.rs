//! Everything that goes to the log, written by one thread so that no request waits for a slow terminal or pipe.
//!
//! Lines wait in one text of bounded length. When its reader is too slow, lines are lost and the log and the metrics say
//! how many; the journal's issue brings events that are never lost. The process's own messages take the same way: one
//! that waited for its reader would hold a thread that serves requests, and an attacker who fills the log could stop the
//! gate with it.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_contract::ports::{EventLost, Events};
use portcullis_model::{Outcome, RequestEvent, Verdict};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::adapter::json_line;
use crate::log::{Colour, Form};

/// Text waiting to be written, in bytes. As much again may be in the writer's hands.
const WAITING_BYTES_MAX: usize = 4 << 20;

/// Text that is kept for reuse, in bytes: what a burst or a slow reader needed beyond that is given back.
const KEPT_BYTES_MAX: usize = 256 << 10;

/// Bytes of a usual event, so that there is one allocation for it.
const EVENT_BYTES_USUAL: usize = 1024;

/// How long lines gather after some were written. Were the writer woken for each of them, that alone would be a fifth
/// of what a request costs.
const GATHERING: Duration = Duration::from_millis(5);

/// How long the end waits for the log's reader: a reader that has stalled must not keep the process from ending.
const LAST_LINES_MAX: Duration = Duration::from_secs(2);

/// Events as lines on standard error.
pub(crate) struct EventLog {
    form: Form,
    lines: Lines,
}

/// Where lines wait for the writer.
#[derive(Clone)]
pub(crate) struct Lines(Arc<Shared>);

struct Shared {
    waiting: Mutex<Waiting>,
    /// The writer has something to do, or has done its last.
    changed: Condvar,
}

/// What lies between those who put lines and the one who writes them.
struct Waiting {
    text: Vec<u8>,
    /// Lines that found no room since the last writing.
    lost: u64,
    writer: Writer,
    state: State,
}

/// Whether the writer must be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// It waits for a line.
    Asleep,
    /// It writes, or lets lines gather.
    Busy,
}

/// How far the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Lines are taken.
    Open,
    /// None are; the writer still writes what waits.
    Ending,
    /// All was written.
    Ended,
}

impl EventLog {
    /// Begins to write.
    pub(crate) fn begin(form: Form) -> std::io::Result<Self> {
        let waiting = Waiting { text: Vec::new(), lost: 0, writer: Writer::Busy, state: State::Open };
        let shared = Arc::new(Shared { waiting: Mutex::new(waiting), changed: Condvar::new() });
        let lines = Lines(Arc::clone(&shared));
        let thread = std::thread::Builder::new().name("event-log".into());
        thread.spawn(move || shared.write_all(form))?;
        Ok(Self { form, lines })
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
        let _ = self.lines.put(line.into_bytes());
    }

    /// Writes what is waiting and ends, in bounded time. Later lines are lost.
    pub(crate) fn end(&self) {
        let shared = &self.lines.0;
        let mut waiting = shared.lock();
        if waiting.state == State::Open {
            waiting.state = State::Ending;
            shared.changed.notify_all();
        }
        let still_writes = |waiting: &mut Waiting| waiting.state != State::Ended;
        let _ = shared.changed.wait_timeout_while(waiting, LAST_LINES_MAX, still_writes);
    }
}

impl Drop for EventLog {
    fn drop(&mut self) {
        // A node that could not start says why before it goes.
        self.end();
    }
}

impl Lines {
    /// Lets a line wait for the writer, or counts it as lost when too much waits already.
    fn put(&self, mut line: Vec<u8>) -> Result<(), EventLost> {
        line.push(b'\n');
        let mut waiting = self.0.lock();
        if waiting.state != State::Open || waiting.text.len() + line.len() > WAITING_BYTES_MAX {
            waiting.lost += 1;
            return Err(EventLost);
        }
        waiting.text.extend_from_slice(&line);
        let was = std::mem::replace(&mut waiting.writer, Writer::Busy);
        drop(waiting);
        if was == Writer::Asleep {
            self.0.changed.notify_all();
        }
        Ok(())
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
        let mut line = std::mem::take(&mut self.bytes);
        line.truncate(line.trim_ascii_end().len());
        if !line.is_empty() {
            let _ = self.lines.put(line);
        }
    }
}

impl Events for EventLog {
    fn record(&self, event: &RequestEvent) -> Result<(), EventLost> {
        let line = match self.form {
            Form::Json => {
                let mut line = Vec::with_capacity(EVENT_BYTES_USUAL);
                json_line::write(event, &mut line).map_err(|_| EventLost)?;
                line
            }
            Form::Text(colour) => for_people(event, colour).into_bytes(),
        };
        self.lines.put(line)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer's whole life: it writes what waits, lets more gather, and sleeps when there is nothing.
    fn write_all(&self, form: Form) {
        let mut text = Vec::new();
        while let Some(lost) = self.take(&mut text) {
            // Locked for these lines only: what a command says goes the same way.
            let _ = io::stderr().lock().write_all(&text);
            if lost > 0 {
                let said = match form {
                    Form::Json => json!({"kind": "events_lost", "count": lost}).to_string(),
                    Form::Text(colour) => format!("{} {lost} lines", colour.paint(31, "lost")),
                };
                let _ = writeln!(io::stderr().lock(), "{said}");
            }
            text.clear();
            text.shrink_to(KEPT_BYTES_MAX);
            let open = |waiting: &mut Waiting| waiting.state == State::Open;
            let _ = self.changed.wait_timeout_while(self.lock(), GATHERING, open);
        }
        self.lock().state = State::Ended;
        self.changed.notify_all();
    }

    /// Swaps what waits into `text`, which is empty, and says how many lines were lost; sleeps until there is something.
    /// `None` when nothing more will come.
    fn take(&self, text: &mut Vec<u8>) -> Option<u64> {
        let mut waiting = self.lock();
        loop {
            let lost = std::mem::take(&mut waiting.lost);
            if lost > 0 || !waiting.text.is_empty() {
                std::mem::swap(&mut waiting.text, text);
                return Some(lost);
            }
            if waiting.state != State::Open {
                return None;
            }
            waiting.writer = Writer::Asleep;
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
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
