//! The gate as a real process: the binary, a temp folder, a configuration, and everything it logs.
//!
//! A configuration asks for port 0; the real ports are learnt from the `listening` lines of the log. Dropping a
//! [`Gate`] ends its own child and nothing else.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal as SystemSignal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::deadline::{WAIT, within};

const CONFIG_FILE: &str = "portcullis.toml";

/// A line that the gate wrote to standard error.
#[derive(Debug, Clone)]
pub struct Line {
    /// The line as written.
    pub text: String,
    /// The line as JSON, when it is that.
    pub json: Option<Value>,
}

impl Line {
    /// The field `kind` of a JSON line.
    pub fn kind(&self) -> Option<&str> {
        self.json.as_ref()?.get("kind")?.as_str()
    }
}

/// A signal that operators and supervisors send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: read the configuration again.
    Hangup,
    /// SIGTERM: drain and stop.
    Terminate,
    /// SIGINT: what Ctrl-C sends.
    Interrupt,
    /// SIGKILL: what a crash looks like.
    Kill,
    /// SIGABRT: a crash that leaves a core dump where that is allowed.
    Abort,
}

/// Memory of the process, in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Resident now (`VmRSS`).
    pub resident_kib: u64,
    /// The most that ever was resident (`VmHWM`).
    pub peak_kib: u64,
}

/// Why a gate did not come up.
#[derive(Debug)]
pub struct StartFailure {
    /// Its exit code, when it ended by itself.
    pub exit_code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: Vec<String>,
    /// What it wrote to standard error.
    pub stderr: Vec<String>,
}

impl fmt::Display for StartFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.exit_code {
            Some(code) => writeln!(f, "the gate ended with exit code {code}")?,
            None => writeln!(f, "the gate did not say where it listens, or a signal ended it")?,
        }
        self.stdout.iter().chain(&self.stderr).try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// How a gate is started.
#[must_use = "`start` starts the gate"]
#[derive(Debug)]
pub struct GateBuilder {
    launch: Launch,
    config: String,
    files: Vec<(PathBuf, Vec<u8>)>,
    folders: Vec<PathBuf>,
}

#[derive(Debug)]
struct Launch {
    bin: PathBuf,
    arguments: Option<Vec<OsString>>,
    variables: Vec<(String, String)>,
    listeners: Vec<String>,
    deadline: Duration,
}

impl GateBuilder {
    /// The configuration file's text; its listeners ask for port 0. A text with an `[ops]` table makes `start` wait
    /// for the ops listener too.
    pub fn config(mut self, text: &str) -> Self {
        self.config = text.to_owned();
        if text.lines().any(|line| line.trim() == "[ops]") {
            return self.expect_listener("ops");
        }
        self
    }

    /// Replaces a part of the configuration, which must be there.
    pub fn replace(mut self, part: &str, with: &str) -> Self {
        assert!(self.config.contains(part), "no `{part}` in the configuration");
        self.config = self.config.replacen(part, with, 1);
        self
    }

    /// Makes `start` wait for another listener than the public one.
    pub fn expect_listener(mut self, name: &str) -> Self {
        if !self.launch.listeners.iter().any(|known| known == name) {
            self.launch.listeners.push(name.to_owned());
        }
        self
    }

    /// Sets an environment variable of the process, which otherwise has only `PATH`.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.launch.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Puts a file beside the configuration, readable by its owner only, as secrets must be.
    pub fn file(mut self, path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.into(), content.into()));
        self
    }

    /// Makes a folder beside the configuration that only its owner can read.
    pub fn folder(mut self, path: impl Into<PathBuf>) -> Self {
        self.folders.push(path.into());
        self
    }

    /// Replaces the arguments `run --config FILE`, for other subcommands that serve, such as `demo`.
    pub fn arguments<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.launch.arguments = Some(arguments.into_iter().map(Into::into).collect());
        self
    }

    /// How long the start may take; [`WAIT`] unless told.
    pub fn start_deadline(mut self, deadline: Duration) -> Self {
        self.launch.deadline = deadline;
        self
    }

    /// Starts the gate and waits until it listens; panics with its log when it does not.
    pub async fn start(self) -> Gate {
        self.try_start().await.unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// Starts the gate and waits until it listens.
    pub async fn try_start(self) -> Result<Gate, StartFailure> {
        let folder = tempfile::Builder::new().prefix("portcullis-test-").tempdir().expect("a temp folder");
        for path in &self.folders {
            make_private(&folder.path().join(path));
        }
        for (path, content) in &self.files {
            write_private(&folder.path().join(path), content);
        }
        write_private(&folder.path().join(CONFIG_FILE), self.config.as_bytes());
        let log = Arc::new(Log::default());
        let running = Running::begin(&self.launch, folder.path(), &log).await?;
        Ok(Gate { launch: self.launch, folder, log, running })
    }
}

