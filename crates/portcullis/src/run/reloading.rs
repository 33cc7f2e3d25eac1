//! Takes over what changes on disk: the configuration when it is told to, the files that it names when they have changed.
//!
//! One task does it, one change after the other. Disks can be slow and pipes can be silent, so that everything is read
//! where blocking harms nobody.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use portcullis_contract::admin::Actor;
use portcullis_contract::ports::{NotTakenOver, Reload};
use portcullis_contract::{Snapshot, config};
use portcullis_control::{NotReloaded, Reloader};
use portcullis_model::audit::{Change, Entry, Personal};
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::MissedTickBehavior;

use super::{recorded, remark_certificates};
use crate::adapter::{FileSurroundings, Watched, read_config};
use crate::ledger::Scribe;

/// How often the files that the configuration names are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The configuration in force, and the files around it as they looked when they were read last.
pub(super) struct Reloading {
    file: Arc<Path>,
    reloader: Arc<Reloader>,
    watched: Watched,
    /// As they looked when they were looked at last.
    seen: Watched,
    /// Records what came of it.
    scribe: Scribe,
    /// What administrators ask for.
    asked: mpsc::Receiver<Asked>,
}

/// An administrator who waits for the configuration to be taken over.
struct Asked {
    by: Actor,
    done: oneshot::Sender<Result<(), NotTakenOver>>,
}

/// Where administrators ask for it.
pub(super) struct ReloadAsked(mpsc::Sender<Asked>);

impl Reload for ReloadAsked {
    fn reload(&self, by: Actor) -> Pin<Box<dyn Future<Output = Result<(), NotTakenOver>> + Send + '_>> {
        Box::pin(async move {
            let stopping = || NotTakenOver::Other("the node is stopping".into());
            let (done, answer) = oneshot::channel();
            self.0.send(Asked { by, done }).await.map_err(|_| stopping())?;
            answer.await.map_err(|_| stopping())?
        })
    }
}

/// Why somebody reads again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// SIGHUP: the configuration may be another one.
    Told,
    /// Files that it names have changed.
    Changed,
}

/// What came of it.
struct Done {
    result: Result<Arc<Snapshot>, NotReloaded>,
    /// What was asked for, as it looked before it was read.
    asked: Watched,
    /// Whether it was the configuration in force that was compiled, or another one that was to follow it.
    same: bool,
    /// The settings that the other one changes.
    changes: Vec<Change>,
}

impl Reloading {
    pub(super) fn new(
        file: PathBuf,
        reloader: Reloader,
        watched: Watched,
        scribe: Scribe,
    ) -> (Self, ReloadAsked) {
        let (file, seen) = (Arc::from(file), watched.clone());
        let (asking, asked) = mpsc::channel(1);
        let reloading = Self { file, reloader: Arc::new(reloader), watched, seen, scribe, asked };
        (reloading, ReloadAsked(asking))
    }

    /// Reads the configuration again when it is told to, and the files that it names when they have changed.
    pub(super) async fn for_ever(mut self, mut hangup: Signal) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                told = hangup.recv() => match told {
                    Some(()) => self.take_over(Cause::Told).await,
                    None => return,
                },
                Some(Asked { by, done }) = self.asked.recv() => {
                    let (result, entries) = self.read(Cause::Told, Some(&by)).await;
                    let kept = self.scribe.keep_all(entries).await;
                    // Whoever asked may have gone.
                    let _ = done.send(result.and(kept.map_err(NotTakenOver::from)));
                }
                _ = look.tick() => {
                    let now = self.look().await;
                    // Twice the same: nobody is in the middle of writing a chain and its key.
                    if now != self.watched && now == self.seen {
                        self.take_over(Cause::Changed).await;
                        self.seen = self.look().await;
                    } else {
                        self.seen = now;
                    }
                }
            }
        }
    }

    /// What is watched as it looks now.
    async fn look(&self) -> Watched {
        let watched = self.watched.clone();
        spawn_blocking(move || watched.again()).await.unwrap_or_default()
    }

    /// Takes over what has changed, or says why not and changes nothing.
    async fn take_over(&mut self, cause: Cause) {
        let (_, entries) = self.read(cause, None).await;
        entries.into_iter().for_each(|entry| self.scribe.note(entry));
    }

    /// The same, with what is to be recorded of it.
    async fn read(
        &mut self,
        cause: Cause,
        by: Option<&Actor>,
    ) -> (Result<(), NotTakenOver>, Vec<Entry<Personal>>) {
        let (file, reloader) = (Arc::clone(&self.file), Arc::clone(&self.reloader));
        // What this attempt never gets to is watched as it looks by now.
        let before = self.look().await;
        match spawn_blocking(move || read(&file, &reloader, cause)).await {
            Ok(Ok(mut done)) => {
                let changes = std::mem::take(&mut done.changes);
                let entries = recorded::entries(&self.scribe, by, changes, &done.result);
                let result = done.result.as_ref().map(|_| ()).map_err(not_taken_over);
                self.say(cause, done, before);
                (result, entries)
            }
            Ok(Err(error)) => {
                tracing::error!("not reloaded: {error:#}");
                (Err(NotTakenOver::Other(format!("{error:#}"))), recorded::unread(&self.scribe, by))
            }
            Err(_panic) => {
                tracing::error!("not reloaded: it broke; the line before says where");
                (Err(NotTakenOver::Other("it broke; the log says where".into())), Vec::new())
            }
        }
    }

    fn say(&mut self, cause: Cause, Done { result, asked, same, .. }: Done, before: Watched) {
        let config = self.file.display();
        match result {
            Ok(snapshot) => {
                self.watched = asked;
                match cause {
                    Cause::Told => tracing::info!(%config, "reloaded"),
                    Cause::Changed => tracing::info!(%config, "files have changed and were taken over"),
                }
                remark_certificates(&snapshot, Timestamp::now());
            }
            Err(NotReloaded::Invalid(diagnostics)) => {
                // What is wrong is said once, not every time that somebody looks. Whatever it is about is watched, so
                // that mending it is enough. A configuration that never was in force waits to be told of again.
                if same {
                    self.watched = before.with(asked);
                }
                for diagnostic in &diagnostics {
                    tracing::error!("not reloaded: {diagnostic}");
                }
            }
            Err(error @ NotReloaded::NeedsRestart(_)) => tracing::error!("not reloaded: {error}"),
        }
    }
}

fn not_taken_over(why: &NotReloaded) -> NotTakenOver {
    match why {
        NotReloaded::Invalid(diagnostics) => {
            NotTakenOver::Mistakes(diagnostics.iter().map(ToString::to_string).collect())
        }
        NotReloaded::NeedsRestart(_) => NotTakenOver::Other(why.to_string()),
    }
}

/// Compiles what is there and puts it in force. Blocks.
fn read(file: &Path, reloader: &Reloader, cause: Cause) -> anyhow::Result<Done> {
    let text = match cause {
        Cause::Told => Some(read_config(file)?),
        Cause::Changed => None,
    };
    let surroundings = FileSurroundings::of_node(file);
    let name = file.display().to_string();
    let other = text.filter(|text| !reloader.is_in_force(text));
    let changes = other.as_ref().map_or_else(Vec::new, |text| {
        let raw = |text: &str| config::parse(text, "").0;
        config::changes(&raw(&reloader.text()), &raw(text))
    });
    let result = match &other {
        Some(text) => reloader.reload(text, &name, &surroundings, Timestamp::MIN),
        None => reloader.refresh(&name, &surroundings, Timestamp::MIN),
    };
    Ok(Done { result, asked: surroundings.watched(), same: other.is_none(), changes })
}
