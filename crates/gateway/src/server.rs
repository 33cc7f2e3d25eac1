//! The public listener: connections in, one Story per request, an orderly end.
//!
//! A request's walk is a part of its connection, and the Story is a part of the walk: a client who leaves ends the walk
//! and cannot but have the Story told. A panic is caught there: it ends one request and nothing else.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use http::{HeaderValue, Method, Response, Version, header};
use http_body::Body as _;
use jiff::fmt::rfc2822::DateTimePrinter;
use portcullis_contract::snapshot::{Application, Reached, Texts};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::answer::{self, Form};
use crate::body::Told;
use crate::channel::Channel;
use crate::connection::{self, Speaks};
use crate::forward_auth;
use crate::gate::{Gate, Live};
use crate::http2::Untold;
use crate::received::Received;
use crate::refusal::Refusal;
use crate::stages::accept::Connections;
use crate::stages::{self, Arrived, Known, Reply, Rules, Scope, flood, suspicion};
use crate::story::{Kind, Story};
use crate::strict::inbox::Refused;
use crate::websocket::client::Half;

/// Pause after `accept` failed, usually because the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The public listener, bound and ready to serve.
pub struct Server {
    listener: TcpListener,
    /// The one that never speaks TLS.
    plain: Option<TcpListener>,
    /// The one where another proxy asks.
    questions: Option<TcpListener>,
    shared: Arc<Shared>,
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Every open request was finished.
    Drained,
    /// Some requests were cut off when `bounds.drain_timeout` was over.
    CutOff,
}

/// What connections and requests share.
pub(crate) struct Shared {
    pub(crate) gate: Arc<Gate>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) tasks: TaskTracker,
    /// Asks connections to end after their present request.
    pub(crate) stop: CancellationToken,
    /// Ends whatever is still there.
    pub(crate) cut: CancellationToken,
    turned_away: Sampler,
    /// Room for connections of proxies that ask.
    pub(crate) questions: Arc<Semaphore>,
}

impl Server {
    /// Binds the listener; port 0 lets the system choose. What it speaks follows the configuration.
    pub async fn bind(gate: Arc<Gate>, address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let connections_max = gate.snapshot().bounds.connections_max.min(Semaphore::MAX_PERMITS);
        let shared = Shared {
            gate,
            connections: Arc::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
            turned_away: Sampler::default(),
            questions: Arc::new(Semaphore::new(connections_max)),
        };
        Ok(Self { listener, plain: None, questions: None, shared: Arc::new(shared) })
    }

    /// Binds a second listener, which never speaks TLS.
    pub async fn bind_plain(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        let plain = TcpListener::bind(address).await?;
        let bound = plain.local_addr()?;
        self.plain = Some(plain);
        Ok(bound)
    }

    /// Binds the listener where another proxy asks about requests of its clients.
    pub async fn bind_forward_auth(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        let questions = TcpListener::bind(address).await?;
        let bound = questions.local_addr()?;
        self.questions = Some(questions);
        Ok(bound)
    }

    /// The address that was bound.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop`, then lets open requests finish: for at most `bounds.drain_timeout`, and no longer than until
    /// `hurry`.
    pub async fn run(self, stop: impl Future<Output = ()>, hurry: impl Future<Output = ()>) -> Stopped {
        let Self { listener, plain, questions, shared } = self;
        tokio::select! {
            () = stop => {}
            () = accept(&shared, &listener, Speaks::AsConfigured) => {}
            () = accept_some(&shared, plain.as_ref(), Speaks::Plain) => {}
            () = accept_some(&shared, questions.as_ref(), Speaks::Questions) => {}
        }
        shared.gate.begin_stopping();
        drop((listener, plain, questions));
        shared.stop.cancel();
        shared.tasks.close();
        let patience = shared.gate.snapshot().bounds.drain_timeout;
        tokio::select! {
            () = shared.tasks.wait() => return Stopped::Drained,
            () = tokio::time::sleep(patience) => {}
            () = hurry => {}
        }
        shared.cut.cancel();
        shared.tasks.wait().await;
        Stopped::CutOff
    }
}

