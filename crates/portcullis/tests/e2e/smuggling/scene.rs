//! A gate between an attacker and an upstream that records, and what must hold of every attack.

use std::time::Duration;

use portcullis_testkit::{Gate, RawConnection, Recorder, eventually, within};

use crate::gate::DEADLINE;
use crate::guard;

/// One public route, and a closed one that no request of these tests may reach. Bans would only hide what comes later.
const SETTINGS: &str = "route all /*; public = true\nroute hidden /smuggled; api_key_required = true\nkey root\n\
                        [ban]\nexempt = [\"127.0.0.0/8\"]\n";

/// Follows every payload, so that the connection ends when the gate reads on.
const END: &[u8] = b"GET /end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// Holds a place in a text where nothing more is sent before the gate or the upstream has moved.
const PAUSE: char = '⏸';

/// The request that must not arrive. It is long, so that no small number in a payload swallows it by chance.
pub(super) fn hidden() -> String {
    format!("GET /smuggled HTTP/1.1\r\nHost: a\r\nX-Pad: {}\r\n\r\n", "x".repeat(300))
}

/// A payload.
pub(super) struct Attack {
    name: String,
    /// With pauses between them.
    pieces: Vec<Vec<u8>>,
}

impl Attack {
    /// From text in which `\n` stands for CRLF; `␊`, `␍`, `␀`, `␋`, `␌` for single bytes; `HIDDEN` for the hidden
    /// request, `{hidden}` for its length, `{hex}` for that in hexadecimal; `{body}` for the length of all that follows
    /// the first empty line; and `⏸` for a pause.
    pub(super) fn new(name: &str, text: &str) -> Self {
        let singles = [("␊", "\n"), ("␍", "\r"), ("␀", "\0"), ("␋", "\x0b"), ("␌", "\x0c")];
        let text =
            singles.iter().fold(text.replace('\n', "\r\n"), |text, (sign, byte)| text.replace(sign, byte));
        let (length, text) = (hidden().len(), text.replace("HIDDEN", &hidden()));
        let text = text.replace("{hidden}", &length.to_string()).replace("{hex}", &format!("{length:x}"));
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let body = body.replace(PAUSE, "").len().to_string();
        let text = text.replace("{body}", &body);
        Self {
            name: name.to_owned(),
            pieces: text.split(PAUSE).map(|piece| piece.as_bytes().to_vec()).collect(),
        }
    }

    /// The same with `byte` where the text has `@`.
    pub(super) fn with_byte(name: String, text: &str, byte: u8) -> Self {
        let mut attack = Self::new(&name, text);
        attack.pieces.iter_mut().flatten().filter(|at| **at == b'@').for_each(|at| *at = byte);
        attack
    }

    /// The same with a label under which the gate does not hold bodies back.
    fn streamed(&self) -> Self {
        let label = b"Host: a\r\nContent-Type: image/png\r\n";
        let mut pieces = self.pieces.clone();
        if let Some(first) = pieces.first_mut() {
            let host = b"Host: a\r\n";
            if let Some(at) = first.windows(host.len()).position(|window| window == host) {
                first.splice(at..at + host.len(), label.iter().copied());
            }
        }
        Self { name: format!("{}, streamed", self.name), pieces }
    }
}

/// The gate, what stands behind it, and what was answered so far.
pub(super) struct Scene {
    gate: Gate,
    recorder: Recorder,
    /// Targets or names, and the status that was read, in the order of the answers.
    answers: Vec<(String, String)>,
}

impl Scene {
    pub(super) async fn start() -> Self {
        let recorder = Recorder::start().await;
        let gate = guard::before(&recorder.url(), SETTINGS).start().await;
        Self { gate, recorder, answers: Vec::new() }
    }

