//! A gate in front of an upstream, with keys that everyone in these tests knows by their name.

use axum::http::Method;
use portcullis_access::apikey::{HashKey, generate};
use portcullis_testkit::{Answer, Client, Gate, GateBuilder, RequestBuilder, Signal, Upstream, eventually};
use secrecy::ExposeSecret;

use crate::gate::{DEADLINE, binary};

/// The secret under which the keys of these tests are hashed.
pub(crate) const HASH_KEY: &str = "drawn-for-tests-only-7Kq2vX9mB4tR8wLz";

/// The file that holds it, beside the configuration.
pub(crate) const HASH_KEY_FILE: &str = "api-key-hash.key";

/// The key of that name: always the same, of the form that `apikey new` prints.
pub(crate) fn key(name: &str) -> String {
    let mut seed = [0; 32];
    seed.iter_mut().zip(name.bytes().cycle()).enumerate().for_each(|(at, (to, from))| *to = from ^ at as u8);
    generate(&seed).expose_secret().to_owned()
}

/// What is stored of a key.
pub(crate) fn hash(key: &str) -> String {
    HashKey::new(HASH_KEY.as_bytes()).unwrap().hash(key).to_string()
}

/// Writes out a configuration that stands in its short form:
///
/// - `key NAME; SETTING; …` is an `[[api_key]]` of `NAME@example.com` with [`key`]'s key, that never ends unless told;
/// - `route NAME PATH; SETTING; …` is a route of the application `test`;
/// - `UPSTREAM` is the upstream's address; every other line stands as it is.
///
/// The listeners, the hash key and the application `test` for all hosts are there already; lines before the first
/// section are the application's own.
pub(crate) fn config(upstream: &str, short: &str) -> String {
    let mut text = String::from("[application.test]\nhosts = [\"*\"]\nupstream.servers = [\"UPSTREAM\"]\n");
    for line in short.lines().map(str::trim) {
        match line.split_once(' ') {
            Some(("key", declared)) => text.push_str(&api_key(declared)),
            Some(("route", declared)) => text.push_str(&route(declared)),
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text.push_str(&format!("[api_keys]\nhash_key_file = \"{HASH_KEY_FILE}\"\n"));
    for header in ["[listen]", "[ops]"] {
        if !text.contains(header) {
            text.push_str(&format!("{header}\naddress = \"127.0.0.1:0\"\n"));
        }
    }
    text.replace("UPSTREAM", upstream)
}

fn api_key(declared: &str) -> String {
    let (name, settings) = declared.split_once(';').unwrap_or((declared, ""));
    let mut section = format!("[[api_key]]\nname = \"{name}\"\nowner = \"{name}@example.com\"\n");
    if !["key", "key_file", "hash"].iter().any(|setting| settings.contains(&format!("{setting} ="))) {
        section.push_str(&format!("hash = \"{}\"\n", hash(&key(name))));
    }
    if !settings.contains("expires =") {
        section.push_str("expires = \"never\"\n");
    }
    section + &settings.replace(';', "\n")
}

fn route(declared: &str) -> String {
    let (place, settings) = declared.split_once(';').unwrap_or((declared, ""));
    let (name, path) =
        place.split_once(' ').unwrap_or_else(|| panic!("`{declared}`: write `route NAME PATH`"));
    let header = format!("[[application.test.route]]\nname = \"{name}\"\npath = \"{}\"\n", path.trim());
    header + &settings.replace(';', "\n")
}

/// A gate before that upstream, with the configuration in the short form of [`config`].
pub(crate) fn before(upstream: &str, short: &str) -> GateBuilder {
    Gate::builder(binary()).file(HASH_KEY_FILE, HASH_KEY).config(&config(upstream, short))
}

/// A running gate with what stands behind and before it.
pub(crate) struct World {
    pub(crate) gate: Gate,
    pub(crate) upstream: Upstream,
    pub(crate) client: Client,
}

impl World {
    /// Starts a gate with a configuration in the short form of [`config`].
    pub(crate) async fn start(short: &str) -> Self {
        Self::start_with(short, |gate| gate).await
    }

    /// The same, with more around it, such as secrets in files and variables.
    pub(crate) async fn start_with(short: &str, more: impl FnOnce(GateBuilder) -> GateBuilder) -> Self {
        let upstream = Upstream::start().await;
        let gate = more(before(&upstream.url(), short)).start().await;
        Self { gate, upstream, client: Client::new() }
    }

    /// Begins a request. `who` names the key that it carries, `-` is nobody.
    pub(crate) fn request(&self, who: &str, method: &str, path: &str) -> RequestBuilder {
        let method: Method = method.parse().unwrap();
        let request = self.client.request(method, self.gate.url(path));
        if who == "-" { request } else { request.header("x-api-key", &key(who)) }
    }

    /// Asks with GET.
    pub(crate) async fn get(&self, who: &str, path: &str) -> Answer {
        self.request(who, "GET", path).send().await
    }

    /// Checks a table of requests and statuses, one a line: `WHO METHOD PATH -> STATUS`.
    pub(crate) async fn check(&self, table: &str) {
        let mut seen = Vec::new();
        let rows: Vec<&str> = table.lines().map(str::trim).filter(|row| !row.is_empty()).collect();
        for row in &rows {
            let words: Vec<&str> = row.split_whitespace().collect();
            let [who, method, path, "->", _] = words[..] else {
                panic!("`{row}`: write `WHO METHOD PATH -> STATUS`")
            };
            let answer = self.request(who, method, path).send().await;
            seen.push(format!("{} {}", row.rsplit_once(' ').unwrap().0, answer.status.as_u16()));
        }
        assert_eq!(seen, rows);
    }

    /// The statuses of so many equal requests, one after the other.
    pub(crate) async fn statuses(&self, count: usize, who: &str, path: &str) -> Vec<u16> {
        let mut statuses = Vec::new();
        for _ in 0..count {
            statuses.push(self.get(who, path).await.status.as_u16());
        }
        statuses
    }

    /// Puts another configuration in force, as an operator does: the file, then SIGHUP.
    pub(crate) async fn reload(&self, short: &str) {
        let reloads = || self.gate.lines().iter().filter(|line| line.text.contains("\"reloaded\"")).count();
        let before = reloads();
        self.gate.write_config(&config(&self.upstream.url(), short));
        self.gate.signal(Signal::Hangup);
        eventually(DEADLINE, || async { reloads() > before }).await;
    }

    /// A counter or gauge of `/metrics`, summed over its labels that contain `labels`.
    pub(crate) async fn metric(&self, name: &str, labels: &str) -> f64 {
        let text = self.client.get(self.gate.ops_url("/metrics")).send().await.text();
        let rows = text.lines().filter(|line| !line.starts_with('#'));
        let of_name =
            rows.filter(|line| line.split(['{', ' ']).next() == Some(name) && line.contains(labels));
        of_name.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }
}
