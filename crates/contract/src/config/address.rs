//! Where things are: socket addresses, networks, servers, hosts, and paths in URLs.
//!
//! Each has one way to be written; what is written otherwise is refused together with the right way.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::Uri;
use http::uri::Scheme;
use ipnet::IpNet;
use rustls_pki_types::ServerName;
use serde_json::{Value, json};

use super::kind::{Text, Wrong};
use crate::diagnostic::quoted;
use crate::path::{PathPattern, PathPatternError};
use crate::snapshot::HostPattern;

/// The base address of a server behind the gate: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerUrl(pub(crate) Uri);

/// A path asked for, perhaps with a query; no pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UrlPath(pub(crate) Box<str>);

/// A host that clients are sent to, perhaps with a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicHost(pub(crate) Box<str>);

impl Text for SocketAddr {
    const NAME: &'static str = "address with port";
    const LIKE: &'static str = "\"127.0.0.1:8080\" or \"[::1]:8080\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if let Ok(address) = text.parse() {
            return Ok(address);
        }
        let wrong = Wrong::new(format!("{} is not an address with its port", quoted(text)));
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Err(wrong.help(format!("give the port too, such as \"{}\"", SocketAddr::new(ip, 8080))));
        }
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        match (host, port.parse::<u16>()) {
            ("" | "localhost", Ok(port)) => {
                Err(wrong
                    .help(format!("write \"127.0.0.1:{port}\", or \"0.0.0.0:{port}\" for every interface")))
            }
            (_, Ok(_)) => Err(wrong.help("write the number of an address of this machine, not a name")),
            _ => Err(wrong.help(format!("write it like {}", Self::LIKE))),
        }
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl Text for IpNet {
    const NAME: &'static str = "network";
    const LIKE: &'static str = "\"10.0.0.0/8\" or \"2001:db8::/32\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = Wrong::new(format!("{} is not a network", quoted(text)));
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Err(wrong.help(format!("write \"{}\" for this one address", IpNet::from(ip))));
        }
        let net: IpNet = text.parse().map_err(|_| wrong.help(format!("write it like {}", Self::LIKE)))?;
        if let IpAddr::V6(v6) = net.addr()
            && let Some(v4) = v6.to_ipv4_mapped()
        {
            let message = format!("{} would never match: clients of IPv4 are compared as IPv4", quoted(text));
            let length = net.prefix_len().saturating_sub(96);
            return Err(Wrong::new(message).help(format!("write \"{v4}/{length}\"")));
        }
        if net.trunc() != net {
            let message = format!("{} has bits set behind its length of {}", quoted(text), net.prefix_len());
            let single = IpNet::from(net.addr());
            return Err(Wrong::new(message).help(format!(
                "write \"{}\" for the network, or \"{single}\" for the one address",
                net.trunc()
            )));
        }
        Ok(net)
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl Text for ServerUrl {
    const NAME: &'static str = "server URL";
    const LIKE: &'static str = "\"http://127.0.0.1:3000\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        // Before anything is quoted: what stands before the `@` may be a password.
        if text.contains('@') {
            let wrong = Wrong::new("must not hold a user name or password").hide_line();
            return Err(wrong.help(format!("write only scheme, host and port, such as {}", Self::LIKE)));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            let wrong = Wrong::new(format!("{} has no scheme", quoted(text)));
            return Err(wrong.help(format!("write \"http://{}\"", text.trim_matches('/'))));
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let plain = format!("{}://{authority}", if scheme == "https" { scheme } else { "http" });
        match scheme {
            "http" | "https" => {}
            "ws" | "wss" => {
                let wrong = Wrong::new(format!("the scheme {} is not for servers", quoted(scheme)));
                return Err(wrong.help(format!(
                    "write \"{plain}\", and a section `websocket` in the routes that take WebSockets"
                )));
            }
            _ => {
                let wrong = Wrong::new(format!("the scheme {} is not known", quoted(scheme)));
                return Err(wrong.help(format!("write \"{plain}\"")));
            }
        }
        if !matches!(rest.strip_prefix(authority), Some("" | "/")) {
            let message = format!("{} has more than scheme, host and port", quoted(text));
            return Err(Wrong::new(message)
                .help(format!("write \"{plain}\"; requests keep the path that the client asked for")));
        }
        let unusable = || {
            Wrong::new(format!("{} is not a server URL", quoted(text)))
                .help(format!("write it like {}", Self::LIKE))
        };
        let uri: Uri = plain.parse().map_err(|_| unusable())?;
        // A host that no certificate can be for would fail only when a request comes.
        let named = uri.host().is_some_and(|host| match scheme {
            "https" => name_of(host).is_some(),
            _ => !host.is_empty(),
        });
        // A port that is no number, or beyond 65535, is not understood as a port at all.
        let port = uri.authority().map(|a| a.as_str().len() > a.host().len()).unwrap_or_default();
        let port_fits = !port || uri.port_u16().is_some_and(|port| port != 0);
        if named && port_fits { Ok(Self(uri)) } else { Err(unusable()) }
    }

    fn text(&self) -> String {
        self.0.to_string().trim_end_matches('/').to_owned()
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^https?://[^/?#@]+/?$" })
    }
}

