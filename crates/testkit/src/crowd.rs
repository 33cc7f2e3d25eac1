//! People who log in and out, change and are changed, and of whom it is known what each of them was told: after a crash
//! it can be judged what must hold, what may, and what must not.
//!
//! Each [`Person`] does one thing after the other, and nobody else touches what is theirs. So at any time at most one thing
//! of each is under way, of which nobody knows whether it was done; all else is as it was acknowledged. A crash at any
//! point must leave the one thing whole or absent, and the rest as it is. Read next: `person.rs` for what they do,
//! `settle.rs` for what is asked after a crash, `kills.rs` and `cuts.rs` for the crashes, `tables.rs` and `told.rs` for what the database and the ledger must say.

mod cuts;
mod kills;
mod person;
mod settle;
mod tables;
mod told;

use std::net::SocketAddr;

use anyhow::bail;
use http::Method;
use portcullis_access::apikey::HashKey;
use serde_json::{Value, json};

use crate::client::{Answer, Client, RequestBuilder};
use crate::deadline::{WAIT, eventually};
use crate::process::{Gate, GateBuilder};
use crate::visitor::Visitor;

pub use cuts::Recorded;
pub use kills::{Kills, crowd, settle_all};
pub use person::{Act, Person};
pub use tables::check_tables;
pub use told::check_ledger;

/// The portal's host, and an application's.
pub(crate) const PORTAL: &str = "login.localhost";
pub(crate) const SHOP: &str = "shop.localhost";
/// The administrators' key: of the form of a key, and worth nothing elsewhere.
const ADMINISTRATOR: &str = "crowds-of-tests-are-run-by-this-key-4b7Qz19Lm";
const HASH_KEY: &str = "drawn-for-tests-only-3Jw8nT5cY6gH1pSx";
const HASH_KEY_FILE: &str = "api-key-hash.key";

/// A gate with all that a crowd needs; `more` follows in its configuration.
pub fn builder(gate: GateBuilder, upstream: &str, more: &str) -> GateBuilder {
    let hash = HashKey::new(HASH_KEY.as_bytes()).unwrap().hash(ADMINISTRATOR);
    let config = format!(
        "[listen]\naddress = \"127.0.0.1:0\"\n[admin]\naddress = \"127.0.0.1:0\"\n[flood]\nmode = \"off\"\n\
         [portal]\norigin = \"http://{PORTAL}:8080\"\n[sessions]\nper_user_max = 1000\n\
         [passwords]\nmemory = \"7MiB\"\npasses = 5\n\
         [access]\npermissions = [\"read:tasks\"]\n\
         roles = {{ admin = [\"admin\"], user = [\"read:tasks\"], guest = [\"read:tasks\"] }}\n\
         [api_keys]\nhash_key_file = \"{HASH_KEY_FILE}\"\n\
         [[api_key]]\nname = \"boss\"\nowner = \"boss@example.com\"\nhash = \"{hash}\"\nexpires = \"never\"\nroles = [\"admin\"]\n\
         [application.shop]\nhosts = [\"{SHOP}\"]\nupstream.servers = [\"{upstream}\"]\n\
         [[application.shop.route]]\nname = \"page\"\npath = \"/private/*\"\nkind = \"page\"\nlogin_required = true\n\
         [[application.shop.route]]\nname = \"api\"\npath = \"/api/*\"\npermissions = [\"read:tasks\"]\n{more}"
    );
    gate.config(&config).file(HASH_KEY_FILE, HASH_KEY).expect_listener("admin")
}

/// The ways into a gate, from one address.
#[derive(Debug, Clone)]
pub struct Doors {
    client: Client,
    public: SocketAddr,
    admin: SocketAddr,
}

impl Doors {
    /// Those of a gate as it runs now, for a client.
    pub fn of(gate: &Gate, client: &Client) -> Self {
        Self { client: client.clone(), public: gate.address("public"), admin: gate.address("admin") }
    }

    /// A fresh browser.
    fn visitor(&self) -> Visitor {
        Visitor::with(self.client.clone(), self.public.port())
    }

    fn at_shop(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("http://{}{path}", self.public));
        request.header("host", &format!("{SHOP}:8080"))
    }

    /// What a program is answered.
    async fn program(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        let request = self.at_shop(Method::POST, path).json(body);
        request.try_send().await
    }

    /// What an administrator is answered, when it is one of these.
    async fn administer(
        &self,
        method: Method,
        target: &str,
        body: Option<Value>,
        good: &[u16],
    ) -> anyhow::Result<Value> {
        let request = self.client.request(method.clone(), format!("http://{}/api/v1{target}", self.admin));
        let request = request.bearer(ADMINISTRATOR);
        let answer = match &body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = answer.try_send().await?;
        assert!(
            good.contains(&answer.status.as_u16()),
            "{method} {target}: {} {}",
            answer.status,
            answer.text()
        );
        Ok(if answer.body.is_empty() { Value::Null } else { answer.json() })
    }

    /// Waits until the gate has its keys: it answers before it has read them, and lets nobody in.
    async fn are_open(&self) {
        eventually(WAIT, async || {
            let keys = self.at_shop(Method::GET, "/.portcullis/jwks.json").send().await.json();
            keys["keys"].as_array().is_some_and(|keys| !keys.is_empty())
        })
        .await;
    }

    /// Whether this opens the application: a cookie, a token or a key as a header of a request.
    async fn opens(&self, header: &str, value: &str) -> anyhow::Result<bool> {
        let path = if header == "cookie" { "/private/page" } else { "/api/tasks" };
        let answer = self.at_shop(Method::GET, path).header(header, value).try_send().await?;
        match answer.status.as_u16() {
            200 => Ok(true),
            303 | 401 | 403 => Ok(false),
            other => bail!("{other} for a {header}: {}", answer.text()),
        }
    }

    /// The tokens for a password, or none when it is not right.
    async fn tokens(&self, name: &str, password: &str) -> anyhow::Result<Option<(String, String)>> {
        let asked = json!({ "grant": "password", "username": name, "password": password });
        read_tokens(&self.program("/.portcullis/token", &asked).await?)
    }

    /// The tokens for a refresh token, or none when it is not good.
    async fn renewed(&self, refresh: &str) -> anyhow::Result<Option<(String, String)>> {
        let asked = json!({ "grant": "refresh", "refresh_token": refresh });
        read_tokens(&self.program("/.portcullis/token", &asked).await?)
    }
}

fn read_tokens(answer: &Answer) -> anyhow::Result<Option<(String, String)>> {
    let text = |name: &str| answer.json()[name].as_str().map(str::to_owned);
    match answer.status.as_u16() {
        200 => Ok(text("access_token").zip(text("refresh_token"))),
        401 => Ok(None),
        other => bail!("{other} for tokens: {}", answer.text()),
    }
}
