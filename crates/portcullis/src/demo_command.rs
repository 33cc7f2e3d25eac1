//! `portcullis demo`: a small real application on loopback, the gate in front of it, and what to try.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use portcullis_access::apikey::HashKey;
use portcullis_contract::ports::Surroundings;
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::adapter::FileSurroundings;
use crate::cli::DemoArguments;
use crate::init::{HASH_KEY_FILE, ROOT_KEY_FILE, keep_root_key, make_hash_key, write_new};
use crate::log::{Colour, say};
use crate::people::SET_UP_CODE;
use crate::run::{Configuration, Node, show, until_done};
use crate::{Exit, apikey, demo};

/// The demo's configuration; `{…}` are filled in at start.
const CONFIG: &str = include_str!("demo/portcullis.toml");

/// Its name, which is not that of anyone's own configuration in the same folder.
const CONFIG_FILE: &str = "demo.toml";

/// Where people log in: a name that leads to this machine by itself (RFC 6761 §6.3), so that the portal has an origin of its
/// own.
const PORTAL_HOST: &str = "login.localhost";

/// The keys that the demo prints.
struct Keys {
    reader: SecretString,
    writer: SecretString,
}

/// Where the demo's files are.
enum Folder {
    Temporary(TempDir),
    Given(PathBuf),
}

/// Runs the demo until it is stopped.
pub(crate) fn run(arguments: &DemoArguments) -> anyhow::Result<Exit> {
    let folder = match &arguments.directory {
        Some(folder) => Folder::Given(folder.clone()),
        None => Folder::Temporary(tempfile::Builder::new().prefix("portcullis-demo-").tempdir()?),
    };
    until_done(serve(arguments.listen, folder.path()))
}

async fn serve(listen: SocketAddr, folder: &Path) -> anyhow::Result<Exit> {
    let application = TcpListener::bind("127.0.0.1:0").await.context("the demo application cannot listen")?;
    let upstream = application.local_addr()?;
    let listen = settled(listen).await?;
    let portal = format!("http://{PORTAL_HOST}:{}", listen.port());
    let keys = Keys { reader: apikey::make_key()?, writer: apikey::make_key()? };
    let (config, text) = write_config(folder, listen, upstream, &portal, &keys)?;
    let name = config.display().to_string();
    let configuration = match Configuration::compiled(&config, &text) {
        Ok(configuration) => configuration,
        Err(diagnostics) => {
            show(&diagnostics, &text);
            return Ok(Exit::Usage);
        }
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let linked = portal.clone();
    let application = tokio::spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        demo::serve(application, &linked, stopped).await
    });
    let node = Box::pin(Node::start(configuration)).await;
    let node = node.context("the demo cannot start (`--listen 127.0.0.1:0` takes a free port)")?;
    say(&what_to_try(node.public_address()?, upstream, &name, &keys, &who_logs_in(folder, &portal, &name)));
    let exit = node.until_stopped().await?;
    let _ = stop.send(());
    application.await??;
    Ok(exit)
}

/// An address with its port: what people log in at has one, and the configuration says it before anything listens. Whoever
/// takes the port between now and then makes the start fail, which says so.
async fn settled(listen: SocketAddr) -> anyhow::Result<SocketAddr> {
    if listen.port() != 0 {
        return Ok(listen);
    }
    let free =
        TcpListener::bind(listen).await.with_context(|| format!("there is no free port at {listen}"))?;
    Ok(free.local_addr()?)
}

/// How somebody logs in: as the first administrator, while there is none, or with the account that they have.
fn who_logs_in(folder: &Path, portal: &str, config: &str) -> String {
    let code = folder.join("state").join(SET_UP_CODE);
    let program = std::env::current_exe();
    let program = program.map_or_else(|_| "portcullis".into(), |path| path.display().to_string());
    let first = match std::fs::read_to_string(code) {
        Ok(code) => format!("first account {portal}/.portcullis/setup  with the code {}", code.trim()),
        Err(_) => format!("log in        {portal}/"),
    };
    format!("{first}\n  another one   {program} user add rita --role readonly --config {config}")
}

/// Writes the demo's configuration; a demo that is started again in the same folder gets new keys.
fn write_config(
    folder: &Path,
    listen: SocketAddr,
    upstream: SocketAddr,
    portal: &str,
    keys: &Keys,
) -> anyhow::Result<(PathBuf, String)> {
    make_hash_key(&folder.join(HASH_KEY_FILE))?;
    keep_root_key(&folder.join(ROOT_KEY_FILE))?;
    let config = folder.join(CONFIG_FILE);
    let secret = FileSurroundings::of(&config)
        .secret_file(Path::new(HASH_KEY_FILE))
        .map_err(|problem| anyhow::anyhow!("`{HASH_KEY_FILE}`: {problem}"))?;
    let expires = Timestamp::now() + SignedDuration::from_hours(24);
    let hash_key = HashKey::new(secret.expose_secret().as_bytes())?;
    let text = CONFIG
        .replace("{listen}", &listen.to_string())
        .replace("{upstream}", &upstream.to_string())
        .replace("{portal}", portal)
        .replace("{expires}", &format!("{expires:.0}"))
        .replace("{reader}", &hash_key.hash(keys.reader.expose_secret()).to_string())
        .replace("{writer}", &hash_key.hash(keys.writer.expose_secret()).to_string());
    // Anew each time, and a link is never followed: whoever may write in the folder could have it lead to any file of
    // ours. What is no file of ours stays, and the creation says so.
    if std::fs::symlink_metadata(&config).is_ok_and(|found| found.is_file()) {
        std::fs::remove_file(&config)
            .with_context(|| format!("the earlier `{}` cannot be removed", config.display()))?;
    }
    write_new(&config, text.as_bytes(), 0o600)?;
    Ok((config, text))
}

fn what_to_try(gate: SocketAddr, upstream: SocketAddr, config: &str, keys: &Keys, accounts: &str) -> String {
    let bold = |text: &str| Colour::of_stdout().paint(1, text);
    let (reader, writer) = (keys.reader.expose_secret(), keys.writer.expose_secret());
    format!(
        "{title}\n\n  \
         open          {url}\n  \
         {accounts}\n  \
         read-only key {reader}\n  \
         full key      {writer}\n  \
         application   http://{upstream}  (behind the gate)\n  \
         configuration {config}\n\n\
         {try_it}\n\n  \
         no key, 401          curl -i {gate}/api/tasks\n  \
         read-only key, 200   curl -i -H 'X-API-Key: {reader}' {gate}/api/tasks\n  \
         it may not write, 403\n                       \
         curl -i -H 'X-API-Key: {reader}' -H 'content-type: application/json' -d '{{\"title\":\"x\"}}' {gate}/api/tasks\n  \
         full key, 201\n                       \
         curl -i -H 'X-API-Key: {writer}' -H 'content-type: application/json' -d '{{\"title\":\"x\"}}' {gate}/api/tasks\n  \
         attack text, 403     curl -i '{gate}/?q=1+UNION+SELECT+*+FROM+users'   (five of these: banned for 5 min)\n  \
         too fast, 429        for i in $(seq 40); do curl -s -o /dev/null -w '%{{http_code}} ' -H 'X-API-Key: {reader}' {gate}/api/tasks; done\n\n\
         Every decision is shown below. Stop with Ctrl-C.\n",
        title = bold("Portcullis guards the demo application."),
        url = bold(&format!("http://{gate}/")),
        try_it = bold("Try"),
    )
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Given(folder) => folder,
        }
    }
}
