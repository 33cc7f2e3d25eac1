//! Debian's Chromium, driven over the DevTools protocol: it fills in forms, takes pictures and tells what it complained of.
//!
//! Every name leads to one address, that of a gate, so that pages have the origins that people would see. Certificates are
//! taken as they come.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::deadline::eventually;

/// How long a browser may take for one thing: a busy machine starts one in some seconds.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one open page.
pub struct Browser {
    socket: WebSocketStream<TcpStream>,
    session: Option<String>,
    last_id: u64,
    complaints: Vec<String>,
    // Dropped last: the browser ends, then its folder goes.
    _process: Child,
    _folder: TempDir,
}

/// Whether pages may run scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scripts {
    /// As usual.
    On,
    /// None runs, as where somebody has switched them off.
    Off,
}

/// What a page is seen with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Scheme {
    fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

impl Browser {
    /// Starts one for which every host is at `gate`.
    pub async fn start(gate: SocketAddr, scripts: Scripts) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the browser");
        let mut process = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-proxy-server", "--hide-scrollbars"])
            .arg(format!("--user-data-dir={}", folder.path().display()))
            .arg(format!("--host-resolver-rules=MAP * {gate}"))
            .args(["--ignore-certificate-errors", "--remote-debugging-port=0", "about:blank"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("chromium starts");
        let mut lines = BufReader::new(process.stderr.take().expect("its log")).lines();
        let told = async {
            loop {
                let line =
                    lines.next_line().await.expect("its log is text").expect("it says where it listens");
                if let Some(url) = line.strip_prefix("DevTools listening on ") {
                    return url.to_owned();
                }
            }
        };
        let url = timeout(PATIENCE, told).await.expect("chromium says where it listens");
        // A pipe that nobody reads would stop it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let address = url.trim_start_matches("ws://").split('/').next().expect("an address");
        let stream = TcpStream::connect(address).await.expect("the browser listens");
        let (socket, _) = tokio_tungstenite::client_async(&url, stream).await.expect("it speaks DevTools");
        let mut browser = Self {
            socket,
            session: None,
            last_id: 0,
            complaints: Vec::new(),
            _process: process,
            _folder: folder,
        };
        browser.open_page(scripts).await;
        browser
    }

    async fn open_page(&mut self, scripts: Scripts) {
        let page = self.call("Target.createTarget", json!({"url": "about:blank"})).await;
        let attach = json!({"targetId": page["targetId"], "flatten": true});
        let attached = self.call("Target.attachToTarget", attach).await;
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            self.call(domain, json!({})).await;
        }
        let off = json!({"value": scripts == Scripts::Off});
        self.call("Emulation.setScriptExecutionDisabled", off).await;
    }

    /// Opens an address, and waits until it, or where it has led, is there.
    pub async fn open(&mut self, address: &str) {
        self.mark().await;
        self.call("Page.navigate", json!({"url": address})).await;
        self.arrived().await;
    }

    /// Presses what a selector finds and that leads to another page, and waits until that is there.
    pub async fn press(&mut self, selector: &str) {
        self.mark().await;
        self.evaluate(&format!("{}.click()", find(selector))).await;
        self.arrived().await;
    }

    /// Types into the field that a selector finds, in the place of what is there.
    pub async fn fill(&mut self, selector: &str, text: &str) {
        self.evaluate(&format!("{}.select()", find(selector))).await;
        self.call("Input.insertText", json!({"text": text})).await;
    }

    /// Types a key on the page, such as `Tab` or `Enter`.
    pub async fn key(&mut self, name: &str) {
        let (code, text) = match name {
            "Enter" => (13, "\r"),
            "Tab" => (9, ""),
            other => panic!("an unknown key: {other}"),
        };
        let key = json!({"type": "keyDown", "key": name, "code": name, "windowsVirtualKeyCode": code, "text": text});
        self.call("Input.dispatchKeyEvent", key).await;
        self.call("Input.dispatchKeyEvent", json!({"type": "keyUp", "key": name, "code": name})).await;
    }

    /// Types Enter, and waits until the page that it leads to is there.
    pub async fn enter(&mut self) {
        self.mark().await;
        self.key("Enter").await;
        self.arrived().await;
    }

