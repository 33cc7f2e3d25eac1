//! A configuration with an application for each way to be recorded, compiled as the binary does it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use portcullis_contract::ports::{FileProblem, SelfMade, Surroundings};
use portcullis_contract::{Snapshot, compile};
use portcullis_testkit::{Upstream, WebsocketUpstream};
use rustls_pki_types::CertificateDer;
use secrecy::SecretString;

/// The ways, which are also the names of the hosts.
pub(crate) const MODES: [&str; 4] = ["off", "after", "answer", "before"];

/// Every host of [`MODES`] leads to `upstream`, `ws-MODE` to `sockets`, and `secure` to HTTPS.
pub(crate) fn snapshot(upstream: &Upstream, sockets: &WebsocketUpstream, more: &str) -> Snapshot {
    let mut text =
        "[listen]\naddress = \"127.0.0.1:0\"\nplain_http2 = true\ntrusted_proxies = [\"127.0.0.9/32\"]\n\
                    [ban]\nexempt = [\"127.0.0.1/32\"]\n[flood]\nmode = \"off\"\n"
            .to_owned();
    for mode in MODES {
        text +=
            &application(mode, mode, upstream.url().trim_end_matches('/'), "cors = { origins = [\"*\"] }\n");
        let socket = "websocket = { origin_required = false }\n";
        text += &application(&format!("ws-{mode}"), mode, &sockets.url(), socket);
    }
    text += &application("secure", "before", "http://127.0.0.1:1", "")
        .replace("hosts = [\"secure\"]\n", "hosts = [\"secure\"]\nhttps = \"redirect\"\n");
    // Whoever asks for the address itself.
    let text = text.replace("hosts = [\"after\"]", "hosts = [\"after\", \"*\"]") + more;
    compile(&text, "test.toml", &Nothing, Timestamp::MIN).unwrap_or_else(|told| panic!("{told:?}\n{text}"))
}

/// The applications `shop`, `other` and `live`, each at its host below `localhost`, and a portal.
pub(crate) fn with_portal(upstream: &Upstream, sockets: &WebsocketUpstream, portal: &str) -> Snapshot {
    with_roles(upstream, sockets, portal, "user = [\"read:tasks\"]")
}

/// The same with these roles.
pub(crate) fn with_roles(
    upstream: &Upstream,
    sockets: &WebsocketUpstream,
    portal: &str,
    roles: &str,
) -> Snapshot {
    let mut text = "[listen]\naddress = \"127.0.0.1:0\"\nplain_http2 = true\n\
                    [ban]\nexempt = [\"127.0.0.1/32\"]\n[flood]\nmode = \"off\"\n\
                    [access]\npermissions = [\"read:tasks\", \"write:tasks\"]\n\
                    [access.roles]\n"
        .to_owned()
        + &format!("{roles}\n[portal]\norigin = \"{portal}\"\n");
    let (server, socket) = (upstream.url(), sockets.url());
    for (name, server) in [("shop", server.trim_end_matches('/')), ("other", &server), ("live", &socket)] {
        let server = server.trim_end_matches('/');
        text += &format!(
            "[application.{name}]\nhosts = [\"{name}.localhost\"]\n[application.{name}.upstream]\n\
             servers = [\"{server}\"]\n[application.{name}.limits.few]\nby = \"api_key\"\nrequests = 2\n\
             window = \"1h\"\n"
        );
        let more = if name == "live" { "websocket = { origins = [\"*\"] }\n" } else { "" };
        for (route, path, rest) in [
            ("all", "/*", "public = true"),
            ("open", "/open/*", "public = true"),
            ("in", "/in/*", "login_required = true"),
            ("page", "/page/*", "login_required = true\nkind = \"page\""),
            ("read", "/read", "permissions = [\"read:tasks\"]"),
            ("write", "/write", "permissions = [\"write:tasks\"]"),
            ("user", "/user", "roles = [\"user\"]"),
            ("few", "/few", "login_required = true\nlimits = [\"few\"]"),
        ] {
            text += &format!(
                "[[application.{name}.route]]\nname = \"{route}\"\npath = \"{path}\"\n{rest}\n{more}"
            );
        }
    }
    compile(&text, "test.toml", &Nothing, Timestamp::MIN).unwrap_or_else(|told| panic!("{told:?}\n{text}"))
}

fn application(name: &str, mode: &str, server: &str, more: &str) -> String {
    format!(
        "[application.{name}]\nhosts = [\"{name}\"]\n[application.{name}.upstream]\nservers = [\"{server}\"]\n\
         retry_percent = 0\nbreaker = {{ failures = 1000 }}\n[[application.{name}.route]]\nname = \"all\"\n\
         path = \"/*\"\npublic = true\naudit = \"{mode}\"\n{more}"
    )
}

/// Surroundings in which there is nothing.
struct Nothing;

impl Surroundings for Nothing {
    fn secret_file(&self, _: &Path) -> Result<SecretString, FileProblem> {
        Err(FileProblem::Missing)
    }

    fn public_file(&self, _: &Path) -> Result<Vec<u8>, FileProblem> {
        Err(FileProblem::Missing)
    }

    fn files(&self, _: &Path) -> Result<Vec<PathBuf>, FileProblem> {
        Err(FileProblem::Missing)
    }

    fn self_made(&self, _: &Path, _: &[String]) -> Result<SelfMade, FileProblem> {
        Err(FileProblem::Missing)
    }

    fn system_authorities(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        Err("there are none".into())
    }

    fn variable(&self, _: &str) -> Option<SecretString> {
        None
    }

    fn resolve(&self, path: &Path) -> PathBuf {
        Path::new("/nowhere").join(path)
    }
}