/// Takes connections, for ever.
async fn accept(shared: &Arc<Shared>, listener: &TcpListener, speaks: Speaks) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                shared.tasks.spawn(connection::serve(Arc::clone(shared), stream, peer, speaks));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The same for a listener that may not be there.
async fn accept_some(shared: &Arc<Shared>, listener: Option<&TcpListener>, speaks: Speaks) {
    match listener {
        Some(listener) => accept(shared, listener, speaks).await,
        None => std::future::pending().await,
    }
}

/// The answer to a head that was refused before the HTTP library saw it, with its Story; none for more garbage
/// than anybody needs to see.
pub(crate) fn refuse_head(shared: &Shared, peer: IpAddr, refused: &Refused) -> Option<Response<Told>> {
    if refused.is_proxy_header {
        let now = shared.gate.tellers.clock.monotonic();
        let is_trusted = shared.gate.snapshot().listen.trusts(peer);
        shared.gate.memory.notices.unread_header(peer, is_trusted, now);
    }
    let mut story = shared.garbage(peer)?;
    story.saw_protocol(Version::HTTP_11);
    story.saw_head(&refused.method, None, &refused.path);
    let (gate, live) = (&shared.gate, shared.gate.live());
    let suspect = gate.patterns.scan_path(&refused.path);
    let refusal = Refusal { suspect, ..Refusal::head(refused.fault).closing() };
    let scope = Scope { gate, live: &live, form: Form::Problem, reached: Reached::Through };
    let known = Known::asked_by(Method::from_bytes(refused.method.as_bytes()).unwrap_or_default());
    let mut response = refuse(scope, &refusal, &known, &mut story).told_by(story);
    let now = DateTimePrinter::new().timestamp_to_rfc9110_string(&gate.tellers.clock.wall());
    if let Some(now) = now.ok().and_then(|now| HeaderValue::try_from(now).ok()) {
        response.headers_mut().insert(header::DATE, now);
    }
    Some(response)
}

/// One request, from its head to its answer. The Story begins here and ends when it is dropped, on every path.
///
/// This is a part of its connection: the library drops it when the client leaves, and whoever serves the connection when
/// the gate must stop. A panic in a stage ends here, and not the connection.
pub(crate) async fn handle(
    shared: Arc<Shared>,
    mut request: hyper::Request<Received>,
    channel: Arc<Channel>,
) -> Response<Told> {
    let gate = &shared.gate;
    let mut story = Story::begin(&gate.tellers, Kind::Request, channel.peer.ip());
    let live = gate.live();
    let half = Half::of(&mut request, &channel);
    let (head, body) = request.into_parts();
    let mut known = Known::of(&head);
    let reached = channel.reached;
    let scope = Scope { gate, live: &live, form: Form::asked_for(&head.headers), reached };
    let head = forward_auth::head(reached, &live.snapshot, head, !body.is_end_stream());
    let walk = Box::pin(async {
        let head = head?;
        stages::introduce(&head, &mut story);
        stages::walk(scope, Arrived { head, body, channel }, &mut known, &mut story).await
    });
    let mut reply = match AssertUnwindSafe(walk).catch_unwind().await {
        Ok(Ok(reply)) => reply,
        Ok(Err(refusal)) => refuse(scope, &refusal, &known, &mut story),
        Err(_panic) => {
            gate.tellers.metrics.panics.inc();
            let refusal = Refusal::internal(format!("stage `{}` broke", story.stage()));
            refuse(scope, &refusal, &known, &mut story)
        }
    };
    // The one wait for the ledger on the way out, whatever the answer is and whoever gave it.
    if let Err(refusal) = story.settle(reply.status()).await {
        if let Some(switch) = reply.switch.take() {
            shared.tasks.spawn(switch.call_off(Arc::clone(&shared)));
        }
        reply = refuse(scope, &refusal, &known, &mut story);
    }
    if reached == Reached::Asked {
        forward_auth::word(&mut reply, &live.snapshot);
    }
    let Some(half) = half else { return reply.told_by(story) };
    match reply.switch.take() {
        Some(switch) => {
            let answer = reply.begun_by(&mut story);
            shared.tasks.spawn(switch.run(Arc::clone(&shared), half, story));
            answer
        }
        None => {
            // Who asks for a WebSocket may have sent its first frames already: nobody may read them as a request.
            if half.is_connection() {
                reply.closing();
            }
            reply.told_by(story)
        }
    }
}