impl ServerUrl {
    /// Whether requests go to it over TLS.
    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// The port, written or usual.
    pub(crate) fn port(&self) -> u16 {
        self.0.port_u16().unwrap_or(if self.is_https() { 443 } else { 80 })
    }
}

fn name_of(host: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).ok()
}

impl Text for ServerName<'static> {
    const NAME: &'static str = "host name or address";
    const LIKE: &'static str = "\"shop.internal\" or \"10.0.0.7\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        name_of(text).ok_or_else(|| {
            let wrong = Wrong::new(format!("{} is neither a host name nor an address", quoted(text)));
            match name_of(&bare_host(text)) {
                Some(name) => wrong.help(format!("write \"{}\": without scheme, port or path", name.text())),
                None => wrong.help(format!("write it like {}", Self::LIKE)),
            }
        })
    }

    fn text(&self) -> String {
        self.to_str().into_owned()
    }
}

impl Text for HostPattern {
    const NAME: &'static str = "host";
    const LIKE: &'static str = "\"shop.example.com\", \"*.example.com\" or \"*\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if let Some(host) = host_pattern(text) {
            return Ok(host);
        }
        let wrong = Wrong::new(format!("{} is not a host", quoted(text)));
        if !text.is_ascii() {
            return Err(wrong.help("write the name as DNS has it, in its `xn--` form"));
        }
        let corrected = bare_host(text);
        Err(match host_pattern(&corrected) {
            Some(_) => wrong
                .help(format!("write \"{corrected}\": lower case, without scheme, port, path or last dot")),
            None => wrong.help(format!("write it like {}", Self::LIKE)),
        })
    }

    fn text(&self) -> String {
        match self {
            Self::Any => "*".into(),
            Self::Under(suffix) => format!("*.{suffix}"),
            Self::Exactly(host) => host.to_string(),
        }
    }
}

impl Text for PublicHost {
    const NAME: &'static str = "host";
    const LIKE: &'static str = "\"shop.example.com\" or \"shop.example.com:8443\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (text, None),
        };
        // As a number would be written: no sign, no zeros before it.
        let is_port =
            |port: &str| port.parse::<u16>().is_ok_and(|number| number != 0 && number.to_string() == port);
        if is_host(host) && port.is_none_or(|port| is_port(port) && port != "443") {
            return Ok(Self(text.into()));
        }
        let wrong = Wrong::new(format!("{} is not a host that redirects can lead to", quoted(text)));
        let corrected = bare_host(text);
        Err(match host_pattern(&corrected) {
            Some(HostPattern::Exactly(_)) => wrong.help(format!(
                "write \"{corrected}\": lower case, without scheme and path, with a port only if it is not 443"
            )),
            _ => wrong.help(format!("write it like {}", Self::LIKE)),
        })
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}

fn host_pattern(text: &str) -> Option<HostPattern> {
    if text == "*" {
        return Some(HostPattern::Any);
    }
    if let Some(suffix) = text.strip_prefix("*.") {
        return is_host_name(suffix).then(|| HostPattern::Under(suffix.into()));
    }
    let bracketed = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    // Only the canonical form: clients that write `[::0:1]` are compared in it too.
    let literal =
        bracketed.and_then(|t| t.parse::<Ipv6Addr>().ok()).is_some_and(|ip| format!("[{ip}]") == text);
    (literal || is_host_name(text)).then(|| HostPattern::Exactly(text.into()))
}

