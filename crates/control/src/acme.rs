//! Certificates from an authority (RFC 8555): ordered, renewed in time, kept over restarts, put in force while the gate
//! runs.
//!
//! Never on the request path. Names are served one after the other, each with a certificate of its own, so that one
//! that cannot be proven costs the others nothing. What is decided by the time alone is in [`when`]; one attempt is in
//! [`order`]. A CA that is down, slow or wrong changes nothing until a certificate ends.

mod certificate;
mod http;
mod kept;
mod order;
mod proof;
mod when;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use portcullis_contract::Snapshot;
use portcullis_contract::ports::{Certificates, Clock, Entropy, Managed, ManagedCertificate, Proofs, Vault};
use portcullis_contract::snapshot::Acme;
use tokio::sync::watch;

use certificate::{Held, usable};
use http::CaClient;
use kept::Kept;
use order::{Attempt, Failed};
use when::{Attempts, Rule, Share, due};

/// Longest time for one attempt, all questions to the CA together.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(600);
/// Longest sleep: a machine that slept, or whose clock was set, is noticed within it.
const SLEEP_MAX: Duration = Duration::from_secs(600);
/// Shortest pause between two attempts, whatever a certificate says of its own life.
const PAUSE_MIN: Duration = Duration::from_millis(500);

/// What certificates are got with.
#[derive(Clone)]
pub struct AcmePorts {
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Randomness for the moment of renewals.
    pub entropy: Arc<dyn Entropy>,
    /// Where account and certificates are kept.
    pub vault: Arc<dyn Vault>,
    /// Where proofs are shown.
    pub proofs: Arc<dyn Proofs>,
    /// Where certificates take effect.
    pub certificates: Arc<dyn Certificates>,
}

/// Sees to it that every name of the Snapshot in force has a certificate.
pub struct CertificateKeeper {
    ports: AcmePorts,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    names: Vec<Standing>,
}

/// The names of one configuration, and how each of them stands.
struct Watch<'a> {
    ports: &'a AcmePorts,
    acme: &'a Acme,
    kept: Kept,
    names: &'a mut [Standing],
}

/// How one name stands with one CA.
struct Standing {
    directory: Box<str>,
    name: Box<str>,
    held: Option<Held>,
    attempts: Option<Attempts>,
    share: Share,
}

impl CertificateKeeper {
    /// Puts in force what earlier runs kept. Whoever waits for this before serving never shows another certificate
    /// after a restart than before it.
    pub async fn begin(ports: AcmePorts, mut snapshots: watch::Receiver<Arc<Snapshot>>) -> Self {
        let snapshot = Arc::clone(&snapshots.borrow_and_update());
        let mut keeper = Self { ports, snapshots, names: Vec::new() };
        keeper.take_over(&snapshot).await;
        keeper
    }

    /// Orders and renews, by each Snapshot that comes into force, for as long as it is polled.
    pub async fn run(mut self) {
        loop {
            let snapshot = Arc::clone(&self.snapshots.borrow());
            let changed = match snapshot.acme() {
                Some(acme) => {
                    let kept = Kept::of(Arc::clone(&self.ports.vault), &acme.directory);
                    let watch = Watch { ports: &self.ports, acme, kept, names: &mut self.names };
                    watch.until_changed(&mut self.snapshots).await
                }
                None => self.snapshots.changed().await,
            };
            if changed.is_err() {
                return;
            }
            let snapshot = Arc::clone(&self.snapshots.borrow_and_update());
            self.take_over(&snapshot).await;
        }
    }

    /// Finds out how each name of a Snapshot stands. What is known already stays as it is known: it may be better than
    /// what a full disk has kept.
    async fn take_over(&mut self, snapshot: &Snapshot) {
        let mut known = std::mem::take(&mut self.names);
        if let Some(acme) = snapshot.acme() {
            let kept = Kept::of(Arc::clone(&self.ports.vault), &acme.directory);
            for name in &acme.names {
                let same = |known: &Standing| known.name == *name && known.directory == acme.directory;
                let standing = match known.iter().position(same) {
                    Some(at) => known.swap_remove(at),
                    None => {
                        let (held, attempts) = found(&kept, name, self.ports.clock.wall()).await;
                        let (directory, name) = (acme.directory.clone(), name.clone());
                        let share = Share::drawn(&*self.ports.entropy);
                        Standing { directory, name, held, attempts, share }
                    }
                };
                self.names.push(standing);
            }
        }
        put_in_force(&self.ports, &self.names);
    }
}

