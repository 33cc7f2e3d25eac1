//! A gate with a portal, two applications and an administrator.

use std::fs;

use portcullis_testkit::{Answer, Gate, GateBuilder, Page, Upstream, Visitor};
use serde_json::{Value, json};

use crate::gate::binary;

pub(crate) const PORTAL: &str = "login.localhost";
pub(crate) const SHOP: &str = "shop.localhost";
pub(crate) const NAME: &str = "boss@example.com";
pub(crate) const PASSWORD: &str = "seven quiet otters juggle 19 plums";

/// The gate, and what stands behind it.
pub(crate) struct World {
    pub(crate) gate: Gate,
    pub(crate) upstream: Upstream,
}

/// A configuration; `more` stands in front.
pub(crate) fn config(upstream: &Upstream, more: &str) -> String {
    let servers = upstream.url();
    let application = |name: &str| {
        format!(
            "[application.{name}]\nhosts = [\"{name}.localhost\"]\nupstream.servers = [\"{servers}\"]\n\
             [[application.{name}.route]]\nname = \"page\"\npath = \"/private/*\"\nkind = \"page\"\nlogin_required = true\n\
             [[application.{name}.route]]\nname = \"api\"\npath = \"/api/*\"\npermissions = [\"read:tasks\"]\n\
             [[application.{name}.route]]\nname = \"site\"\npath = \"/*\"\nkind = \"page\"\npublic = true\n"
        )
    };
    format!(
        "[listen]\naddress = \"127.0.0.1:0\"\n[ops]\naddress = \"127.0.0.1:0\"\n[portal]\norigin = \"http://{PORTAL}:8080\"\n{more}\n\
         [access]\npermissions = [\"read:tasks\"]\nroles = {{ admin = [\"admin\"], user = [\"read:tasks\"] }}\n{}{}",
        application("shop"),
        application("other"),
    )
}

pub(crate) fn builder(upstream: &Upstream, more: &str) -> GateBuilder {
    Gate::builder(binary()).config(&config(upstream, more))
}

impl World {
    pub(crate) async fn start(more: &str) -> Self {
        let upstream = Upstream::start().await;
        let gate = builder(&upstream, more).start().await;
        Self { gate, upstream }
    }

    /// The same, with an administrator.
    pub(crate) async fn with_administrator(more: &str) -> Self {
        let world = Self::start(more).await;
        world.set_up().await;
        world
    }

    /// Makes the first administrator.
    pub(crate) async fn set_up(&self) {
        let mut visitor = self.visitor();
        let page = visitor.go(PORTAL, "/.portcullis/setup").await;
        let code = self.set_up_code();
        let fill = [("code", &*code), ("username", NAME), ("new", PASSWORD), ("again", PASSWORD)];
        let page = visitor.send(&page, "/.portcullis/setup", &fill).await;
        assert_eq!(page.target, "/.portcullis/login?done=set-up", "{}", page.answer.text());
    }

    /// The code for the first administrator, as whoever started the node finds it.
    pub(crate) fn set_up_code(&self) -> String {
        let code = fs::read_to_string(self.gate.folder().join("state/setup-code")).unwrap();
        code.trim().to_owned()
    }

    pub(crate) fn visitor(&self) -> Visitor {
        Visitor::of(&self.gate)
    }

    /// Somebody who has logged in to the shop.
    pub(crate) async fn logged_in(&self) -> Visitor {
        let mut visitor = self.visitor();
        let page = visitor.go(SHOP, "/private/page").await;
        let page = log_in(&mut visitor, &page, NAME, PASSWORD).await;
        assert_eq!((&*page.host, page.answer.status.as_u16()), (SHOP, 200), "{}", page.answer.text());
        visitor
    }

    /// What a program is answered at a path of the shop.
    pub(crate) async fn program(&self, path: &str, body: &Value) -> Answer {
        let client = portcullis_testkit::Client::new();
        client.post(self.gate.url(path)).header("host", &format!("{SHOP}:8080")).json(body).send().await
    }

    /// What a token opens at the shop.
    pub(crate) async fn with_token(&self, token: &str) -> Answer {
        let client = portcullis_testkit::Client::new();
        client.get(self.gate.url("/api/tasks")).header("host", SHOP).bearer(token).send().await
    }

    /// The tokens that a program gets for a password.
    pub(crate) async fn tokens(&self) -> (String, String) {
        let asked = json!({ "grant": "password", "username": NAME, "password": PASSWORD });
        let answer = self.program("/.portcullis/token", &asked).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let json = answer.json();
        let text = |name: &str| json[name].as_str().unwrap().to_owned();
        (text("access_token"), text("refresh_token"))
    }
}

/// Fills in the log-in page.
pub(crate) async fn log_in(visitor: &mut Visitor, page: &Page, name: &str, password: &str) -> Page {
    visitor.send(page, "/.portcullis/login", &[("username", name), ("password", password)]).await
}