    /// What an expression is worth on the page. It is asked from outside, so it works without scripts too.
    pub async fn evaluate(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "userGesture": true});
        let told = self.call("Runtime.evaluate", asked).await;
        assert!(told.get("exceptionDetails").is_none(), "{expression}: {told}");
        told["result"]["value"].clone()
    }

    /// The address of the page.
    pub async fn address(&mut self) -> String {
        self.evaluate("location.href").await.as_str().expect("an address").to_owned()
    }

    /// Waits until the page of this address is there, whatever has led to it.
    pub async fn arrives_at(&mut self, address: &str) {
        let is_there = format!("location.href == {} && document.readyState == 'complete'", json!(address));
        let browser = tokio::sync::Mutex::new(self);
        eventually(PATIENCE, async || browser.lock().await.holds(&is_there).await).await;
    }

    /// The text that somebody sees.
    pub async fn text(&mut self) -> String {
        self.evaluate("document.body.innerText").await.as_str().unwrap_or_default().to_owned()
    }

    /// From now on pages are seen so, at so many pixels.
    pub async fn look(&mut self, scheme: Scheme, width: u32, height: u32) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme.as_str()}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features})).await;
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Takes a picture of the whole page.
    pub async fn picture(&mut self, file: &Path) {
        let asked = json!({"format": "png", "captureBeyondViewport": true});
        let taken = self.call("Page.captureScreenshot", asked).await;
        let bytes = STANDARD.decode(taken["data"].as_str().expect("a picture")).expect("base64");
        std::fs::write(file, bytes).expect("a place for pictures");
    }

    /// What it complained of since it was asked this last: errors of scripts, and what a policy has refused. That an answer
    /// was an error is none.
    pub async fn complaints(&mut self) -> Vec<String> {
        // Whatever it has to say is said before it answers.
        self.evaluate("1").await;
        std::mem::take(&mut self.complaints)
    }

    /// Marks the page that is there, so that the next one is told apart.
    async fn mark(&mut self) {
        self.evaluate("window.seen = true").await;
    }

    async fn arrived(&mut self) {
        let is_there = "!window.seen && document.readyState == 'complete'";
        let browser = tokio::sync::Mutex::new(self);
        eventually(PATIENCE, async || browser.lock().await.holds(is_there).await).await;
    }

    /// Whether an expression is true; not while one page goes and the next has not come.
    async fn holds(&mut self, expression: &str) -> bool {
        let asked = json!({"expression": expression, "returnByValue": true});
        self.ask("Runtime.evaluate", asked).await.is_ok_and(|told| told["result"]["value"] == true)
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        self.ask(method, params).await.unwrap_or_else(|why| panic!("{method}: {why}"))
    }

    async fn ask(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.last_id += 1;
        let mut call = json!({"id": self.last_id, "method": method, "params": params});
        if let Some(session) = &self.session {
            call["sessionId"] = session.as_str().into();
        }
        self.socket.send(Message::text(call.to_string())).await.expect("the browser is there");
        timeout(PATIENCE, self.answer()).await.unwrap_or_else(|_| panic!("no answer to {method}"))
    }

    async fn answer(&mut self) -> Result<Value, Value> {
        loop {
            let message = self.socket.next().await.expect("the browser is there").expect("a message");
            let Message::Text(text) = message else { continue };
            let mut told: Value = serde_json::from_str(&text).expect("JSON");
            if told["id"] == self.last_id {
                return match told.get("error") {
                    Some(error) => Err(error.clone()),
                    None => Ok(told["result"].take()),
                };
            }
            self.hear(&told);
        }
    }

    fn hear(&mut self, told: &Value) {
        let entry = &told["params"]["entry"];
        match told["method"].as_str() {
            Some("Runtime.exceptionThrown") => self.complaints.push(told["params"].to_string()),
            Some("Log.entryAdded") if entry["level"] == "error" && entry["source"] != "network" => {
                self.complaints.push(entry["text"].to_string());
            }
            _ => {}
        }
    }
}

fn find(selector: &str) -> String {
    format!("document.querySelector({})", json!(selector))
}
