//! A certificate authority that speaks ACME (RFC 8555, RFC 8737), in the test's process, over TLS of its own.
//!
//! It does what a real one does: it checks every signature and nonce, connects to the gate to see the proof, and signs
//! what the request asks for. Every name leads to the addresses that the test gives it. It can be told to misbehave,
//! see [`Fault`]. Read next: [`resources`], then [`validation`].

#![expect(
    clippy::indexing_slicing,
    reason = "test support: members of JSON that are absent read as null, and the server's own lists have the length it gave them"
)]

mod authority;
mod jws;
mod resources;
mod validation;
mod visit;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use authority::Authority;
pub use visit::Visit;

/// How long a certificate lives unless the test says otherwise.
const LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);

/// What a server can be told to do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// New orders are answered 429 with this many seconds in `Retry-After`.
    RateLimited(u64),
    /// Whatever is shown, the challenge has failed.
    ChallengeRefused,
    /// A finalised order stays `processing` until it was asked for this often.
    Processing(u32),
    /// This many signed requests are told that their nonce is bad.
    BadNonce(u32),
    /// Every answer is text where JSON belongs.
    Malformed,
    /// New orders are answered with a body that has no end.
    Endless,
    /// New orders are answered 503 with a `Retry-After` beyond what a clock can hold.
    AbsurdRetryAfter,
    /// Every connection is closed at once.
    Unreachable,
    /// Certificates are for another name.
    OtherName,
    /// Certificates are for another key.
    OtherKey,
    /// Certificates come when most of their life is over.
    Late,
    /// Certificates have ended already.
    Ended,
    /// Accounts that were known are not known any more.
    AccountsForgotten,
}

/// Where every name leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolution {
    /// Where port 80 of every name is.
    pub http: SocketAddr,
    /// Where port 443 of every name is.
    pub https: SocketAddr,
}

/// An account as the server knows it.
#[derive(Debug, Clone)]
pub struct SeenAccount {
    /// What it named as contacts.
    pub contacts: Vec<String>,
    /// The key id of its external account, when it was bound to one.
    pub external: Option<String>,
    point: Vec<u8>,
    forgotten: bool,
}

/// The server. Dropping it closes its port.
#[derive(Debug)]
pub struct AcmeServer {
    address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

/// What the server's connections share.
#[derive(Debug)]
struct State {
    authority: Authority,
    base: String,
    known: Mutex<Known>,
    /// Whoever validates waits for it: a gate's ports are only known once it runs.
    resolution: watch::Sender<Option<Resolution>>,
}

#[derive(Debug, Default)]
struct Known {
    nonces: HashSet<String>,
    accounts: Vec<SeenAccount>,
    orders: Vec<Order>,
    fault: Option<Fault>,
    lifetime: Duration,
    nowhere: HashSet<String>,
    external: Option<(String, Vec<u8>)>,
    issued: usize,
}

#[derive(Debug, Clone)]
struct Order {
    account: usize,
    names: Vec<Name>,
    status: &'static str,
    certificate: Option<String>,
    polls_left: u32,
}

/// One name of an order, with its authorization.
#[derive(Debug, Clone)]
struct Name {
    name: String,
    token: String,
    status: &'static str,
    error: Option<String>,
}

impl AcmeServer {
    /// Starts a server on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let known = Known { lifetime: LIFETIME, ..Known::default() };
        let state = Arc::new(State {
            authority: Authority::new(),
            base: format!("https://{address}"),
            known: Mutex::new(known),
            resolution: watch::Sender::new(None),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { address, state, accepting }
    }

    /// What a configuration names as `directory`.
    pub fn directory(&self) -> String {
        format!("https://{}/directory", self.address)
    }

    /// The certificate of the CA, which has signed the server's own and signs all that it issues, in PEM.
    pub fn root_pem(&self) -> String {
        self.state.authority.root_pem()
    }

    /// Where every name leads from now on. Until it is said, the CA waits.
    pub fn resolve_to(&self, resolution: Resolution) {
        self.state.resolution.send_replace(Some(resolution));
    }

    /// This name leads nowhere from now on.
    pub fn forget_name(&self, name: &str) {
        self.state.known.lock().unwrap().nowhere.insert(name.to_owned());
    }

    /// How long certificates live from now on; they begin one second before they are signed.
    pub fn set_lifetime(&self, lifetime: Duration) {
        self.state.known.lock().unwrap().lifetime = lifetime;
    }

    /// What it does wrong from now on; `None` for nothing.
    pub fn set_fault(&self, fault: Option<Fault>) {
        let mut known = self.state.known.lock().unwrap();
        if fault == Some(Fault::AccountsForgotten) {
            known.accounts.iter_mut().for_each(|account| account.forgotten = true);
        } else {
            known.fault = fault;
        }
    }

    /// From now on new accounts must be bound to this external account.
    pub fn require_external_account(&self, key_id: &str, key: &[u8]) {
        self.state.known.lock().unwrap().external = Some((key_id.to_owned(), key.to_vec()));
    }

    /// The accounts, in the order in which they were made.
    pub fn accounts(&self) -> Vec<SeenAccount> {
        self.state.known.lock().unwrap().accounts.clone()
    }

    /// The names of all orders, refused ones left out.
    pub fn orders(&self) -> Vec<Vec<String>> {
        let names = |order: &Order| order.names.iter().map(|name| name.name.clone()).collect();
        self.state.known.lock().unwrap().orders.iter().map(names).collect()
    }

    /// Connects to `address` as a client that trusts this CA alone and asks for `name`; or says why it trusts nobody there.
    pub async fn visit(&self, address: SocketAddr, name: &str) -> Result<Visit, String> {
        Visit::begin(address, name, &self.root_pem()).await
    }

    /// Shakes hands with `address` as the CA itself does: the certificate that is shown, or why there is none.
    pub async fn shown_to_authority(&self, address: SocketAddr, name: &str) -> Result<Vec<u8>, String> {
        validation::shown_to_acme(address, name).await.map(|certificate| certificate.to_vec())
    }

    /// How many certificates it has signed.
    pub fn issued(&self) -> usize {
        self.state.known.lock().unwrap().issued
    }
}

impl Drop for AcmeServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let acceptor = TlsAcceptor::from(state.authority.server_config());
    while let Ok((stream, _)) = listener.accept().await {
        if state.known.lock().unwrap().fault == Some(Fault::Unreachable) {
            continue;
        }
        tokio::spawn(serve(acceptor.clone(), stream, Arc::clone(&state)));
    }
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream, state: Arc<State>) {
    // A client that does not trust this CA goes away here.
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(|request| {
        let state = Arc::clone(&state);
        async move { Ok::<_, std::convert::Infallible>(resources::answer(&state, request).await) }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
