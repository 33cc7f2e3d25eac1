//! A gate where people log in: its accounts, and the bytes by which log-in is asked for.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use portcullis_testkit::{Client, Gate, Upstream};
use tokio::io::{self, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

pub(crate) const PORTAL: &str = "login.localhost:8080";
pub(crate) const SHOP: &str = "shop.localhost:8080";
/// What the accounts with a hash have as their password.
pub(crate) const PASSWORD: &str = "correct horse battery staple";
/// Its hash at the default cost, made by argon2-cffi 25.1.0.
pub(crate) const ARGON2: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c2l4dGVlbiBvZiBzYWx0IQ$wbnOex0AoiXbZwXc54jk1RYadLEmwjqQDlfrtGolLxk";

/// A portal, and an application before this server with pages for everybody and for users.
pub(crate) fn config(upstream: &Upstream) -> String {
    format!(
        "[listen]\naddress = \"127.0.0.1:0\"\n[ops]\naddress = \"127.0.0.1:0\"\n[portal]\norigin = \"http://{PORTAL}\"\n\
         [access]\npermissions = [\"read:tasks\"]\nroles = {{ admin = [\"admin\"], user = [\"read:tasks\"] }}\n\
         [application.shop]\nhosts = [\"shop.localhost\"]\nupstream.servers = [\"{}\"]\n\
         [[application.shop.route]]\nname = \"all\"\npath = \"/*\"\npublic = true\n\
         [[application.shop.route]]\nname = \"users\"\npath = \"/mine/*\"\npermissions = [\"read:tasks\"]\n",
        upstream.url()
    )
}

/// Types `portcullis LINE` on the gate's machine; panics unless all went well.
pub(crate) fn types(gate: &Gate, line: &str) -> String {
    let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_portcullis")));
    command.current_dir(gate.folder()).args(line.split_whitespace()).args(["--config", "portcullis.toml"]);
    let output = command.output().expect("the command runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{line}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// Makes accounts with this hash.
pub(crate) fn import(gate: &Gate, names: impl IntoIterator<Item = String>, hash: &str) {
    let lines: Vec<String> = names.into_iter().map(|name| format!("{name},\"{hash}\"\n")).collect();
    let file = format!("name,password_hash\n{}", lines.concat());
    std::fs::write(gate.folder().join("users.csv"), file).unwrap();
    let said = types(gate, "user import --format csv users.csv --role user");
    assert_eq!(said, format!("{} accounts were made, 0 were not\n", lines.len()));
}

/// What a browser was given with the log-in page.
#[derive(Clone)]
pub(crate) struct Form {
    cookie: String,
    proof: String,
}

impl Form {
    pub(crate) async fn get(gate: &Gate) -> Self {
        let page = Client::new().get(gate.url("/.portcullis/login")).header("host", PORTAL).send().await;
        let cookie = page.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let text = page.text();
        let (_, proof) = text.split_once("name=\"proof\" value=\"").unwrap();
        Self { cookie, proof: proof.split('"').next().unwrap().to_owned() }
    }

    /// The form, filled in and sent.
    pub(crate) fn bytes(&self, name: &str, password: &str) -> Vec<u8> {
        let body = format!("proof={}&username={name}&password={}", self.proof, password.replace(' ', "+"));
        let kind = "application/x-www-form-urlencoded";
        post("login", PORTAL, &format!("Cookie: {}\r\nOrigin: http://{PORTAL}\r\n", self.cookie), kind, &body)
    }
}

/// A program that asks for tokens.
pub(crate) fn token_bytes(name: &str, password: &str) -> Vec<u8> {
    let body = format!("{{\"grant\":\"password\",\"username\":\"{name}\",\"password\":\"{password}\"}}");
    post("token", SHOP, "", "application/json", &body)
}

fn post(path: &str, host: &str, fields: &str, kind: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /.portcullis/{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}Content-Type: {kind}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// One of sixteen million addresses of this machine, from 127.64.0.0 on.
pub(crate) fn somewhere(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 64, 0, 0)) + number)
}

/// Everything that is answered on a new connection from an address.
pub(crate) async fn asked(from: Ipv4Addr, public: SocketAddr, bytes: &[u8]) -> io::Result<String> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(IpAddr::V4(from), 0))?;
    let mut stream = socket.connect(public).await?;
    stream.set_nodelay(true)?;
    stream.write_all(bytes).await?;
    let mut answer = Vec::with_capacity(4096);
    stream.read_to_end(&mut answer).await?;
    String::from_utf8(answer).map_err(io::Error::other)
}

/// The status of an answer.
pub(crate) fn status_of(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}