/// A running gate.
#[derive(Debug)]
pub struct Gate {
    // Before the folder, so that the process is gone when its files are removed.
    running: Running,
    launch: Launch,
    folder: TempDir,
    log: Arc<Log>,
}

impl Gate {
    /// Begins a start of the binary `bin`; in the binary's own tests `env!("CARGO_BIN_EXE_portcullis")`.
    pub fn builder(bin: impl AsRef<Path>) -> GateBuilder {
        let launch = Launch {
            bin: bin.as_ref().to_owned(),
            arguments: None,
            variables: Vec::new(),
            listeners: vec!["public".to_owned()],
            deadline: WAIT,
        };
        GateBuilder { launch, config: String::new(), files: Vec::new(), folders: Vec::new() }
    }

    /// Where a listener (`public`, `ops`) really listens; panics when the gate never said so.
    pub fn address(&self, listener: &str) -> SocketAddr {
        let found = self.log.listener(self.running.first_line, listener);
        found.unwrap_or_else(|| panic!("the gate named no listener `{listener}`"))
    }

    /// The URL of a path on the public listener.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address("public"))
    }

    /// The URL of a path on the ops listener.
    pub fn ops_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address("ops"))
    }

    /// The folder of its configuration and, unless told otherwise, its state.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Every line it wrote to standard error, over restarts too.
    pub fn lines(&self) -> Vec<Line> {
        self.log.lines.lock().unwrap().clone()
    }

    /// Every line it wrote to standard output.
    pub fn stdout(&self) -> Vec<String> {
        self.log.stdout.lock().unwrap().clone()
    }

    /// The events of requests, in the order in which they ended.
    pub fn events(&self) -> Vec<Value> {
        self.events_after(0)
    }

    /// The events of requests that are not among the first `line_count` lines.
    pub fn events_after(&self, line_count: usize) -> Vec<Value> {
        let lines = self.log.lines.lock().unwrap();
        let of_requests = lines.iter().skip(line_count).filter(|line| line.kind() == Some("request"));
        of_requests.filter_map(|line| line.json.clone()).collect()
    }

    /// Waits for a request's event, past ones included; panics with the last lines of the log when none comes.
    pub async fn wait_for_event(&self, fits: impl Fn(&Value) -> bool, deadline: Duration) -> Value {
        let fits = |line: &Line| line.kind() == Some("request") && line.json.as_ref().is_some_and(&fits);
        self.wait_for(0, fits, deadline).await.json.expect("a line of a kind is JSON")
    }

    /// Waits for a line on standard error, past ones included; panics with the last lines when none comes.
    pub async fn wait_for_line(&self, fits: impl Fn(&Line) -> bool, deadline: Duration) -> Line {
        self.wait_for(0, fits, deadline).await
    }

    /// How many lines it has written to standard error.
    pub fn line_count(&self) -> usize {
        self.log.lines.lock().unwrap().len()
    }

    /// Waits for a line on standard error that is not among the first `line_count`: in a long log, looking at all of
    /// it again and again would take most of the time.
    pub async fn wait_for_line_after(
        &self,
        line_count: usize,
        fits: impl Fn(&Line) -> bool,
        deadline: Duration,
    ) -> Line {
        self.wait_for(line_count, fits, deadline).await
    }

    async fn wait_for(&self, mut looked_at: usize, fits: impl Fn(&Line) -> bool, deadline: Duration) -> Line {
        let found = within(deadline, || std::future::ready(self.log.find(&mut looked_at, &fits))).await;
        found.unwrap_or_else(|| {
            panic!("no such line within {deadline:?}; the last ones:\n{}", self.log.tail())
        })
    }

    /// Its process id.
    pub fn process_id(&self) -> u32 {
        self.running.process_id
    }

    /// Sends a signal to the process; panics when it is gone.
    pub fn signal(&self, signal: Signal) {
        self.running.signal(signal);
    }

    /// Replaces the configuration file, whole, without telling the process.
    pub fn write_config(&self, text: &str) {
        let fresh = self.folder.path().join("portcullis.toml.new");
        write_private(&fresh, text.as_bytes());
        fs::rename(fresh, self.folder.path().join(CONFIG_FILE)).expect("the temp folder is ours");
    }

    /// The memory of the process.
    pub fn memory(&self) -> Memory {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process_id())).expect("it runs");
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux tells memory");
            line.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect("a number of KiB")
        };
        Memory { resident_kib: kib("VmRSS:"), peak_kib: kib("VmHWM:") }
    }

    /// How many file descriptors the process holds.
    pub fn open_files(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.process_id());
        match fs::read_dir(&folder) {
            Ok(files) => files.count(),
            // Only root may look into a process that keeps its memory to itself; others learn the number (Linux 6.2).
            Err(_) => fs::metadata(folder).expect("it runs").len() as usize,
        }
    }

    /// Waits until the process ends by itself; `None` when it still runs at the deadline.
    pub async fn wait_for_exit(&mut self, deadline: Duration) -> Option<ExitStatus> {
        self.running.wait(deadline).await
    }

    /// Stops it as a supervisor does (SIGTERM); panics when it has not ended at the deadline.
    pub async fn stop(&mut self, deadline: Duration) -> ExitStatus {
        self.signal(Signal::Terminate);
        let ended = self.running.wait(deadline).await;
        ended.unwrap_or_else(|| panic!("it did not stop within {deadline:?}:\n{}", self.log.tail()))
    }

    /// Ends it as a crash or a power loss would.
    pub async fn crash(&mut self) {
        self.signal(Signal::Kill);
        self.running.wait(WAIT).await.expect("nothing survives SIGKILL");
    }

    /// Starts it again in the same folder, after [`Gate::stop`] or [`Gate::crash`]. The ports are new ones.
    pub async fn start_again(&mut self) {
        assert!(!self.running.is_alive(), "stop it first");
        let running = Running::begin(&self.launch, self.folder.path(), &self.log).await;
        self.running = running.unwrap_or_else(|failure| panic!("{failure}"));
    }
}