    /// Tries attacks of which each is answered with these statuses, with bodies held and with bodies streamed. All are
    /// tried before those that went wrong are told.
    pub(super) async fn check<'a>(expected: &str, rows: impl IntoIterator<Item = (&'a str, String)>) {
        Self::check_any(&[expected], rows).await;
    }

    /// The same where the answer depends on who is faster: each of these is good.
    pub(super) async fn check_any<'a>(expected: &[&str], rows: impl IntoIterator<Item = (&'a str, String)>) {
        let mut scene = Self::start().await;
        let mut wrong = Vec::new();
        for (name, text) in rows {
            let attack = Attack::new(name, &text);
            for attack in [attack.streamed(), attack] {
                let told = scene.judge(&attack).await;
                if !expected.contains(&&*told) {
                    wrong.push(format!("{}: {told:?}, not {expected:?}: {text:?}", attack.name));
                }
            }
        }
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
        scene.end().await;
    }

    /// Sends an attack and gives the statuses of its answers. See [`Self::judge_all`].
    async fn judge(&mut self, attack: &Attack) -> String {
        self.judge_all(std::slice::from_ref(attack)).await.concat()
    }

    /// Sends attacks and gives the statuses of each one's answers. Whatever they are, this holds: the upstream sees at
    /// most one request of each, written so that it has one reading, and never the hidden one; and somebody else's
    /// request gets its own answer.
    pub(super) async fn judge_all(&mut self, attacks: &[Attack]) -> Vec<String> {
        let mut told = Vec::new();
        for attack in attacks {
            let statuses = self.deliver(attack).await;
            told.push(statuses.join(" "));
            self.answers.extend(statuses.into_iter().map(|status| (attack.name.clone(), status)));
        }
        let name = attacks.first().map(|attack| &*attack.name).unwrap_or_default();
        let honest = self.honest_request(name).await;
        let requests = self.recorder.take_requests().unwrap_or_else(|why| panic!("{name}: {why}"));
        let (ours, theirs): (Vec<_>, Vec<_>) =
            requests.iter().map(|request| &*request.target).partition(|target| *target == honest);
        assert_eq!(ours.len(), 1, "{name}: {requests:#?}");
        let theirs: Vec<_> = theirs.into_iter().filter(|target| *target != "/end").collect();
        let is_hidden = theirs.iter().any(|target| is_hidden(target));
        assert!(theirs.len() <= attacks.len() && !is_hidden, "{name}: the upstream saw {theirs:?}");
        told
    }

    /// After the last attack: each answer has its one event, in their order.
    pub(super) async fn end(self) {
        let told = || {
            let events = self.gate.events();
            events.iter().map(|event| event["status"].to_string()).collect::<Vec<_>>()
        };
        eventually(DEADLINE, async || told().len() >= self.answers.len()).await;
        let (events, answers) = (told(), self.answers.iter().map(|(_, status)| status));
        let odd = self.answers.iter().zip(&events).find(|((_, status), event)| status != *event);
        assert!(events.iter().eq(answers), "one event for each answer, up to {odd:?}");
    }

    async fn deliver(&mut self, attack: &Attack) -> Vec<String> {
        let mut connection = RawConnection::open(self.gate.address("public")).await;
        let mut received = self.recorder.bytes_total();
        for (at, piece) in attack.pieces.iter().enumerate() {
            if at > 0 {
                self.pause(&mut connection, received).await;
                received = self.recorder.bytes_total();
            }
            // The gate may have ended the connection.
            let _ = connection.try_send(piece).await;
        }
        let _ = connection.try_send(END).await;
        let begins = |word: &[u8]| attack.pieces.first().is_some_and(|piece| piece.starts_with(word));
        let to_head: &[usize] = if begins(b"HEAD ") { &[0] } else { &[] };
        let answers = connection.read_answers(to_head).await;
        for (head, body) in &answers {
            let body = String::from_utf8_lossy(body);
            let target = body.strip_prefix("GET ");
            assert!(!target.is_some_and(is_hidden), "{}: {} {body}", attack.name, head.text);
        }
        answers.iter().map(|(head, _)| head.status.to_string()).collect()
    }

    /// Until the gate has answered or the upstream has more than it had received; neither may ever happen.
    async fn pause(&self, connection: &mut RawConnection, received: usize) {
        const PATIENCE: Duration = Duration::from_millis(150);
        let mut moved = || connection.has_something_to_read() || self.recorder.bytes_total() > received;
        within(PATIENCE, || std::future::ready(moved())).await;
    }

    /// Another client's request, which must get its own answer; says its target.
    async fn honest_request(&mut self, name: &str) -> String {
        let target = format!("/honest/{}", self.answers.len());
        let mut connection = RawConnection::open(self.gate.address("public")).await;
        connection.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await;
        let (head, body) = connection.read_answer().await;
        let body = String::from_utf8_lossy(&body).into_owned();
        assert_eq!((head.status, body), (200, format!("GET {target}")), "after {name}");
        self.answers.push((target.clone(), "200".to_owned()));
        target
    }
}

/// Whether a server could take the target for the closed one.
fn is_hidden(target: &str) -> bool {
    let path = target.split(['?', ';']).next().unwrap_or_default().to_ascii_lowercase();
    path.replace("%20", " ").trim_end_matches(['/', '.', ' ']) == "/smuggled"
}
