//! `portcullis doctor`: what is wrong around the gate? It tries what an attacker would try first: to reach the
//! application without passing the gate (NW-07).

use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use http::Method;
use portcullis_contract::snapshot::{Application, Mode};
use portcullis_contract::{Snapshot, compile};
use portcullis_control::{AdminClient, ApiClient};
use serde_json::{Value, json};

use crate::adapter::{FileSurroundings, read_config};
use crate::cli::{DoctorArguments, Format};
use crate::ledger::SOCKET;
use crate::log::Colour;
use crate::shown::cell;
use crate::{Exit, log, run};

/// Time for one connection attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Where the admin API has roles.
const ROLES: &str = "/api/v1/roles";

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// As it should be.
    Good,
    /// Worth knowing.
    Note,
    /// To be mended.
    Bad,
}

/// One finding.
struct Finding {
    level: Level,
    check: &'static str,
    text: String,
}

/// Looks, prints the findings, and exits with 1 when something is to be mended.
pub(crate) fn run(arguments: &DoctorArguments) -> anyhow::Result<Exit> {
    let path = &arguments.file.config;
    let text = read_config(path)?;
    let name = path.display().to_string();
    let snapshot = match compile(&text, &name, &FileSurroundings::of(path), jiff::Timestamp::now()) {
        Ok(snapshot) => snapshot,
        Err(diagnostics) => {
            run::show(&diagnostics, &text);
            return Ok(Exit::Usage);
        }
    };
    let mut findings = examine(&snapshot);
    run::until_done(async {
        roles(&snapshot, &mut findings).await;
        Ok(())
    })?;
    match arguments.format {
        Format::Json => {
            let rows =
                findings.iter().map(|f| json!({"level": f.level.as_str(), "check": f.check, "text": f.text}));
            log::say(&json!(rows.collect::<Vec<_>>()).to_string());
        }
        Format::Table => findings.iter().for_each(|finding| log::say(&finding.line())),
    }
    let bad = findings.iter().any(|finding| finding.level == Level::Bad);
    Ok(if bad { Exit::Finding } else { Exit::Fine })
}

fn examine(snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings = vec![Finding::good("config", "the configuration has no mistakes")];
    let addresses = own_addresses(&mut findings);
    for application in &snapshot.applications {
        modes(application, &mut findings);
        for server in &application.upstream.servers {
            let Some(authority) = server.authority() else { continue };
            let port = authority.port_u16().unwrap_or(80);
            reach(application, authority.host(), port, &addresses, &mut findings);
        }
    }
    findings
}

/// Whether the roles that administrators keep fit the configuration, as the node that runs knows them.
async fn roles(snapshot: &Snapshot, findings: &mut Vec<Finding>) {
    let Ok(client) = AdminClient::connect(&snapshot.state_directory.join(SOCKET)).await else { return };
    let mut client = ApiClient::Socket(client);
    let mut target = format!("{ROLES}?count=200");
    loop {
        let page = match client.call(Method::GET, &target, None).await {
            Ok(page) => page,
            Err(error) => {
                let text = format!("the node does not say which roles are kept: {error}");
                return findings.push(Finding { level: Level::Note, check: "roles", text });
            }
        };
        for role in page.get("items").and_then(Value::as_array).into_iter().flatten() {
            if role.get("unknown_permissions").is_some() {
                let text = format!(
                    "the role {} holds {}, which the configuration does not declare: it gives nothing; declare it in \
                     `access.permissions`, or mend the role with `portcullis role set`",
                    cell(role, "name"),
                    cell(role, "unknown_permissions")
                );
                findings.push(Finding { level: Level::Bad, check: "roles", text });
            }
        }
        match page.get("next").and_then(Value::as_str) {
            Some(next) => target = format!("{ROLES}?count=200&after={next}"),
            None => return,
        }
    }
}

/// The addresses that others can reach this machine by.
fn own_addresses(findings: &mut Vec<Finding>) -> Vec<IpAddr> {
    match if_addrs::get_if_addrs() {
        Ok(interfaces) => {
            let outside = |address: &IpAddr| {
                let link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
                !address.is_loopback() && !link_local
            };
            interfaces.iter().map(if_addrs::Interface::ip).filter(outside).collect()
        }
        Err(error) => {
            let text = format!("this machine's addresses cannot be listed: {error}");
            findings.push(Finding { level: Level::Note, check: "around the gate", text });
            Vec::new()
        }
    }
}

fn modes(application: &Application, findings: &mut Vec<Finding>) {
    let parts = [
        ("auth", application.modes.auth),
        ("limits", application.modes.limits),
        ("inspection", application.modes.inspection),
    ];
    let lax: Vec<&str> =
        parts.iter().filter(|(_, mode)| *mode != Mode::Enforce).map(|(part, _)| *part).collect();
    if !lax.is_empty() {
        let text = format!("application `{}` does not enforce: {}", application.name, lax.join(", "));
        findings.push(Finding { level: Level::Note, check: "modes", text });
    }
}

/// Whether the application answers the gate, and whether it also answers past it.
fn reach(application: &Application, host: &str, port: u16, own: &[IpAddr], findings: &mut Vec<Finding>) {
    let name = &application.name;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let resolved: Vec<SocketAddr> = (host, port).to_socket_addrs().map(Iterator::collect).unwrap_or_default();
    if !resolved.iter().any(connects) {
        let text =
            format!("application `{name}` does not answer on {host}:{port}; start it, or mend `servers`");
        findings.push(Finding { level: Level::Bad, check: "upstream", text });
        return;
    }
    findings.push(Finding::good("upstream", format!("application `{name}` answers on {host}:{port}")));
    if !resolved.iter().any(|address| address.ip().is_loopback() || own.contains(&address.ip())) {
        let text = format!(
            "application `{name}` runs on another machine ({host}); see to it that only the gate can reach port {port}"
        );
        findings.push(Finding { level: Level::Note, check: "around the gate", text });
        return;
    }
    let past: Vec<String> = own
        .iter()
        .map(|address| SocketAddr::new(*address, port))
        .filter(connects)
        .map(|address| address.to_string())
        .collect();
    findings.push(if past.is_empty() {
        Finding::good("around the gate", format!("application `{name}` answers on loopback only"))
    } else {
        let text = format!(
            "application `{name}` can be reached around the gate on {}; let it listen on 127.0.0.1 only, or close \
             port {port} in the firewall",
            past.join(" and ")
        );
        Finding { level: Level::Bad, check: "around the gate", text }
    });
}

fn connects(address: &SocketAddr) -> bool {
    TcpStream::connect_timeout(address, CONNECT_TIMEOUT).is_ok()
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Bad => "bad",
        }
    }
}

impl Finding {
    fn good(check: &'static str, text: impl Into<String>) -> Self {
        Self { level: Level::Good, check, text: text.into() }
    }

    fn line(&self) -> String {
        let code = match self.level {
            Level::Good => 32,
            Level::Note => 33,
            Level::Bad => 31,
        };
        let level = Colour::of_stdout().paint(code, &format!("{:<4}", self.level.as_str()));
        format!("{level}  {:<16} {}", self.check, self.text)
    }
}