/// One life of the process.
#[derive(Debug)]
struct Running {
    child: Child,
    process_id: u32,
    /// Where this life's lines begin in the log.
    first_line: usize,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    async fn begin(launch: &Launch, folder: &Path, log: &Arc<Log>) -> Result<Self, StartFailure> {
        let first_line = log.lines.lock().unwrap().len();
        let mut child = launch.command(folder).spawn().unwrap_or_else(|e| panic!("{:?}: {e}", launch.bin));
        let process_id = child.id().expect("a fresh child has an id");
        let stderr = collect(child.stderr.take(), log, |log, text| {
            let json = serde_json::from_str(&text).ok().filter(Value::is_object);
            log.lines.lock().unwrap().push(Line { text, json });
        });
        let stdout = collect(child.stdout.take(), log, |log, text| log.stdout.lock().unwrap().push(text));
        let mut running = Self { child, process_id, first_line, readers: vec![stderr, stdout] };

        let up = || launch.listeners.iter().all(|name| log.listener(first_line, name).is_some());
        let settled = within(launch.deadline, || std::future::ready(up() || !running.is_alive())).await;
        if settled.is_some() && up() {
            return Ok(running);
        }
        let ended = running.wait(Duration::ZERO).await;
        if ended.is_none() {
            let _ = running.child.kill().await;
        }
        Err(log.failure(ended.and_then(|status| status.code()), first_line))
    }

    fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn signal(&self, signal: Signal) {
        // `id` is `None` once the child is reaped: its number may by then belong to someone else.
        assert!(self.child.id().is_some(), "the gate is gone");
        let pid = i32::try_from(self.process_id).ok().and_then(Pid::from_raw).expect("ids are positive");
        kill_process(pid, signal.system()).expect("our own child may be signalled");
    }

    async fn wait(&mut self, deadline: Duration) -> Option<ExitStatus> {
        let ended = timeout(deadline.max(Duration::from_millis(1)), self.child.wait()).await.ok()?;
        for reader in self.readers.drain(..) {
            // Bounded: a grandchild may hold the pipe open.
            let _ = timeout(Duration::from_secs(2), reader).await;
        }
        Some(ended.expect("a child can be waited for"))
    }
}

impl Launch {
    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.bin);
        match &self.arguments {
            Some(arguments) => command.args(arguments),
            None => command.args(["run", "--config"]).arg(folder.join(CONFIG_FILE)),
        };
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        command
    }
}

impl Signal {
    fn system(self) -> SystemSignal {
        match self {
            Self::Hangup => SystemSignal::HUP,
            Self::Terminate => SystemSignal::TERM,
            Self::Interrupt => SystemSignal::INT,
            Self::Kill => SystemSignal::KILL,
            Self::Abort => SystemSignal::ABORT,
        }
    }
}

/// What the process wrote.
#[derive(Debug, Default)]
struct Log {
    lines: Mutex<Vec<Line>>,
    stdout: Mutex<Vec<String>>,
}

