//! A person with a browser, as far as the gate can tell: cookies by host, forms with all their fields, redirects followed.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context as _;

use crate::client::{Answer, Client};
use crate::process::Gate;

/// Redirects that are followed in a row.
const HOPS_MAX: usize = 10;

/// A browser and its cookies.
#[derive(Debug)]
pub struct Visitor {
    client: Client,
    port: u16,
    cookies: HashMap<String, BTreeMap<String, String>>,
}

/// A page that was arrived at.
#[derive(Debug)]
pub struct Page {
    /// Where it is.
    pub host: String,
    /// Path and query.
    pub target: String,
    /// What was answered.
    pub answer: Answer,
}

impl Visitor {
    /// A fresh browser before a gate.
    pub fn of(gate: &Gate) -> Self {
        Self::with(Client::new(), gate.address("public").port())
    }

    /// A fresh browser that asks by this client, at this port.
    pub fn with(client: Client, port: u16) -> Self {
        Self { client, port, cookies: HashMap::new() }
    }

    /// What is stored for a host.
    pub fn cookies(&self, host: &str) -> BTreeMap<String, String> {
        self.cookies.get(host).cloned().unwrap_or_default()
    }

    /// Puts a cookie there that nobody has set.
    pub fn plant(&mut self, host: &str, name: &str, value: &str) {
        self.cookies.entry(host.to_owned()).or_default().insert(name.to_owned(), value.to_owned());
    }

    /// Goes to a page, wherever that leads.
    pub async fn go(&mut self, host: &str, target: &str) -> Page {
        self.try_go(host, target).await.unwrap_or_else(|why| panic!("{host}{target}: {why:#}"))
    }

    /// The same, where the gate may be gone.
    pub async fn try_go(&mut self, host: &str, target: &str) -> anyhow::Result<Page> {
        self.ask(host, target, None).await
    }

    /// Sends the form of a page that posts to `action`, filled in.
    pub async fn send(&mut self, page: &Page, action: &str, fill: &[(&str, &str)]) -> Page {
        self.try_send(page, action, fill).await.unwrap_or_else(|why| panic!("{action}: {why:#}"))
    }

    /// The same, where the gate may be gone.
    pub async fn try_send(
        &mut self,
        page: &Page,
        action: &str,
        fill: &[(&str, &str)],
    ) -> anyhow::Result<Page> {
        let mut fields = fields_of(&page.answer.text(), action);
        for (name, value) in fill {
            let field = fields.iter_mut().find(|(known, _)| known == name);
            field.unwrap_or_else(|| panic!("the form has no field `{name}`: {}", page.answer.text())).1 =
                (*value).to_owned();
        }
        let encoded: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let host = page.host.clone();
        self.ask(&host, action, Some(encoded.join("&"))).await
    }

    /// One request, and those that it leads to.
    async fn ask(&mut self, host: &str, target: &str, form: Option<String>) -> anyhow::Result<Page> {
        let (mut host, mut target, mut form) = (host.to_owned(), target.to_owned(), form);
        for _ in 0..HOPS_MAX {
            let answer = self.once(&host, &target, form.take()).await?;
            self.store(&host, &answer);
            let Some(location) = leads_to(&answer) else { return Ok(Page { host, target, answer }) };
            (host, target) = match location.strip_prefix("http://") {
                Some(rest) => {
                    let (authority, path) = rest.split_once('/').unwrap();
                    let (name, port) = authority.split_once(':').unwrap();
                    assert_eq!(port, "8080", "origins have the portal's port: {location}");
                    (name.to_owned(), format!("/{path}"))
                }
                None => (host, location),
            };
        }
        panic!("more than {HOPS_MAX} redirects, at {host}{target}")
    }

    async fn once(&self, host: &str, target: &str, form: Option<String>) -> anyhow::Result<Answer> {
        let url = format!("http://127.0.0.1:{}{target}", self.port);
        // The gate listens on a port that nobody knew before; browsers name the one of the configured origin.
        let authority = format!("{host}:8080");
        let request = match &form {
            Some(form) => self.client.post(url).form(form).header("origin", &format!("http://{authority}")),
            None => self.client.get(url),
        };
        let cookies: Vec<String> =
            self.cookies(host).iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request
            .header("host", &authority)
            .header("accept", "text/html")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-site", "same-origin");
        let request =
            if cookies.is_empty() { request } else { request.header("cookie", &cookies.join("; ")) };
        request.try_send().await.with_context(|| format!("{host}{target}"))
    }

    fn store(&mut self, host: &str, answer: &Answer) {
        let jar = self.cookies.entry(host.to_owned()).or_default();
        for line in answer.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if line.contains("Max-Age=0") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// Where an answer leads by itself: a redirect, or a page that goes on at once.
fn leads_to(answer: &Answer) -> Option<String> {
    if answer.status.is_redirection() {
        return answer.header("location").map(str::to_owned);
    }
    let page = answer.text();
    let (_, rest) = page.split_once("http-equiv=\"refresh\" content=\"0; url=")?;
    rest.split('"').next().map(|address| address.replace("&amp;", "&"))
}

/// The fields of the form that posts to `action`, with the values they begin with.
fn fields_of(html: &str, action: &str) -> Vec<(String, String)> {
    let begin =
        html.find(&format!("action=\"{action}\"")).unwrap_or_else(|| panic!("no form to {action}: {html}"));
    let form = html[begin..].split("</form>").next().unwrap();
    let attribute = |tag: &str, name: &str| {
        let begin = tag.find(&format!(" {name}=\""))? + name.len() + 3;
        Some(tag[begin..].split('"').next().unwrap().to_owned())
    };
    let tags = form.split('<').filter(|tag| tag.starts_with("input ") || tag.starts_with("button "));
    tags.filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default())))
        .collect()
}

fn encode(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes().map(|b| if plain(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
