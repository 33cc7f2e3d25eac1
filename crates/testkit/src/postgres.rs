//! A PostgreSQL of the test's own, from Debian's package: one server for all tests of a process, one database for each.
//!
//! A small shell script holds the server. It waits for the end of a pipe whose other end is this process, so that
//! whatever ends the process (also SIGKILL) stops the server and removes its folder. The server syncs as in
//! production: the store refuses one that does not.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::rand;
use rustix::process::geteuid;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::Authority;

/// The user that Debian's package brings: the server refuses to run as root.
const USER: &str = "postgres";

/// What holds the server. Its standard input ends when the process that began it does.
const SCRIPT: &str = r#"
set -eu
umask 077
folder=$(mktemp -d "${TMPDIR:-/tmp}/portcullis-postgres-XXXXXX")
cd "$folder"
end() {
    pg_ctl --pgdata=data --mode=immediate --wait stop >/dev/null 2>&1 || true
    cd / && rm -rf "$folder"
}
trap end EXIT
trap 'exit 1' HUP INT TERM
printf %s "$PASSWORD" >password
initdb --pgdata=data --username=portcullis --pwfile=password --auth=scram-sha-256 \
    --encoding=UTF8 --no-locale --no-sync >log 2>&1 || { cat log >&2; exit 1; }
printf %s "$CERTIFICATE" >data/server.crt
printf %s "$KEY" >data/server.key
pg_ctl --pgdata=data --wait --timeout=60 --log=log \
    --options="-c listen_addresses=127.0.0.1 -c port=$PORT -c unix_socket_directories=$folder -c ssl=on $OPTIONS" \
    start >/dev/null || { cat log >&2; exit 1; }
echo "$folder"
exec 1>&-
cat >/dev/null
"#;

/// A server that ends with this process.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    password: String,
    folder: PathBuf,
    authority: Authority,
    databases: AtomicU64,
    /// What holds it, and the pipe whose end tells that to let go.
    _holder: (Child, ChildStdin),
}

impl Postgres {
    /// The server of this process, which the first who asks starts.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| {
            // Somebody else may take the port between our look at it and the server's.
            (0..5).find_map(|_| Self::start("")).expect("PostgreSQL does not start; its log is above")
        })
    }

    /// A server of its own with these options, which ends when this is dropped. `None` when it does not start.
    pub fn start(options: &str) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut random = [0; 16];
        rand::fill(&mut random).unwrap();
        let password: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let authority = Authority::new();
        let credentials = authority.certificate(&["localhost"]);
        let mut holder = as_its_user("sh")
            .args(["-c", SCRIPT])
            .current_dir("/")
            .env("PATH", path())
            .env("PORT", port.to_string())
            .env("OPTIONS", options)
            .env("PASSWORD", &password)
            .env("CERTIFICATE", credentials.certificate)
            .env("KEY", credentials.key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("setpriv and sh are part of every Debian");
        let pipe = holder.stdin.take().unwrap();
        let mut folder = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut folder).unwrap();
        let Some(folder) = folder.strip_suffix('\n').map(PathBuf::from) else {
            holder.wait().unwrap();
            return None;
        };
        Some(Self {
            port,
            password,
            folder,
            authority,
            databases: AtomicU64::new(0),
            _holder: (holder, pipe),
        })
    }

    /// Stops it, as if its machine had failed. What was committed stays.
    pub fn stop(&self) {
        self.control(&["stop", "--mode=immediate"]);
    }

    /// Starts it again after [`Postgres::stop`], on the same port.
    pub fn start_again(&self) {
        // As it was started the first time, which the server has written down; that it does not run is no failure.
        self.control(&["restart", "--log=log", "--timeout=60"]);
    }

    fn control(&self, words: &[&str]) {
        let mut command = as_its_user("pg_ctl");
        let command = command.args(words).args(["--pgdata=data", "--wait"]).current_dir(&self.folder);
        let silent =
            command.env("PATH", path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(silent.status().unwrap().success(), "pg_ctl {words:?}");
    }

    /// The URL of a new and empty database.
    pub async fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect(&self.url("postgres")).await.unwrap();
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::raw_sql(create).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        self.url(&name)
    }

    /// The URL of a database of this name.
    pub fn url(&self, name: &str) -> String {
        format!("postgres://portcullis:{}@localhost:{}/{name}", self.password, self.port)
    }

    /// Who vouches for its certificate, which is good for `localhost`.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where all that it has lies.
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }
}

/// A command that runs as a user whom the server accepts.
fn as_its_user(program: &str) -> Command {
    if !geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    let (user, group) = (format!("--reuid={USER}"), format!("--regid={USER}"));
    command.args([&user, &group, "--clear-groups", program]);
    command
}

/// Debian keeps the programs of a server off the PATH, one folder for each version.
fn path() -> std::ffi::OsString {
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.map(|version| version.unwrap().path().join("bin")).collect())
        .unwrap_or_default();
    folders.sort();
    folders.reverse();
    folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    env::join_paths(folders).unwrap()
}
