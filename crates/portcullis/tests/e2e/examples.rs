//! The examples: each configuration is checked, each command of each README is typed, and leads to what stands there.
//!
//! An example is copied into a folder of its own; its keys are made by its own script. Only the addresses where it listens are
//! changed, because a test must not need a fixed port; clients are told where that is, and see the names and ports that
//! the example names.

mod numbers;
mod people;
mod readmes;
mod stand_in;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use portcullis_testkit::{Client, Gate, RequestBuilder, Speaks, Upstream};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use crate::gate::{DEADLINE, binary};

/// The examples, by folder.
const ALL: [&str; 5] =
    ["license-plate-detector", "openvpn-ivalt-2fa", "frenly-ai", "ai-cloud-dashboard", "ecommerce-analytics"];

/// How long all commands of a README may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// The second listener, where an example has one.
const PLAIN: &str = "plain_address = \"127.0.0.1:8001\"";

/// The folder of all examples, from the crate's folder.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// A copy of an example, as it is after the steps of its README.
struct Example {
    name: &'static str,
    root: TempDir,
}

impl Example {
    /// Copies the example and makes its keys.
    async fn copy(name: &'static str) -> Self {
        let root = tempfile::Builder::new().prefix("portcullis-example-").tempdir().unwrap();
        let example = Self { name, root };
        fs::create_dir_all(example.path("")).unwrap();
        for file in ["portcullis.toml", "README.md"] {
            fs::copy(folder().join(name).join(file), example.path(file)).unwrap();
        }
        for script in ["make-keys", "fill-in", "own-token"] {
            fs::copy(folder().join(script), example.root.path().join("examples").join(script)).unwrap();
        }
        let (code, _) = example.types(&format!("examples/make-keys {name}")).await;
        assert_eq!(code, 0, "the keys of {name} are made");
        example
    }

    fn path(&self, file: &str) -> PathBuf {
        self.root.path().join("examples").join(self.name).join(file)
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file))
            .unwrap_or_else(|problem| panic!("{}/{file}: {problem}", self.name))
    }

    /// Types a line into a shell that stands at the root of the repository and finds `portcullis`.
    async fn types(&self, line: &str) -> (i32, String) {
        self.types_within(DEADLINE, line).await
    }

    async fn types_within(&self, deadline: Duration, line: &str) -> (i32, String) {
        let own = binary().parent().unwrap().display().to_string();
        let path = format!("{own}:{}", std::env::var("PATH").unwrap_or_default());
        let mut shell = Command::new("bash");
        shell.args(["-c", line]).current_dir(self.root.path()).env("PATH", path).kill_on_drop(true);
        // Where `curl` finds its `.curlrc`.
        shell.env("CURL_HOME", self.root.path());
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output =
            timeout(deadline, shell.output()).await.unwrap_or_else(|_| panic!("`{line}` does not end"));
        let output = output.unwrap();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Replaces an address, which must stand there exactly once.
    fn replace(&self, old: &str, new: &str) {
        let text = self.read("portcullis.toml");
        assert_eq!(text.matches(old).count(), 1, "`{old}` in the configuration of {}", self.name);
        fs::write(self.path("portcullis.toml"), text.replace(old, new)).unwrap();
    }

    /// Starts the gate with the example's own configuration in front of a new upstream.
    async fn start(self) -> Running {
        let upstream = Upstream::start().await;
        let text = self.read("portcullis.toml");
        let servers = text.lines().find(|line| line.starts_with("servers = ")).unwrap();
        self.replace(servers, &format!("servers = [\"{}\"]", upstream.url()));
        self.replace("address = \"127.0.0.1:8000\"", "address = \"127.0.0.1:0\"");
        self.replace("address = \"127.0.0.1:9090\"", "address = \"127.0.0.1:0\"");
        let has_plain = text.contains(PLAIN);
        if has_plain {
            self.replace(PLAIN, "plain_address = \"127.0.0.1:0\"");
        }
        let config = self.path("portcullis.toml");
        let arguments = ["run".as_ref(), "--config".as_ref(), config.as_os_str()];
        let builder = Gate::builder(binary()).arguments(arguments);
        let builder = if has_plain { builder.expect_listener("plain") } else { builder };
        let gate = builder.start().await;
        let certificate = fs::read_to_string(self.path("ssl/cert.pem")).ok();
        Running { gate, upstream, example: self, certificate }
    }
}

/// An example whose gate runs.
struct Running {
    gate: Gate,
    upstream: Upstream,
    example: Example,
    /// The gate's certificate, where the example speaks TLS.
    certificate: Option<String>,
}

impl Running {
    /// What a shell prints that types these lines, for which the gate is where the example says.
    async fn types(&self, lines: &str) -> String {
        let plain = PLAIN.trim_end_matches('"').rsplit(':').next().unwrap();
        let mut rules = String::new();
        let listeners = [("8000", "public"), (plain, "plain")];
        let has_plain = self.example.read("portcullis.toml").contains("\nplain_address = ");
        for (port, listener) in listeners.iter().take(if has_plain { 2 } else { 1 }) {
            let address = self.gate.address(listener);
            rules += &format!("connect-to = \":{port}:{}:{}\"\n", address.ip(), address.port());
        }
        fs::write(self.example.root.path().join(".curlrc"), rules).unwrap();
        self.example.types_within(PATIENCE, lines).await.1
    }

    /// A URL of the gate, in the way that the example speaks.
    fn url(&self, path: &str) -> String {
        match self.certificate {
            Some(_) => format!("https://localhost:{}{path}", self.gate.address("public").port()),
            None => self.gate.url(path),
        }
    }

    /// A client that trusts the gate.
    fn client(&self) -> Client {
        self.client_from(1)
    }

    /// The same from this address, the last number of 127.0.0.x.
    fn client_from(&self, last: u8) -> Client {
        let address = [127, 0, 0, last];
        match &self.certificate {
            Some(pem) => Client::trusting(pem, address, Speaks::Http2),
            None => Client::from_address(address),
        }
    }

    /// Begins a request; `who` names a file of `state/` that holds a key, `-` is nobody.
    fn request(&self, client: &Client, who: &str, method: &str, path: &str) -> RequestBuilder {
        let request = client.request(method.parse().unwrap(), self.url(path));
        if who == "-" {
            request
        } else {
            request.header("x-api-key", &self.example.read(&format!("state/{who}.key")))
        }
    }

    /// The statuses of so many equal requests.
    async fn statuses(&self, client: &Client, count: usize, who: &str, path: &str) -> Vec<u16> {
        let mut statuses = Vec::new();
        for _ in 0..count {
            statuses.push(self.request(client, who, "GET", path).send().await.status.as_u16());
        }
        statuses
    }

    /// Checks a table of requests and statuses, one a line: `WHO METHOD PATH -> STATUS`.
    async fn check(&self, table: &str) {
        let client = self.client();
        let rows: Vec<&str> = table.lines().map(str::trim).filter(|row| !row.is_empty()).collect();
        let mut seen = Vec::new();
        for row in &rows {
            let words: Vec<&str> = row.split_whitespace().collect();
            let [who, method, path, "->", _] = words[..] else {
                panic!("`{row}`: write `WHO METHOD PATH -> STATUS`")
            };
            let status = self.request(&client, who, method, path).send().await.status.as_u16();
            seen.push(format!("{} {status}", row.rsplit_once(' ').unwrap().0));
        }
        assert_eq!(seen, rows, "{}", self.example.name);
    }
}
