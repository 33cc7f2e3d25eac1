//! `portcullis run`: how a node is put together, runs and stops.

mod recorded;
mod reloading;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use portcullis_contract::ports::{Clock, Entropy};
use portcullis_contract::snapshot::Origin;
use portcullis_contract::{Diagnostic, Snapshot, compile};
use portcullis_control::{
    AcmePorts, AdminSocket, ApiPorts, CertificateKeeper, KeptBans, Reloader, api, serve_admin, serve_ops,
};
use portcullis_gateway::{Gate, NoWatch, Ports, Server, Stopped};
use rustix::process::geteuid;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::adapter::{
    EventLog, FileSurroundings, FileVault, SystemClock, SystemEntropy, Watched, allow_most,
    check_state_directory, read_config,
};
use crate::cli::ConfigFile;
use crate::ledger::{Ledger, NodeWatch, Opener, Plan, SOCKET};
use crate::people::Peopled;
use crate::{Exit, log};
use reloading::Reloading;

/// How long tasks that outlive the node may take to end once their process ends.
const LEFT_BEHIND_MAX: Duration = Duration::from_millis(200);
/// A certificate that ends sooner is told of, at each start and reload.
const SOON_DAYS: i64 = 14;

/// Runs the gate until it is asked to stop.
pub(crate) fn run(arguments: &ConfigFile) -> anyhow::Result<Exit> {
    let text = read_config(&arguments.config)?;
    let configuration = match Configuration::compiled(&arguments.config, &text) {
        Ok(configuration) => configuration,
        Err(diagnostics) => {
            show(&diagnostics, &text);
            return Ok(Exit::Usage);
        }
    };
    until_done(async {
        let node = Box::pin(Node::start(configuration)).await?;
        node.until_stopped().await
    })
}

/// Runs `work` on a runtime and gives up whatever it leaves behind. A runtime that is dropped waits for its blocking
/// tasks, and the scan of a body that an attacker wrote may be among them: a stop must not wait for that.
pub(crate) fn until_done<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Runtime::new().context("the runtime cannot start")?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(LEFT_BEHIND_MAX);
    done
}

/// A configuration that a node can start with.
pub(crate) struct Configuration {
    file: PathBuf,
    text: String,
    snapshot: Arc<Snapshot>,
    /// The files that it names.
    watched: Watched,
}

impl Configuration {
    /// Compiles a configuration with the files and variables around it. A key that has ended since it was checked must
    /// not keep the gate from starting, so no date is given; the gate refuses such a key all the same.
    pub(crate) fn compiled(file: &Path, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let surroundings = FileSurroundings::of_node(file);
        let snapshot = compile(text, &file.display().to_string(), &surroundings, Timestamp::MIN)?;
        let (file, text, watched) = (file.to_owned(), text.to_owned(), surroundings.watched());
        Ok(Self { file, text, snapshot: Arc::new(snapshot), watched })
    }

    /// What it says.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot)
    }
}

/// Shows mistakes with the lines they are in.
pub(crate) fn show(diagnostics: &[Diagnostic], text: &str) {
    let mut stderr = std::io::stderr().lock();
    for diagnostic in diagnostics {
        let _ = writeln!(stderr, "{}\n", diagnostic.render(text));
    }
    let count = diagnostics.len();
    let _ =
        writeln!(stderr, "{count} {} in the configuration", if count == 1 { "mistake" } else { "mistakes" });
}

/// Takes what the system allows, and says when it is less than the connections that are promised.
fn remark_open_files(snapshot: &Snapshot) {
    let (connections, requests) = (snapshot.bounds.connections_max, snapshot.bounds.requests_max);
    let files = allow_most();
    // A request under way holds a connection to its upstream.
    if files <= connections.saturating_add(requests) as u64 {
        tracing::warn!(
            "the process may open {files} files, and `bounds.connections_max` is {connections} and \
             `bounds.requests_max` {requests}: raise the one (`LimitNOFILE` of systemd, `ulimit -n` of shells) or \
             lower the others"
        );
    }
}