/// The one place where a refusal becomes an answer, is told, and counts towards a ban.
fn refuse(scope: Scope<'_>, refusal: &Refusal, known: &Known, story: &mut Story) -> Reply {
    story.refused(refusal);
    if let Some(pattern) = refusal.suspect {
        suspicion::count(scope, pattern, story);
    }
    let form = known.target.as_ref().map_or(scope.form, |target| scope.form.on(target.route.kind));
    let application = application(scope.live, known, story);
    let response = match application {
        Some(application) => answer::refuse(refusal, form, &application.texts, story.id()),
        None => answer::refuse(refusal, form, &Texts::default(), story.id()),
    };
    let rules = Rules::of(scope, known, application, story);
    stages::refused(response, &known.method, rules)
}

/// The application that the request was for, also when it was refused before routing.
fn application<'a>(live: &'a Live, known: &'a Known, story: &Story) -> Option<&'a Application> {
    let by_host = || live.snapshot.application_for(story.host()?);
    let application = known.target.as_ref().map(|target| &target.application).or_else(by_host);
    application.map(|application| &**application)
}

impl Shared {
    /// A client sent what is no request. It counts for the flood limit, and beyond that it is counted and not told, so
    /// that garbage cannot become a flood of events.
    pub(crate) fn garbage(&self, peer: IpAddr) -> Option<Story> {
        self.nuisance(peer, Kind::Request)
    }

    /// What an HTTP/2 connection did that no request's story tells.
    pub(crate) fn untold(&self, peer: IpAddr, untold: Untold) {
        let (kind, refusal) = match untold {
            Untold::Request => {
                let why = "the HTTP/2 library refused the request, or its client left with it";
                (Kind::Request, Refusal::malformed(why))
            }
            Untold::Connection(fault) => {
                self.gate.tellers.metrics.http2_ended.inc();
                (Kind::Connection, Refusal::malformed(format!("the HTTP/2 connection was ended: {fault}")))
            }
        };
        if let Some(mut story) = self.nuisance(peer, kind) {
            story.saw_protocol(Version::HTTP_2);
            story.refused(&refusal);
        }
    }

    fn nuisance(&self, peer: IpAddr, kind: Kind) -> Option<Story> {
        let tellers = &self.gate.tellers;
        if flood::take_unasked(&self.gate, peer).is_err() {
            tellers.metrics.connections_refused.inc();
            return None;
        }
        Some(Story::begin(tellers, kind, peer))
    }

    /// A connection was not served: every one is counted, at most one in a second is told, so that a flood of
    /// connections cannot become a flood of events.
    pub(crate) fn turn_away(&self, peer: IpAddr, refusal: Refusal) {
        let tellers = &self.gate.tellers;
        tellers.metrics.connections_refused.inc();
        let second = tellers.clock.monotonic().0 / 1_000_000_000;
        if self.turned_away.is_first_in(second) {
            Story::begin(tellers, Kind::Connection, peer).refused(&refusal);
        }
    }
}

/// Lets the first of each second through.
struct Sampler(AtomicU64);

impl Default for Sampler {
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

impl Sampler {
    fn is_first_in(&self, second: u64) -> bool {
        self.0.swap(second, Ordering::Relaxed) != second
    }
}