impl Watch<'_> {
    /// Orders and renews until another Snapshot is in force.
    async fn until_changed(
        mut self,
        snapshots: &mut watch::Receiver<Arc<Snapshot>>,
    ) -> Result<(), watch::error::RecvError> {
        loop {
            let now = self.ports.clock.wall();
            let next = self.names.iter().enumerate().map(|(at, name)| (self.due(name, now), at)).min();
            let Some((due, at)) = next else { return snapshots.changed().await };
            let left = Duration::try_from(due.duration_since(now)).unwrap_or_default();
            if left.is_zero() {
                // Not broken off by a new Snapshot: the CA would count the attempt all the same.
                self.attempt(at).await;
            }
            tokio::select! {
                changed = snapshots.changed() => return changed,
                () = tokio::time::sleep(left.clamp(PAUSE_MIN, SLEEP_MAX)) => {}
            }
        }
    }

    fn due(&self, standing: &Standing, now: Timestamp) -> Timestamp {
        let Acme { renew_before, retry_after, .. } = *self.acme;
        let rule = Rule { renew_before, retry_after };
        let validity = standing.held.as_ref().map(|held| held.validity);
        due(validity, standing.attempts, rule, standing.share, now)
    }

    /// Makes one attempt, from writing down that it begins to putting the certificate in force.
    async fn attempt(&mut self, at: usize) {
        let Some(standing) = self.names.get_mut(at) else { return };
        let began = self.ports.clock.wall();
        let failed = standing.attempts.map_or(0, |attempts| attempts.failed).saturating_add(1);
        let begun = Attempts { failed, last: began, asked_pause: None };
        standing.attempts = Some(begun);
        standing.share = Share::drawn(&*self.ports.entropy);
        let name = standing.name.clone();
        let got = self.get(&name, begun).await;
        let Some(standing) = self.names.get_mut(at) else { return };
        match got {
            Ok(held) => {
                let until = held.validity.not_after;
                tracing::info!(%name, %until, "a certificate of the CA is in force");
                (standing.held, standing.attempts) = (Some(held), Some(begun.succeeded()));
            }
            Err(Failed { why, asked_pause }) => {
                let attempts = Attempts { asked_pause, ..begun };
                standing.attempts = Some(attempts);
                // Already kept as begun: only what the CA asked for would be missing.
                let kept = self.kept.keep_attempts(&name, attempts).await;
                let ends = standing.held.as_ref().map(|held| held.validity.not_after.to_string());
                let ends = ends.as_deref().unwrap_or("there is none");
                let standing = self.names.get(at);
                let next = standing.map(|standing| self.due(standing, began)).unwrap_or_default();
                let directory = &*self.acme.directory;
                tracing::error!(%name, directory, attempts = failed, %next, ends, "no new certificate: {why}");
                if let Err(error) = kept {
                    tracing::error!(%name, "the failed attempt cannot be kept over a restart: {error}");
                }
            }
        }
        put_in_force(self.ports, self.names);
    }

    /// Gets a certificate and looks at it. Whatever breaks on the way, a panic included, is a failed attempt.
    async fn get(&self, name: &str, begun: Attempts) -> Result<Held, Failed> {
        // Written down before: a node that dies in the midst of it, again and again, must not use up what the CA allows.
        self.kept.keep_attempts(name, begun).await?;
        let client = CaClient::new(Arc::clone(&self.acme.roots), Arc::clone(&self.ports.clock))
            .map_err(|error| Failed::here("preparing TLS", error))?;
        let attempt =
            Attempt { acme: self.acme, client: &client, kept: &self.kept, proofs: &self.ports.proofs };
        let work = AssertUnwindSafe(attempt.certificate(name)).catch_unwind();
        let bundle = match tokio::time::timeout(ATTEMPT_TIMEOUT, work).await {
            Ok(Ok(got)) => got?,
            Ok(Err(_panic)) => return Err(Failed::here("ordering", "it broke; the line before says where")),
            Err(_) => return Err(Failed::here("ordering", "the CA takes too long over all")),
        };
        let held = usable(&bundle, name, self.ports.clock.wall())
            .map_err(|why| Failed::here("looking at the certificate", why))?;
        // It works and it is ours: a disk that is full must not keep it from being served.
        if let Err(error) = self.kept.keep_certificate(name, bundle).await {
            tracing::error!(name, "the new certificate is in force, but will be lost at a restart: {error}");
        }
        if let Err(error) = self.kept.keep_attempts(name, begun.succeeded()).await {
            tracing::error!(name, "that the certificate came cannot be kept over a restart: {error}");
        }
        Ok(held)
    }
}

fn put_in_force(ports: &AcmePorts, names: &[Standing]) {
    let managed = names.iter().map(|standing| Managed {
        name: standing.name.clone(),
        certificate: standing.held.as_ref().map(|held| ManagedCertificate {
            key: Arc::clone(&held.key),
            not_before: held.validity.not_before,
            not_after: held.validity.not_after,
        }),
        failed: standing.attempts.filter(|attempts| attempts.failed > 0).map(|attempts| attempts.last),
    });
    ports.certificates.put_in_force(managed.collect());
}

/// What an earlier run kept of a name. What cannot be used counts as not there, and the log says why.
async fn found(kept: &Kept, name: &str, now: Timestamp) -> (Option<Held>, Option<Attempts>) {
    let held = match kept.certificate(name).await {
        Ok(Some(bundle)) => usable(&bundle, name, now)
            .map_err(|why| tracing::warn!(name, "the certificate that was kept is not used: {why}"))
            .ok(),
        Ok(None) => None,
        Err(error) => {
            tracing::error!(name, "the certificate that was kept cannot be read: {error}");
            None
        }
    };
    let attempts = kept.attempts(name).await.unwrap_or_else(|error| {
        tracing::error!(name, "earlier attempts cannot be read: {error}");
        // As if one had failed just now: a CA must not pay for our disk.
        Some(Attempts { failed: 1, last: now, asked_pause: None })
    });
    (held, attempts)
}

impl Attempts {
    /// The same when the last one ended well.
    fn succeeded(self) -> Self {
        Self { failed: 0, asked_pause: None, ..self }
    }
}

impl Share {
    fn drawn(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 2];
        entropy.fill(&mut bytes);
        Self(u16::from_be_bytes(bytes))
    }
}