/// A node: the gate, its listeners, and what is needed to reload it.
pub(crate) struct Node {
    events: Arc<EventLog>,
    ledger: Ledger,
    server: Server,
    reloading: Reloading,
    certificates: CertificateKeeper,
    peopled: Option<Peopled>,
    stopping: watch::Sender<bool>,
    signals: Signals,
}

/// The signals that a node heeds, kept from the moment this exists.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn begin() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

impl Node {
    /// Binds all listeners and begins to serve probes.
    pub(crate) async fn start(configuration: Configuration) -> anyhow::Result<Self> {
        let Configuration { file, text, snapshot, watched } = configuration;
        let state = &snapshot.state_directory;
        check_state_directory(state).map_err(|why| {
            anyhow::anyhow!("the state directory `{}` cannot be used: {why}", state.display())
        })?;
        let form = log::Form::settle(snapshot.log);
        let events = Arc::new(EventLog::begin(form).context("the event log cannot start")?);
        log::begin(form, events.lines());
        remark_open_files(&snapshot);
        // Before anyone can learn that the node is up: an early SIGHUP would otherwise end it.
        let signals = Signals::begin().context("signals cannot be received")?;
        let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) =
            (Arc::new(SystemClock::new()), Arc::new(SystemEntropy));
        let ledger = open_ledger(&snapshot, &clock, &entropy).await?;
        let audit = Arc::new(ledger.audit());
        let ports = Ports { clock, entropy, events: Arc::<EventLog>::clone(&events), audit };
        let gate = Arc::new(Gate::new(Arc::clone(&snapshot), ports.clone(), Box::new(NoWatch))?);
        let (server, others) = bind(&gate, &snapshot).await?;
        let (stopping, stopped) = watch::channel(false);
        if let Some(ops) = &snapshot.ops {
            let watch = NodeWatch { gate: Arc::clone(&gate), ledger: ledger.watch() };
            let address = begin_ops(ops.address, watch, stopped.clone()).await?;
            events.announce("ops", address);
        }
        let reloader = Reloader::new(Arc::<Gate>::clone(&gate), text, Arc::clone(&snapshot));
        let in_force = reloader.in_force();
        let peopled = Peopled::begin(&ledger, &ports, &gate, in_force.clone()).await?;
        let (reloading, reload) = Reloading::new(file, reloader, watched, ledger.scribe());
        let api = ApiPorts {
            clock: Arc::clone(&ports.clock),
            entropy: Arc::clone(&ports.entropy),
            audit: Arc::clone(&ports.audit),
            administration: Arc::new(ledger.administration()),
            in_force: in_force.clone(),
            bans: Some(begin_bans(&ledger, &ports, &gate).await?),
            reload: Some(Arc::new(reload)),
            people: peopled.as_ref().map(Peopled::people),
        };
        if let Some(admin) = &snapshot.admin {
            let doors = Arc::<Gate>::clone(&gate);
            let begun = begin_admin_listener(admin.address, api.clone(), doors, stopped.clone());
            events.announce("admin", begun.await?);
        }
        begin_admin(&snapshot.state_directory.join(SOCKET), api, stopped.clone());
        begin_retention(&ledger, stopped);
        for (name, address) in others {
            events.announce(name, address);
        }
        let certificates = CertificateKeeper::begin(acme_ports(ports, &gate, &snapshot), in_force).await;
        events.announce("public", server.local_addr()?);
        remark_certificates(&snapshot, Timestamp::now());
        Ok(Self { events, ledger, server, reloading, certificates, peopled, stopping, signals })
    }

    /// The public address that was bound.
    pub(crate) fn public_address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.server.local_addr()?)
    }

    /// Serves until SIGTERM or SIGINT; SIGHUP reloads.
    pub(crate) async fn until_stopped(self) -> anyhow::Result<Exit> {
        let Self { events, ledger, server, reloading, certificates, peopled, stopping, signals } = self;
        let Signals { hangup, mut terminate, mut interrupt } = signals;
        let reloading = tokio::spawn(reloading.for_ever(hangup));
        let keeping = tokio::spawn(certificates.run());
        let (first, second) = (watch::channel(false), watch::channel(false));
        let telling = tokio::spawn(async move {
            for (told, message) in [
                (first.0, "stopping: open requests may finish; once more to cut them off"),
                (second.0, "open requests are cut off"),
            ] {
                stop_signal(&mut terminate, &mut interrupt).await;
                tracing::info!("{message}");
                let _ = told.send(true);
            }
        });
        let stopped = server.run(until(first.1), until(second.1)).await;
        keeping.abort();
        telling.abort();
        reloading.abort();
        let _ = stopping.send(true);
        if stopped == Stopped::CutOff {
            tracing::warn!("some requests did not finish in time");
        }
        if let Some(peopled) = peopled {
            peopled.end().await;
        }
        let runtime = Handle::current();
        spawn_blocking(move || ledger.end(&runtime)).await?;
        tracing::info!("stopped");
        events.end();
        Ok(Exit::Fine)
    }
}

