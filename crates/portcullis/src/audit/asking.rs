//! Whom commands ask: the node that runs, through its admin socket, or the ledger itself while no node runs. Either does the
//! same, and records who asked.

use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use portcullis_contract::admin::{Erased, LocalUser, Search};
use portcullis_contract::ports::{Administration, Clock, Entropy};
use portcullis_control::{AdminClient, CallError};
use rustix::process::getuid;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::place::state_directory;
use crate::adapter::{SystemClock, SystemEntropy, check_state_directory, read_config};
use crate::ledger::{Ledger, Opener, Plan, SOCKET};
use crate::run::{Configuration, show};

/// What answers.
pub(super) enum Asked {
    /// A node that runs.
    Node(AdminClient),
    /// The ledger in its files.
    Files(Box<Ledger>),
}

/// What a question came to.
pub(super) enum Answer<T> {
    /// It was answered.
    Given(T),
    /// The node refused.
    Refused(String),
}

impl Asked {
    /// Finds out who answers for the node of a configuration. `None` when that has mistakes, which were shown.
    pub(super) async fn find(config: &Path) -> anyhow::Result<Option<Self>> {
        let state = state_directory(config)?;
        let socket = state.join(SOCKET);
        match AdminClient::connect(&socket).await {
            Ok(client) => return Ok(Some(Self::Node(client))),
            Err(error) if nobody_listens(&error) => {}
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("the node cannot be asked through `{}`", socket.display()));
            }
        }
        let text = read_config(config)?;
        let configuration = match Configuration::compiled(config, &text) {
            Ok(configuration) => configuration,
            Err(diagnostics) => {
                show(&diagnostics, &text);
                return Ok(None);
            }
        };
        check_state_directory(&state).map_err(|why| {
            anyhow::anyhow!("the state directory `{}` cannot be used: {why}", state.display())
        })?;
        let (plan, runtime) = (Plan::of(configuration.snapshot()), Handle::current());
        let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) =
            (Arc::new(SystemClock::new()), Arc::new(SystemEntropy));
        let opened =
            spawn_blocking(move || Ledger::open(&plan, Opener::Command, &clock, &entropy, &runtime)).await?;
        let ledger = opened.context("no node runs that could be asked, and")?;
        Ok(Some(Self::Files(Box::new(ledger))))
    }

    /// Searches; `each` gets one entry after the other.
    pub(super) async fn search(
        self,
        search: Search,
        mut each: impl FnMut(&Value) -> bool,
    ) -> anyhow::Result<Answer<()>> {
        match self {
            Self::Node(client) => answered(client.search(&search, each).await),
            Self::Files(_) if search.follow => {
                bail!("no node runs, so nothing will come: leave `--follow` out")
            }
            Self::Files(ledger) => {
                let lines = with_ledger(ledger, move |administration| {
                    let mut reading = administration.read(own_user(), &search)?;
                    let mut lines = Vec::new();
                    loop {
                        let more = reading.next_lines()?;
                        if more.is_empty() {
                            return Ok(lines);
                        }
                        lines.extend(more);
                    }
                });
                for line in lines.await? {
                    if !each(&serde_json::from_str(&line)?) {
                        break;
                    }
                }
                Ok(Answer::Given(()))
            }
        }
    }

    /// Destroys a subject's key.
    pub(super) async fn erase(self, subject: &str) -> anyhow::Result<Answer<Erased>> {
        match self {
            Self::Node(client) => answered(client.erase(subject).await),
            Self::Files(ledger) => {
                let subject = subject.to_owned();
                let erased =
                    with_ledger(ledger, move |administration| administration.erase(own_user(), &subject));
                Ok(Answer::Given(erased.await?))
            }
        }
    }
}

fn own_user() -> LocalUser {
    LocalUser(getuid().as_raw())
}

/// No node can be asked: it has left no socket, or one behind which nobody is, or the path is too long for one. The
/// ledger's lock tells a node that runs all the same.
fn nobody_listens(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, InvalidInput, NotFound};
    matches!(error.kind(), NotFound | ConnectionRefused | InvalidInput)
}

fn answered<T>(result: Result<T, CallError>) -> anyhow::Result<Answer<T>> {
    match result {
        Ok(answer) => Ok(Answer::Given(answer)),
        Err(CallError::Refused(why)) => Ok(Answer::Refused(why)),
        Err(broken @ CallError::Broken(_)) => Err(broken.into()),
    }
}

/// Asks an open ledger where blocking harms nobody, and ends it in order.
async fn with_ledger<T: Send + 'static>(
    ledger: Box<Ledger>,
    ask: impl FnOnce(&dyn Administration) -> Result<T, portcullis_contract::admin::AdminProblem> + Send + 'static,
) -> anyhow::Result<T> {
    let runtime = Handle::current();
    let asked = spawn_blocking(move || {
        let answer = ask(&ledger.administration());
        ledger.end(&runtime);
        answer
    });
    Ok(asked.await??)
}