impl Log {
    /// The first fitting line at or after `looked_at`, which moves on, so that no line is judged twice.
    fn find(&self, looked_at: &mut usize, fits: impl Fn(&Line) -> bool) -> Option<Line> {
        let lines = self.lines.lock().unwrap();
        let found = lines.iter().skip(*looked_at).find(|line| fits(line)).cloned();
        *looked_at = lines.len();
        found
    }

    fn listener(&self, first_line: usize, name: &str) -> Option<SocketAddr> {
        let named = |line: &Line| {
            let json = line.json.as_ref().filter(|_| line.kind() == Some("listening"))?;
            let address = json.get("address")?.as_str()?;
            (json.get("listener")?.as_str()? == name).then(|| address.parse().ok())?
        };
        self.lines.lock().unwrap().iter().skip(first_line).rev().find_map(named)
    }

    fn tail(&self) -> String {
        let lines = self.lines.lock().unwrap();
        let last = lines.iter().skip(lines.len().saturating_sub(40));
        last.map(|line| format!("  {}\n", line.text)).collect()
    }

    fn failure(&self, exit_code: Option<i32>, first_line: usize) -> StartFailure {
        let lines = self.lines.lock().unwrap();
        let stderr = lines.iter().skip(first_line).map(|line| line.text.clone()).collect();
        StartFailure { exit_code, stdout: self.stdout.lock().unwrap().clone(), stderr }
    }
}

fn collect<R>(pipe: Option<R>, log: &Arc<Log>, keep: impl Fn(&Log, String) + Send + 'static) -> JoinHandle<()>
where
    R: AsyncRead + Unpin + Send + 'static,
{
    let mut lines = BufReader::new(pipe.expect("the pipe was asked for")).split(b'\n');
    let log = Arc::clone(log);
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_segment().await {
            keep(&log, String::from_utf8_lossy(&line).trim_end().to_owned());
        }
    })
}

fn make_private(folder: &Path) {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.unwrap_or_else(|e| panic!("{folder:?}: {e}"));
}

fn write_private(path: &Path, content: &[u8]) {
    if let Some(folder) = path.parent() {
        make_private(folder);
    }
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    let mut file = file.unwrap_or_else(|e| panic!("{path:?}: {e}"));
    file.write_all(content).unwrap_or_else(|e| panic!("{path:?}: {e}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stand-in for the binary that keeps its side of the contract: it names its listeners and heeds signals.
    const STAND_IN: &str = r#"
        trap 'echo "{\"kind\":\"stopping\"}" >&2; exit 0' TERM
        trap 'echo "{\"kind\":\"reload\",\"config\":\"$(cat portcullis.toml)\"}" >&2' HUP
        echo '{"kind":"listening","listener":"public","address":"127.0.0.1:41233"}' >&2
        echo 'not JSON' >&2
        echo '{"kind":"listening","listener":"ops","address":"127.0.0.1:41234"}' >&2
        echo '{"kind":"request","status":200}' >&2
        while :; do sleep 0.02; done
    "#;

    #[tokio::test]
    async fn a_gate_tells_its_ports_reloads_stops_and_starts_again() {
        let builder = Gate::builder("/bin/sh").arguments(["-c", STAND_IN]).config("[ops]\n").file("key", "k");
        let mut gate = builder.start().await;
        assert_eq!(gate.url("/a"), "http://127.0.0.1:41233/a");
        assert_eq!(gate.ops_url("/b"), "http://127.0.0.1:41234/b");
        gate.wait_for_event(|event| event["status"] == 200, WAIT).await;
        let before = gate.line_count();
        assert!(gate.memory().peak_kib >= gate.memory().resident_kib);
        assert!(gate.open_files() >= 3);

        gate.write_config("second");
        gate.signal(Signal::Hangup);
        let line = gate.wait_for_line_after(before, |line| line.kind() == Some("reload"), WAIT).await;
        assert!(line.text.contains("second"));

        assert!(gate.stop(WAIT).await.success());
        gate.start_again().await;
        eventually_two_events(&gate).await;
        gate.crash().await;
    }

    async fn eventually_two_events(gate: &Gate) {
        crate::eventually(WAIT, || async { gate.events().len() == 2 }).await;
    }

    #[tokio::test]
    async fn a_gate_that_does_not_come_up_is_reported_with_its_log() {
        let builder = Gate::builder("/bin/sh").arguments(["-c", "echo why; echo wrong key >&2; exit 2"]);
        let failure = builder.try_start().await.expect_err("it never listens");
        assert_eq!(failure.exit_code, Some(2));
        assert_eq!((failure.stdout, failure.stderr), (vec!["why".to_owned()], vec!["wrong key".to_owned()]));
    }
}