/// Opens the ledger where blocking harms nobody.
async fn open_ledger(
    snapshot: &Snapshot,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> anyhow::Result<Ledger> {
    let (plan, clock, entropy) = (Plan::of(snapshot), Arc::clone(clock), Arc::clone(entropy));
    let runtime = Handle::current();
    spawn_blocking(move || Ledger::open(&plan, Opener::Node, &clock, &entropy, &runtime)).await?
}

/// Binds the public listener, and those beside it that are wanted, by name.
async fn bind(
    gate: &Arc<Gate>,
    snapshot: &Snapshot,
) -> anyhow::Result<(Server, Vec<(&'static str, SocketAddr)>)> {
    let address = snapshot.listen.address;
    let bound = Server::bind(Arc::clone(gate), address).await;
    let mut server = bound.map_err(|error| cannot_listen("listen.address", address, &error))?;
    let mut others = Vec::new();
    if let Some(address) = snapshot.listen.plain_address {
        let bound = server.bind_plain(address).await;
        others
            .push(("plain", bound.map_err(|error| cannot_listen("listen.plain_address", address, &error))?));
    }
    if let Some(asked) = &snapshot.forward_auth {
        let bound = server.bind_forward_auth(asked.address).await;
        let bound = bound.map_err(|error| cannot_listen("forward_auth.address", asked.address, &error))?;
        others.push(("forward_auth", bound));
    }
    Ok((server, others))
}

/// Begins to serve probes and metrics, and says where.
async fn begin_ops(
    address: SocketAddr,
    watch: NodeWatch<Gate>,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<SocketAddr> {
    let bound = TcpListener::bind(address).await;
    let listener = bound.map_err(|error| cannot_listen("ops.address", address, &error))?;
    let address = listener.local_addr()?;
    let watch = Arc::new(watch);
    tokio::spawn(async move {
        let (readiness, exposition) = (Arc::<NodeWatch<Gate>>::clone(&watch), watch);
        if let Err(error) = serve_ops(listener, readiness, exposition, until(stopped)).await {
            tracing::error!(%error, "the ops listener ended");
        }
    });
    Ok(address)
}

/// Begins to answer this machine's administrators. Without a socket the node serves all the same: commands then say that it
/// cannot be reached.
fn begin_admin(path: &Path, ports: ApiPorts, stopped: watch::Receiver<bool>) {
    match AdminSocket::bind(path, geteuid().as_raw()) {
        Ok(socket) => {
            tokio::spawn(async move {
                let administration = Arc::clone(&ports.administration);
                if let Err(error) = socket.serve(administration, api(ports), until(stopped)).await {
                    tracing::error!(%error, "the admin socket ended");
                }
            });
        }
        Err(error) => tracing::error!(path = %path.display(), %error, "there is no admin socket"),
    }
}

/// Begins to answer administrators over TCP, and says where.
async fn begin_admin_listener(
    address: SocketAddr,
    ports: ApiPorts,
    doors: Arc<Gate>,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<SocketAddr> {
    let bound = TcpListener::bind(address).await;
    let listener = bound.map_err(|error| cannot_listen("admin.address", address, &error))?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        if let Err(error) = serve_admin(listener, ports, doors, until(stopped)).await {
            tracing::error!(%error, "the listener for administrators ended");
        }
    });
    Ok(address)
}

/// Begins to destroy keys whose time is over.
/// Bans by hand: in force before anybody is answered, and followed from then on.
async fn begin_bans(ledger: &Ledger, ports: &Ports, gate: &Arc<Gate>) -> anyhow::Result<Arc<KeptBans>> {
    let store = ledger.people_store(&ports.clock, &ports.entropy).await?;
    let bans = KeptBans::new(Arc::<Gate>::clone(gate), store.keyrings, Arc::clone(&ports.clock));
    let bans = Arc::new(bans);
    if let Err(problem) = bans.poll().await {
        tracing::warn!(%problem, "the bans by hand cannot be read yet; they come into force once they can");
    }
    tokio::spawn(Arc::clone(&bans).run());
    Ok(bans)
}

fn begin_retention(ledger: &Ledger, stopped: watch::Receiver<bool>) {
    let retention = ledger.retention();
    tokio::spawn(async move {
        tokio::select! {
            () = retention.for_ever() => {}
            () = until(stopped) => {}
        }
    });
}

/// What certificates of an authority are got with.
fn acme_ports(ports: Ports, gate: &Arc<Gate>, snapshot: &Snapshot) -> AcmePorts {
    AcmePorts {
        clock: ports.clock,
        entropy: ports.entropy,
        vault: Arc::new(FileVault::new(&snapshot.state_directory)),
        proofs: Arc::<Gate>::clone(gate),
        certificates: Arc::<Gate>::clone(gate),
    }
}

/// What to tell someone whose address is not to be had, with the next step.
fn cannot_listen(setting: &str, address: SocketAddr, error: &io::Error) -> anyhow::Error {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => "; another program listens there: stop it, or choose another port",
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need root or the capability CAP_NET_BIND_SERVICE"
        }
        _ => "",
    };
    anyhow::anyhow!("`{setting}` {address} cannot be bound: {error}{advice}")
}

