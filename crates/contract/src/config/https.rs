//! Compiles what becomes of requests over plain HTTP (NW-02).
//!
//! A redirect that cannot work is a mistake here and not an endless loop in somebody's browser.

use ipnet::IpNet;

use super::choice::HttpsMode;
use super::kind::{Gaps, List};
use super::tree::{self, Config};
use crate::diagnostic::{Problem, Problems};
use crate::snapshot::{HostPattern, PlainHttp};

/// What an application does with requests over plain HTTP.
pub(crate) fn plain_http(
    application: &tree::Application,
    config: &Config,
    problems: &mut Problems,
) -> Option<PlainHttp> {
    let mode = *application.https.value()?;
    let public_host = match application.public_host.written() {
        Some((host, _)) => Some(host.0.clone()),
        None if application.public_host.is_left_out() => None,
        None => return None,
    };
    report_what_cannot_work(mode, application, config, problems);
    let ends_tls = !config.listen.value()?.tls.is_left_out();
    Some(match mode {
        HttpsMode::Redirect => PlainHttp::Redirect { public_host },
        HttpsMode::Auto if ends_tls => PlainHttp::Redirect { public_host },
        HttpsMode::Auto | HttpsMode::Allow => PlainHttp::Allow,
        HttpsMode::Refuse => PlainHttp::Refuse,
    })
}

fn report_what_cannot_work(
    mode: HttpsMode,
    application: &tree::Application,
    config: &Config,
    problems: &mut Problems,
) {
    let every_host = application.hosts.items().find(|host| host.value == HostPattern::Any);
    if let (HttpsMode::Redirect, Some(host), true) = (mode, every_host, application.public_host.is_left_out())
    {
        let message =
            "redirects would lead to whatever host a client names, because the application takes every host";
        let help = "name the host in `public_host`, or the hosts of the application instead of `*`";
        problems.add(Problem::at(&host.place, message).help(help));
    }
    if let (HttpsMode::Allow | HttpsMode::Refuse, Some((_, place))) =
        (mode, application.public_host.written())
    {
        let message = "nothing is redirected there, because `https` is not `redirect`";
        problems.add(Problem::at(place, message).help("remove it, or write `https = \"redirect\"`"));
    }
    let Some(listen) = config.listen.value() else { return };
    // Of a section or list that is there and wrong, nobody knows what it was meant to say.
    let nobody = |proxies: &List<IpNet>| proxies.iter().next().is_none() && proxies.gaps == Gaps::None;
    let no_https = listen.tls.is_left_out() && listen.trusted_proxies.value().is_some_and(nobody);
    let end = match mode {
        HttpsMode::Redirect => "a redirect would run in a circle",
        HttpsMode::Refuse => "every request would be refused",
        HttpsMode::Auto | HttpsMode::Allow => return,
    };
    if no_https {
        let message = format!("no request comes over HTTPS here, so {end}");
        let help =
            "add a section `[listen.tls]`, or name the proxy that ends TLS in `listen.trusted_proxies`";
        problems.add(Problem::at(&application.https.place, message).help(help));
    }
}
