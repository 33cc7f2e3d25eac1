//! People, put together: their store, the service that knows them, the portal, and the gate that asks both.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use portcullis_access::roles::Roles;
use portcullis_contract::Snapshot;
use portcullis_contract::identity::Gone;
use portcullis_contract::ports::{Clock, Endings, Entropy};
use portcullis_control::{People, PeoplePorts, Portal, Rules};
use portcullis_gateway::{Gate, People as KnownPeople, Ports};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::adapter::{Named, Readers, write_whole};
use crate::ledger::Ledger;

/// For how long last uses are written down before other rules are taken over.
const FLUSH_MAX: Duration = Duration::from_millis(250);

/// The code for the first administrator, below the state directory, while there is no account.
pub(crate) const SET_UP_CODE: &str = "setup-code";

/// The service of people, at work.
pub(crate) struct Peopled {
    people: Arc<People>,
    tasks: [JoinHandle<()>; 2],
}

impl Peopled {
    /// Begins it, where the configuration lets people log in, and lets the gate know it.
    pub(crate) async fn begin(
        ledger: &Ledger,
        ports: &Ports,
        gate: &Arc<Gate>,
        in_force: watch::Receiver<Arc<Snapshot>>,
    ) -> anyhow::Result<Option<Self>> {
        let snapshot = Arc::clone(&in_force.borrow());
        let Some(rules) = Rules::of(&snapshot) else { return Ok(None) };
        let origin = rules.issuer.clone();
        let store = ledger.people_store(&ports.clock, &ports.entropy).await?;
        let ports = PeoplePorts {
            store,
            clock: Arc::clone(&ports.clock),
            entropy: Arc::clone(&ports.entropy),
            audit: Arc::clone(&ports.audit),
            endings: Arc::<Gate>::clone(gate),
        };
        let entropy = Arc::clone(&ports.entropy);
        let people = Arc::new(People::new(ports, rules).context("the threads for passwords cannot start")?);
        let portal = Portal::new(Arc::clone(&people), in_force.clone(), entropy);
        gate.know(KnownPeople { identity: Arc::<People>::clone(&people), local: Arc::new(portal) });
        people.prepare().await;
        set_up(&people, &snapshot.state_directory, &origin).await?;
        let running = tokio::spawn(Arc::clone(&people).run());
        let following = tokio::spawn(follow(Arc::clone(&people), in_force));
        Ok(Some(Self { people, tasks: [running, following] }))
    }

    /// For administrators.
    pub(crate) fn people(&self) -> Arc<People> {
        Arc::clone(&self.people)
    }

    /// Keeps what was not yet kept: when sessions and keys were last used.
    pub(crate) async fn end(self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.people.flush().await;
    }
}

/// The service for a command while no node runs: it does what it is asked, and nothing by itself. Nodes that share the database
/// hear of what it ended.
pub(crate) async fn for_command(
    ledger: &Ledger,
    snapshot: &Snapshot,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> anyhow::Result<Option<Arc<People>>> {
    let Some(rules) = Rules::of(snapshot) else { return Ok(None) };
    let ports = PeoplePorts {
        store: ledger.people_store(clock, entropy).await?,
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy),
        audit: Arc::new(ledger.audit()),
        endings: Arc::new(NothingOpen),
    };
    let people = People::new(ports, rules).context("the threads for passwords cannot start")?;
    people.read_roles().await.context("the roles cannot be read")?;
    Ok(Some(Arc::new(people)))
}

/// Nothing is open while no node runs.
struct NothingOpen;

impl Endings for NothingOpen {
    fn gone(&self, _: &Gone) {}

    fn roles_changed(&self, _: &Roles, _: &Roles) {}
}

/// Takes over the rules of each configuration that comes into force.
async fn follow(people: Arc<People>, mut in_force: watch::Receiver<Arc<Snapshot>>) {
    while in_force.changed().await.is_ok() {
        let rules = Rules::of(&in_force.borrow_and_update());
        if let Some(rules) = rules {
            // What is remembered goes with the old rules, and last uses are a part of it. The new ones wait for no slow store.
            let _ = timeout(FLUSH_MAX, people.flush()).await;
            people.take_over(rules);
        }
    }
}

/// Where there is no account yet, hands whoever started the node a code for the first administrator: on the terminal, and
/// in a file that only they can read. It is never in the log.
async fn set_up(people: &People, state: &Path, origin: &str) -> anyhow::Result<()> {
    let file = state.join(SET_UP_CODE);
    let code = people.begin_set_up().await.context("it cannot be seen whether there is an account yet")?;
    let Some(code) = code else { return forget(&file) };
    keep(&file, &code)?;
    let shown = file.display();
    let page = format!("{origin}/.portcullis/setup");
    if io::stderr().is_terminal() {
        let mut stderr = io::stderr().lock();
        let _ = writeln!(
            stderr,
            "\nThere is no account yet. Make the first administrator at\n\n    {page}\n\nwith this code, which is good once and \
             for an hour, and is in {shown} too:\n\n    {}\n",
            code.expose_secret()
        );
    } else {
        tracing::warn!(%page, code_in = %shown, "there is no account yet: make the first administrator within an hour");
    }
    Ok(())
}

fn keep(file: &Path, code: &SecretString) -> anyhow::Result<()> {
    let text = format!("{}\n", code.expose_secret());
    write_whole(file, text.as_bytes(), Named::Again, Readers::Owner).with_context(|| {
        format!("the code for the first administrator cannot be kept in `{}`", file.display())
    })
}

fn forget(file: &Path) -> anyhow::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("the used code `{}` cannot be removed", file.display()))
        }
        _ => Ok(()),
    }
}