/// SIGTERM as service managers send it, SIGINT as Ctrl-C does.
async fn stop_signal(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // An error says that the sender is gone, which is a stop as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Says which certificates will make clients turn away, now or soon.
fn remark_certificates(snapshot: &Snapshot, now: Timestamp) {
    let soon = now.checked_add(SignedDuration::from_hours(24 * SOON_DAYS)).unwrap_or(now);
    for certificate in snapshot.listen.tls.iter().flat_map(|tls| &tls.certificates) {
        let (file, ends) = (certificate.file.display(), certificate.not_after);
        match certificate.origin {
            // It is shown only until the authority's comes, which the log says.
            Origin::SelfMade if snapshot.acme().is_some() => {}
            Origin::SelfMade => tracing::warn!(
                %file,
                "the certificate was made for itself by this node: browsers warn; put one into the folder `tls`"
            ),
            Origin::Given if ends <= now => tracing::error!(%file, %ends, "the certificate has ended"),
            Origin::Given if ends <= soon => tracing::warn!(%file, %ends, "the certificate ends soon"),
            Origin::Given => {}
        }
    }
    let routes = snapshot.applications.iter().flat_map(|application| &application.routes);
    let authorities: BTreeMap<_, _> =
        routes.filter_map(|route| route.client_authority.as_ref()).map(|one| (&one.name, one)).collect();
    for (authority, revoked) in authorities.iter().filter_map(|(name, one)| Some((name, one.revoked()?))) {
        let ends = revoked.ends();
        if ends <= now {
            tracing::error!(%authority, %ends, "its list of revoked certificates has ended: nobody's is taken");
        }
    }
}