/// Whether the text is one host, as a name or a literal address.
pub(crate) fn is_host(text: &str) -> bool {
    matches!(host_pattern(text), Some(HostPattern::Exactly(_)))
}

pub(crate) fn is_host_name(text: &str) -> bool {
    const NAME_BYTES_MAX: usize = 253;
    const LABEL_BYTES_MAX: usize = 63;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let label = |l: &str| (1..=LABEL_BYTES_MAX).contains(&l.len()) && l.chars().all(plain);
    text.len() <= NAME_BYTES_MAX && text.split('.').all(label)
}

/// A host freed of what people paste along with it.
fn bare_host(text: &str) -> String {
    let text = text.trim().to_ascii_lowercase();
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<Ipv6Addr>() {
        return format!("[{ip}]");
    }
    let text = text.split_once("://").map_or(&*text, |(_, rest)| rest);
    let text = text.split(['/', '?', '#']).next().unwrap_or_default();
    let text =
        text.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(text, |(host, _)| host);
    text.trim_end_matches('.').to_owned()
}

impl Text for PathPattern {
    const NAME: &'static str = "path";
    const LIKE: &'static str = "\"/tasks\", \"/tasks/{id}\" or \"/static/*\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = |problem: PathPatternError| Wrong::new(format!("{}: {problem}", quoted(text)));
        if let Some(name) = text.split('/').find_map(|segment| segment.strip_prefix(':')) {
            let message = format!("{}: `:{name}` would only match itself", quoted(text));
            return Err(Wrong::new(message).help(format!("write `{{{name}}}` for any one segment")));
        }
        PathPattern::parse(text).map_err(|problem| match problem {
            PathPatternError::NotAbsolute => wrong(problem).help(format!("write \"/{text}\"")),
            PathPatternError::Star if !text.contains("/*") => {
                wrong(problem).help(format!("write \"{}/*\"", text.split('*').next().unwrap_or_default()))
            }
            PathPatternError::Star | PathPatternError::Brace => wrong(problem),
            PathPatternError::Never(segment) if segment.is_empty() => {
                let message =
                    format!("{} has an empty segment, and no normalised path has one", quoted(text));
                Wrong::new(message).help("write one `/` between two segments")
            }
            PathPatternError::Never(_) => {
                wrong(problem).help("write the path as the application sees it, decoded")
            }
            PathPatternError::Character(_) => wrong(problem).help("write only the path"),
        })
    }

    fn text(&self) -> String {
        self.to_string()
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^/" })
    }
}

impl Text for UrlPath {
    const NAME: &'static str = "path";
    const LIKE: &'static str = "\"/health\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = || {
            Wrong::new(format!("{} is not a path", quoted(text)))
                .help(format!("write it like {}", Self::LIKE))
        };
        let usable =
            text.starts_with('/') && !text.contains('#') && text.parse::<http::uri::PathAndQuery>().is_ok();
        if usable { Ok(Self(text.into())) } else { Err(wrong()) }
    }

    fn text(&self) -> String {
        self.0.to_string()
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^/[^#]*$" })
    }
}
/// The URL of something on another machine that is asked over HTTPS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HttpsUrl(Box<str>);

impl HttpsUrl {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Text for HttpsUrl {
    const NAME: &'static str = "https URL";
    const LIKE: &'static str = "\"https://example.com/path\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        // Before anything is quoted: what stands before the `@` may be a password.
        if text.contains('@') {
            let wrong = Wrong::new("must not hold a user name or password").hide_line();
            return Err(wrong.help(format!("write it like {}", Self::LIKE)));
        }
        let wrong = || Wrong::new(format!("{} is not an https URL", quoted(text)));
        let uri: Uri = text.parse().map_err(|_| wrong().help(format!("write it like {}", Self::LIKE)))?;
        if uri.scheme() == Some(&Scheme::HTTP) {
            let help =
                "write `https://…`: whoever sits on the way could otherwise read and change what is said";
            return Err(wrong().help(help));
        }
        let named = uri.host().is_some_and(|host| !host.is_empty()) && !text.contains('#');
        if uri.scheme() == Some(&Scheme::HTTPS) && named {
            return Ok(Self(text.into()));
        }
        Err(wrong().help(format!("write it like {}", Self::LIKE)))
    }

    fn text(&self) -> String {
        self.0.to_string()
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^https://[^#@]+$" })
    }
}
