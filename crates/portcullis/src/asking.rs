//! Whom commands ask: the node that runs, through its admin socket, or this process while no node runs, over what that node
//! would open. Either does the same, and records who asked.

use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use portcullis_contract::Snapshot;
use portcullis_contract::admin::{Actor, Erased, LocalUser, Search};
use portcullis_contract::ports::{Administration, Clock, Entropy};
use portcullis_control::{AdminClient, ApiClient, ApiPorts, CallError, People, api};
use rustix::process::getuid;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::adapter::{SystemClock, SystemEntropy, check_state_directory, read_config};
use crate::audit::state_directory;
use crate::ledger::{Ledger, Opener, Plan, SOCKET};
use crate::run::{Configuration, show, until_done};
use crate::{Exit, log, people};

/// What answers.
pub(crate) enum Asked {
    /// A node that runs.
    Node(AdminClient),
    /// What a node would open.
    Files(Box<Files>),
}

/// What a node would open, while none runs.
pub(crate) struct Files {
    ledger: Ledger,
    snapshot: Arc<Snapshot>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// Where people can log in.
    people: Option<Arc<People>>,
}

/// What a question came to.
pub(crate) enum Answer<T> {
    /// It was answered.
    Given(T),
    /// The node refused.
    Refused(String),
}

impl Asked {
    /// Finds out who answers for the node of a configuration. `None` when that has mistakes, which were shown.
    pub(crate) async fn find(config: &Path) -> anyhow::Result<Option<Self>> {
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
        let (snapshot, runtime) = (configuration.snapshot(), Handle::current());
        let plan = Plan::of(&snapshot);
        let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) =
            (Arc::new(SystemClock::new()), Arc::new(SystemEntropy));
        let (open_clock, open_entropy) = (Arc::clone(&clock), Arc::clone(&entropy));
        let opened = spawn_blocking(move || {
            Ledger::open(&plan, Opener::Command, &open_clock, &open_entropy, &runtime)
        });
        let ledger = opened.await?.context("no node runs that could be asked, and")?;
        let people = match people::for_command(&ledger, &snapshot, &clock, &entropy).await {
            Ok(people) => people,
            Err(error) => {
                let runtime = Handle::current();
                spawn_blocking(move || ledger.end(&runtime)).await?;
                return Err(error);
            }
        };
        Ok(Some(Self::Files(Box::new(Files { ledger, snapshot, clock, entropy, people }))))
    }

    /// Asks the admin API, and ends in order what was opened for that.
    async fn administer(
        self,
        work: impl AsyncFnOnce(&mut ApiClient) -> Result<Exit, CallError>,
    ) -> anyhow::Result<Exit> {
        let done = match self {
            Self::Node(client) => work(&mut ApiClient::Socket(client)).await,
            Self::Files(files) => {
                let mut client = ApiClient::Here { api: files.api(), by: own_user() };
                let done = work(&mut client).await;
                drop(client);
                let runtime = Handle::current();
                spawn_blocking(move || files.ledger.end(&runtime)).await?;
                done
            }
        };
        match done {
            Ok(exit) => Ok(exit),
            Err(CallError::Refused(why)) => {
                log::say_error(&why);
                Ok(Exit::Finding)
            }
            Err(broken @ CallError::Broken(_)) => Err(broken.into()),
        }
    }

    /// Searches; `each` gets one entry after the other.
    pub(crate) async fn search(
        self,
        search: Search,
        mut each: impl FnMut(&Value) -> bool,
    ) -> anyhow::Result<Answer<()>> {
        match self {
            Self::Node(client) => answered(client.search(&search, each).await),
            Self::Files(_) if search.follow => {
                bail!("no node runs, so nothing will come: leave `--follow` out")
            }
            Self::Files(files) => {
                let lines = with_ledger(files.ledger, move |administration| {
                    let mut reading = administration.read(&Actor::Local(own_user()), &search)?;
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
    pub(crate) async fn erase(self, subject: &str) -> anyhow::Result<Answer<Erased>> {
        match self {
            Self::Node(client) => answered(client.erase(subject).await),
            Self::Files(files) => {
                let subject = subject.to_owned();
                let erased = with_ledger(files.ledger, move |administration| {
                    administration.erase(own_user(), &subject)
                });
                Ok(Answer::Given(erased.await?))
            }
        }
    }
}

impl Files {
    /// The admin API over what was opened. Nobody is shut out and nothing can be taken over while no node runs.
    fn api(&self) -> axum::Router {
        api(ApiPorts {
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            audit: Arc::new(self.ledger.audit()),
            administration: Arc::new(self.ledger.administration()),
            in_force: watch::Sender::new(Arc::clone(&self.snapshot)).subscribe(),
            bans: None,
            reload: None,
            people: self.people.clone(),
        })
    }
}

/// Runs a command that asks the admin API of the node of a configuration.
pub(crate) fn administer(
    config: &Path,
    work: impl AsyncFnOnce(&mut ApiClient) -> Result<Exit, CallError>,
) -> anyhow::Result<Exit> {
    until_done(async {
        match Asked::find(config).await? {
            Some(asked) => asked.administer(work).await,
            None => Ok(Exit::Usage),
        }
    })
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
    ledger: Ledger,
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
