//! Posts checkpoints to a server elsewhere (`[audit.webhook]`): always the newest, at most one in so long, and again until it is
//! taken.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use http::Uri;
use jiff::Timestamp;
use portcullis_contract::snapshot::Webhook as Settings;
use portcullis_outside::{Egress, Guard, Webhook, WebhookSecret};
use portcullis_store::Journal;
use portcullis_store::journal::Published;
use secrecy::ExposeSecret;
use tokio::runtime::Handle;

use super::progress::Progress;
use crate::adapter::read_secret;

/// How long the thread waits for a checkpoint before it looks whether it shall end.
const WAIT: Duration = Duration::from_secs(1);
/// How long it waits after a first failure; each further one doubles it.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// It never waits longer.
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(300);
/// How long the last checkpoint may take when the node ends.
const LAST_MAX: Duration = Duration::from_secs(3);

/// The thread that posts. It ends when this is dropped, after the journal.
pub(crate) struct Posting {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    progress: Arc<Progress>,
}

/// What the thread works with.
struct Work {
    journal: Journal,
    /// The ledger's name.
    origin: Box<str>,
    webhook: Webhook,
    every: Duration,
    runtime: Handle,
    progress: Arc<Progress>,
}

impl Posting {
    /// Posts the checkpoints of `journal`, the ledger named `origin`.
    pub(crate) fn begin(
        journal: Journal,
        origin: &str,
        settings: &Settings,
        runtime: Handle,
    ) -> anyhow::Result<Self> {
        let url: Uri = settings.url.parse().context("the webhook's URL cannot be read")?;
        let secret = settings.secret.as_ref().map(|source| {
            let text = read_secret(source, "the webhook's secret")?;
            WebhookSecret::parse(text.expose_secret()).context("the webhook's secret cannot be used")
        });
        let guard = Guard::allowing(settings.networks.clone());
        let egress = Egress::new(Arc::clone(settings.authorities.roots()), guard)?;
        let progress = Arc::new(Progress::default());
        let work = Work {
            journal,
            origin: origin.into(),
            webhook: Webhook::new(egress, url, secret.transpose()?),
            every: settings.every,
            runtime,
            progress: Arc::clone(&progress),
        };
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new().name("webhook".into()).spawn(move || work.post_all(&stopped))?;
        Ok(Self { stop: Some(stop), thread: Some(thread), progress })
    }

    /// How far it has come.
    pub(crate) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }
}

impl Drop for Posting {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic was logged by the hook; there is nothing to add.
            let _ = thread.join();
        }
    }
}

impl Work {
    fn post_all(&self, stopped: &Receiver<()>) {
        let (mut size, mut failures, mut wait) = (0, 0, Duration::ZERO);
        while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
            let Some(published) = self.journal.checkpoint_beyond(size, Instant::now() + WAIT) else {
                // Not at once: the journal may have ended before this.
                wait = WAIT / 10;
                continue;
            };
            if self.post(&published) {
                (size, failures, wait) = (published.head.size, 0, self.every);
            } else {
                failures += 1;
                wait = pause(failures);
            }
        }
        // The last one is signed when the journal closes.
        if let Some(published) = self.journal.checkpoint().filter(|published| published.head.size > size) {
            let last = async { tokio::time::timeout(LAST_MAX, self.deliver(&published)).await.is_ok() };
            if !self.runtime.block_on(last) {
                tracing::warn!("the ledger's last checkpoint was not posted in time");
            }
        }
    }

    fn post(&self, published: &Published) -> bool {
        self.runtime.block_on(self.deliver(published))
    }

    async fn deliver(&self, published: &Published) -> bool {
        let size = published.head.size;
        // The same each time that it is sent.
        let id = format!("{}/{size}", self.origin);
        let note = Bytes::from(published.note.to_string());
        match self.webhook.deliver(&id, Timestamp::now(), "text/plain; charset=utf-8", note).await {
            Ok(()) => {
                self.progress.reached(size);
                true
            }
            Err(error) => {
                self.progress.failed();
                tracing::error!("the ledger's checkpoint was not posted: {error}");
                false
            }
        }
    }
}

/// How long to wait after so many failures in a row.
fn pause(failures: u32) -> Duration {
    let doubled =
        AGAIN_AFTER.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(AGAIN_AFTER_MAX)
}

#[cfg(test)]
mod tests {
    use super::pause;

    #[test]
    fn failures_are_tried_again_less_and_less_often() {
        let seconds: Vec<u64> = [1, 2, 3, 6, 7, 8, 31, 32, 33, u32::MAX].map(|n| pause(n).as_secs()).to_vec();
        assert_eq!(seconds, [5, 10, 20, 160, 300, 300, 300, 300, 300, 300]);
    }
}
